"""Is the difference of two arms more than chance? A paired bootstrap over speakers and seeds, and its plainer cousins.

The frames of a person are not independent, and neither are two trainings' accuracies equal: what a difference must
survive is another set of speakers and another set of seeds. Both are resampled, each n - 1 times out of n with
replacement, which makes the variance of a mean unbiased however few there are (Rao and Wu 1988, JASA 83; drawing n
out of n is short by (n - 1) / n). Speakers are drawn whole and are the same for both arms; seeds are drawn for each
arm apart, since the same number starts different weights in different architectures.

Two things that this does not do, both measured by simulation (`tests/statistics/test_intervals.py`):
- Draw utterances again within the drawn speakers. A whole speaker already carries the spread of its utterances;
  drawing them a second time counts it twice, and 95 % intervals then cover 98 to 100 %.
- Take the replicates' variance as it is. Resampling two crossed factors counts their interaction three times (Owen
  2007, The pigeonhole bootstrap); two of the three are taken off.

The interval is difference +- t * standard error, t from Student's distribution with the degrees of freedom that the
speakers and seeds together allow (Satterthwaite 1946). With many of both it is the normal interval; with three seeds
or four speakers it is as wide as so little evidence makes it. A percentile interval undercovers there: of four
speakers it cannot even reach beyond the four.

Legend: S seeds, U utterances, G units (speakers, say), C classes, R resamples.

How probable is it that arm A beats arm B for a new speaker, each trained with a new seed?

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

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from scipy.stats import false_discovery_control, t

from harness.statistics.metrics import OfCounts, marginals
from harness.statistics.tallies import Resampled, Tally, draw

METHOD = "paired bootstrap of units and seeds (n - 1 of n draws), Student's t with Satterthwaite's degrees of freedom"


class Verdict(Enum):
    """What the interval of a difference says."""

    BETTER = "better"
    """One of the two: the interval excludes zero."""
    EQUAL = "practically equal"
    """The interval lies within the margin on both sides of zero."""
    NO_DIFFERENCE = "no difference shown"
    """The interval contains zero."""
    NO_INTERVAL = "no interval"
    """One unit only, from which nothing can be said of others."""


@dataclass(frozen=True)
class VarianceParts:
    """Where the variance of a difference comes from; arrays as in `Difference`."""

    units: np.ndarray
    """Over units, with the seeds that there are."""
    seeds: tuple[np.ndarray, np.ndarray]
    """Over the seeds of each arm, with the units that there are."""
    both: np.ndarray
    """Of the interaction of units and seeds, which is part of each of the others."""


@dataclass(frozen=True)
class Difference:
    """Of two arms, a - b, in one metric. Arrays have one entry per class if the metric has, else none."""

    difference: np.ndarray
    se: np.ndarray | None
    """Standard error over units and seeds; None where there is only one unit."""
    degrees_of_freedom: np.ndarray | None
    """Degrees of freedom of that standard error."""
    low: np.ndarray | None
    high: np.ndarray | None
    p: np.ndarray | None
    """Two-sided, of no difference; an interval of level 1 - p ends at zero."""
    clustered_se: np.ndarray | None
    """Over units alone, by leaving out one at a time (the jackknife)."""
    sources: VarianceParts | None = None


def paired_difference(
    a: Resampled, b: Resampled, metric: OfCounts, *, level: float = 0.95, seed: int = 0, pooled: bool = False
) -> Difference:
    """The difference of two arms that were tested on the same utterances, with its interval.

    Args:
        pooled: compare the metric of the seeds' pooled counts rather than the mean of the seeds' metrics.

    Example:
        >>> from harness.statistics.metrics import accuracy
        >>> from harness.statistics.tallies import resample
        >>> whole, speakers = np.array([100, 100, 100]), ["anna", "ben", "cleo"]
        >>> a = Tally.of_shares([np.array([80, 70, 75])], whole, speakers)
        >>> b = Tally.of_shares([np.array([75, 66, 69])], whole, speakers)
        >>> found = paired_difference(*resample([a, b]), accuracy)
        >>> f"{found.difference:.3f} ({found.low:.3f} to {found.high:.3f})"
        '0.050 (0.025 to 0.075)'
    """
    arms = (a, b)
    n_units, n_resamples = a.tally.n_units, a.resampled.n_units
    values = [arm.tally.total.value(metric, pooled=pooled)[0] for arm in arms]
    difference = values[0] - values[1]
    if n_units == 1:
        return Difference(difference, None, None, None, None, None, None)

    over_both, over_units, over_seeds, seed_variances = [], [], [], []
    for arm in arms:
        seeds = draw(arm.tally.n_seeds, n_resamples, np.random.default_rng([seed, 1 + arm.place]))
        seeds /= seeds.sum(axis=1, keepdims=True)
        over_both.append(arm.resampled.value(metric, seeds, pooled=pooled))
        over_units.append(arm.resampled.value(metric, pooled=pooled))
        over_seeds.append(arm.tally.total.value(metric, seeds, pooled=pooled))
        seed_variances.append(_variance_of_mean(arm.tally.total.of_seeds(metric)[:, 0]))
    both, units, seeds = (x[0] - x[1] for x in (over_both, over_units, over_seeds))
    interaction = both - units - seeds + difference
    variance = both.var(axis=0) - 2 * interaction.var(axis=0)
    variance = np.maximum(variance, np.maximum(units.var(axis=0), seeds.var(axis=0)))
    se = np.sqrt(variance)

    left_out = a.tally.without_each().value(metric, pooled=pooled) - b.tally.without_each().value(metric, pooled=pooled)
    clustered_variance = (n_units - 1) * left_out.var(axis=0)
    degrees_of_freedom = satterthwaite(
        [clustered_variance, *seed_variances], [n_units - 1, a.tally.n_seeds - 1, b.tally.n_seeds - 1]
    )
    half = t.ppf((1 + level) / 2, degrees_of_freedom) * se
    studentised = np.divide(np.abs(difference), se, out=np.where(difference == 0, 0.0, np.inf), where=se > 0)
    return Difference(
        difference=difference,
        se=se,
        degrees_of_freedom=degrees_of_freedom,
        low=difference - half,
        high=difference + half,
        p=2 * t.sf(studentised, degrees_of_freedom),
        clustered_se=np.sqrt(clustered_variance),
        sources=VarianceParts(units.var(axis=0), (seed_variances[0], seed_variances[1]), interaction.var(axis=0)),
    )


def one_arm_interval(arm: Resampled, metric: OfCounts, *, level: float = 0.95, seed: int = 0) -> Difference:
    """The metric of one arm with its interval: its difference from an arm that gets nothing right, always.

    Example:
        >>> from harness.statistics.metrics import accuracy
        >>> from harness.statistics.tallies import resample
        >>> arm = Tally.of_shares([np.array([80, 70, 75])], np.array([100, 100, 100]), ["anna", "ben", "cleo"])
        >>> float(one_arm_interval(*resample([arm]), accuracy).difference)
        0.75
    """

    def nothing(tally: Tally) -> Tally:
        none = np.zeros_like(tally.correct[:1])
        return Tally(none, none, tally.true)

    return paired_difference(arm, Resampled(nothing(arm.tally), nothing(arm.resampled)), metric, level=level, seed=seed)


def _variance_of_mean(values: np.ndarray) -> np.ndarray:
    """(S, ...) -> (...); 0 where one seed cannot tell."""
    return values.var(axis=0, ddof=1) / len(values) if len(values) > 1 else np.zeros(values.shape[1:])


def satterthwaite(variances: list[np.ndarray], freedoms: list[int]) -> np.ndarray:
    """Degrees of freedom of a sum of independent variances; a part without any is left out.

    Example:
        >>> float(satterthwaite([np.array(2.0), np.array(2.0)], [4, 4]))
        8.0
    """
    parts = [(np.asarray(v), f) for v, f in zip(variances, freedoms, strict=True) if f > 0]
    total = sum(v for v, _ in parts)
    spread = sum(v**2 / f for v, f in parts)
    smallest = float(min(f for _, f in parts))
    has_spread, out = np.asarray(spread) > 0, np.full(np.shape(total), smallest)
    degrees_of_freedom: np.ndarray = np.divide(total**2, spread, out=out, where=has_spread)
    return degrees_of_freedom


def naive_se(influence: np.ndarray) -> float:
    """The standard error if every frame were independent of every other: shown for contrast.

    Args:
        influence: (F,) of an arm; or of one less that of another, for their difference on the same frames. Of accuracy
            it gives sqrt(p (1 - p) / F).

    Example:
        >>> right = np.array([1.0, 0.0, 1.0, 1.0])
        >>> round(naive_se(right / 4), 4)  # sqrt(0.75 * 0.25 / 4)
        0.2165
    """
    return float(np.sqrt(len(influence)) * influence.std())


def influence(seeds: Sequence[np.ndarray], n_classes: int, metric: OfCounts) -> np.ndarray:
    """(F,) what each frame adds to the mean of a metric over seeds: the infinitesimal jackknife (Efron 1982, ch. 6).

    Args:
        seeds: for each seed (F,) the kind of every frame, true * C + predicted.

    Example:
        >>> from harness.statistics.metrics import accuracy
        >>> kinds = np.array([0, 0, 1, 3])  # of two classes: 0 as 0 twice, 0 as 1, 1 as 1
        >>> influence([kinds], 2, accuracy).round(2).tolist()
        [0.05, 0.05, -0.15, 0.05]
    """
    kinds = np.eye(n_classes**2).reshape(-1, n_classes, n_classes)
    total = np.zeros(len(seeds[0]))
    for frames in seeds:
        confusion = np.bincount(frames, minlength=n_classes**2).reshape(n_classes, n_classes).astype(float)
        total += (metric(*marginals(confusion + kinds)) - metric(*marginals(confusion)))[frames]
    return total / len(seeds)


def verdict(
    a: str, b: str, difference: Difference, *, margin: float = 0.0, lower_is_better: bool = False
) -> tuple[Verdict, str | None]:
    """What an interval says of two arms, and which of them is better where one is.

    Args:
        margin: differences up to this size are held for none; an interval that lies within it on both sides of zero
            says that the arms are practically equal, also where it excludes zero. 0: no difference is held for none.

    Example:
        >>> difference = Difference(*map(np.float64, (0.02, 0.005, 9, 0.01, 0.03, 0.003, 0.005)))
        >>> verdict("ladnn", "ffdnn", difference)
        (<Verdict.BETTER: 'better'>, 'ladnn')
        >>> verdict("ladnn", "ffdnn", difference, margin=0.05)
        (<Verdict.EQUAL: 'practically equal'>, None)
    """
    if difference.low is None or difference.high is None:
        return Verdict.NO_INTERVAL, None
    if margin and -margin <= difference.low and difference.high <= margin:
        return Verdict.EQUAL, None
    if difference.low <= 0 <= difference.high:
        return Verdict.NO_DIFFERENCE, None
    return Verdict.BETTER, a if (difference.low > 0) != lower_is_better else b


def selected_intervals(
    differences: Difference, p_corrected: np.ndarray, level: float
) -> tuple[np.ndarray, np.ndarray, float]:
    """Intervals of differences of which some were picked out because they survived the correction for their number.

    Wider than each alone: R of m were picked, so each has the level 1 - (1 - level) R / m, with R = 1 where none was
    (Benjamini and Yekutieli 2005, False discovery rate-adjusted multiple confidence intervals for selected parameters).
    An interval excludes zero exactly where the difference survives.

    Args:
        differences: one entry per class, all that were corrected for.
        p_corrected: (C,) as `corrected` gives them.

    Returns:
        (C,) low, (C,) high, and the level that they have.

    Example:
        >>> numbers = ([0.02, 0.0], [0.004, 0.01], [9, 9], [0.011, -0.02], [0.029, 0.02], [0.001, 1.0], [0.004, 0.01])
        >>> low, high, level = selected_intervals(Difference(*map(np.array, numbers)), np.array([0.002, 1.0]), 0.95)
        >>> low.round(3).tolist(), round(level, 3)  # one of two was selected
        ([0.009, -0.027], 0.975)
    """
    assert differences.se is not None
    n_selected = max(1, int((p_corrected <= 1 - level).sum()))
    own = 1 - (1 - level) * n_selected / len(p_corrected)
    half = t.ppf((1 + own) / 2, differences.degrees_of_freedom) * differences.se
    return differences.difference - half, differences.difference + half, own


def corrected(p: np.ndarray) -> np.ndarray:
    """p-values corrected for their number: the share of false findings among all that stay below a level is at most
    that level (Benjamini and Hochberg 1995).

    Example:
        >>> corrected(np.array([0.01, 0.04, 0.5])).round(2).tolist()
        [0.03, 0.06, 0.5]
    """
    p_corrected: np.ndarray = false_discovery_control(p, method="bh")
    return p_corrected


def probability_better(a: Tally, b: Tally, metric: OfCounts) -> float | None:
    """The probability that the metric is higher for a than for b, in (0, 1); None where there is only one unit.

    An arm with one seed has no variance over seeds: the probability is then for a new unit with that seed.

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
    each = [tally.of_seeds(metric) for tally in (a, b)]
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
