"""How probable is it that arm A beats arm B for a new speaker, each trained with a new seed, or searched anew?

An interval of `intervals` is about the mean over all speakers and seeds; this is about the next one. Let x[s, g] be the
metric of an arm's seed s on the frames of unit g (a speaker, say), and d the difference of the two arms for a unit and
a seed of each that were not seen. With

    x[s, g] = mean + unit g + seed s + (seed s with unit g)

for each arm, units shared by both, d is predicted by Student's t around the mean difference over units, with the
variances of all of these terms and that of the mean itself; its degrees of freedom are Satterthwaite's. The answer is
the share of that distribution above zero. The terms' variances come from the mean squares of the two crossed factors
(Searle, Casella and McCulloch 1992, Variance components, ch. 4): what a unit does to the difference (MU), what a seed
does to an arm (MS), and their interaction (MI).

Every unit counts alike here, however much it says, and a new one is taken to say about as much as those seen.

Legend: S seeds, G units.
"""

import numpy as np
from scipy.stats import t

from harness.statistics.intervals import satterthwaite
from harness.statistics.metrics import OfCounts
from harness.statistics.tallies import Tally


def probability_better(a: Tally, b: Tally, metric: OfCounts) -> float | None:
    """The probability that the metric is higher for a than for b, in (0, 1); None where there is only one unit.

    With several searches of each arm it is for a new search, whose final is the mean of as many seeds. An arm with one
    seed has no variance over seeds: the probability is then for a new unit with that seed.

    Example:
        >>> from harness.statistics.metrics import accuracy
        >>> whole, speakers = np.array([100, 100, 100]), ["anna", "ben", "cleo"]
        >>> a = Tally.of_shares([np.array([80, 70, 75])], whole, speakers)
        >>> b = Tally.of_shares([np.array([75, 66, 69])], whole, speakers)
        >>> round(probability_better(a, b, accuracy), 2)
        0.98
    """
    if a.n_units == 1:
        return None
    each = [tally.of_draws(metric) for tally in (a, b)]
    of_units = each[0].mean(axis=0) - each[1].mean(axis=0)
    n_units = len(of_units)
    parts = [((1 + 1 / n_units) * of_units.var(ddof=1), n_units - 1)]
    for values in each:
        n_seeds = len(values)
        if n_seeds == 1:
            continue
        seeds = values.mean(axis=1)
        interaction = values - values.mean(axis=0) - seeds[:, None] + values.mean()
        degrees_of_freedom = (n_seeds - 1) * (n_units - 1)
        parts.append(((1 + 1 / n_seeds) * seeds.var(ddof=1), n_seeds - 1))
        share = 1 - 1 / n_seeds - 1 / n_units - 1 / (n_seeds * n_units)
        parts.append((share * float((interaction**2).sum()) / degrees_of_freedom, degrees_of_freedom))
    variance = max(sum(v for v, _ in parts), parts[0][0])
    of_all = satterthwaite([np.asarray(v) for v, _ in parts], [f for _, f in parts])
    mean = float(of_units.mean())
    if variance == 0:
        return 0.5 if mean == 0 else float(mean > 0)
    return float(t.cdf(mean / np.sqrt(variance), of_all))
