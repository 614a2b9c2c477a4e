"""Is the difference of two arms more than chance? A paired bootstrap over speakers and seeds, and its plainer cousins.

The frames of a person are not independent, and neither are two trainings' accuracies equal: what a difference must
survive is another set of speakers and another set of seeds. Both are resampled, each n - 1 times out of n with
replacement, which makes the variance of a mean unbiased however few there are (Rao and Wu 1988, JASA 83; drawing n
out of n is short by (n - 1) / n). Speakers are drawn whole and are the same for both arms; seeds are drawn for each
arm apart, since the same number starts different weights in different architectures.

Two things that this does not do, both measured by simulation (`tests/test_stats.py`):
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

The interval of `stats` is about the mean over all speakers and seeds; this is about the next one. Let x[s, g] be the
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
from functools import cached_property

import numpy as np
from scipy.stats import false_discovery_control, t

from harness.statistics.metrics import Metric, marginals

METHOD = "paired bootstrap of whole units and of seeds (n - 1 of n draws), Student's t with Satterthwaite's freedom"
RESAMPLES = 2000
NO_DIFFERENCE = "no difference shown"
PRACTICALLY_EQUAL = "practically equal"


@dataclass(frozen=True)
class Tally:
    """The confusion counts of one arm's seeds, as far as the metrics need them, summed over each unit."""

    correct: np.ndarray
    """(S, G, C)"""
    predicted: np.ndarray
    """(S, G, C)"""
    true: np.ndarray
    """(G, C), the same for all seeds."""

    @staticmethod
    def of(counts: Sequence[np.ndarray], units: Sequence[str]) -> "Tally":
        """From one (U, C, C) array of counts per seed and the unit (the speaker, say) of each of the U utterances."""
        parts = [marginals(seed) for seed in counts]
        correct, predicted, true = (np.stack([grouped(part[i], units) for part in parts]) for i in range(3))
        return Tally(correct, predicted, true[0])

    @staticmethod
    def of_shares(parts: Sequence[np.ndarray], whole: np.ndarray, units: Sequence[str]) -> "Tally":
        """Of anything that is a sum over a sum, such as errors over segments: its `accuracy` is that share.

        Args:
            parts: (U,) for each seed.
            whole: (U,) the same for all seeds.
        """
        found = np.stack([grouped(part[:, None], units) for part in parts])
        return Tally(found, found, grouped(whole[:, None], units))

    @property
    def n_seeds(self) -> int:
        return self.correct.shape[0]

    @property
    def n_units(self) -> int:
        return self.correct.shape[1]

    @cached_property
    def total(self) -> "Tally":
        """All units as one."""
        return Tally(*(part.sum(axis=-2, keepdims=True) for part in (self.correct, self.predicted, self.true)))

    def weighted(self, weights: np.ndarray) -> "Tally":
        """(R, G) weights of the units -> the weighted sums, with R in the place of G."""
        correct, predicted = (np.tensordot(part, weights, (1, 1)) for part in (self.correct, self.predicted))
        return Tally(correct.transpose(0, 2, 1), predicted.transpose(0, 2, 1), weights @ self.true)

    def without_each(self) -> "Tally":
        """What remains when one unit is left out, for each unit."""
        whole = self.total
        return Tally(whole.correct - self.correct, whole.predicted - self.predicted, whole.true - self.true)

    def of_seeds(self, metric: Metric) -> np.ndarray:
        """(S, G, ...) the metric of each seed and unit."""
        return metric(self.correct, self.predicted, self.true)

    def value(self, metric: Metric, weights: np.ndarray | None = None, *, pooled: bool = False) -> np.ndarray:
        """(G, ...) the metric over all seeds: the mean of the seeds' metrics, or the metric of their pooled counts.

        Args:
            weights: (G, S), rows summing to 1; equal weights if None.
        """
        if weights is None:
            weights = np.full((1, self.n_seeds), 1 / self.n_seeds)
        if not pooled:
            return _weigh(weights, self.of_seeds(metric))
        return metric(_weigh(weights, self.correct), _weigh(weights, self.predicted), self.true)


def _weigh(weights: np.ndarray, per_seed: np.ndarray) -> np.ndarray:
    """Weights (G or 1, S), values (S, G or 1, ...) -> (G, ...)."""
    shape = weights.T.shape + (1,) * (per_seed.ndim - 2)
    return (weights.T.reshape(shape) * per_seed).sum(axis=0)


def grouped(values: np.ndarray, units: Sequence[str]) -> np.ndarray:
    """(U, ...) -> (G, ...) float64 sums over the utterances of each unit, in the order of the units' names."""
    _, codes = np.unique(np.asarray(units), return_inverse=True)
    order = np.argsort(codes, kind="stable")
    return np.add.reduceat(
        values[order], np.searchsorted(codes[order], np.arange(codes.max() + 1)), axis=0, dtype=float
    )


def draw(n: int, n_resamples: int, generator: np.random.Generator) -> np.ndarray:
    """(R, n) how often each of n is drawn when n - 1 are drawn with replacement; one alone is always drawn."""
    if n == 1:
        return np.ones((n_resamples, 1))
    drawn = generator.integers(n, size=(n_resamples, n - 1)) + n * np.arange(n_resamples)[:, None]
    return np.bincount(drawn.ravel(), minlength=n_resamples * n).reshape(n_resamples, n).astype(float)


@dataclass(frozen=True)
class Resampled:
    """An arm with its resamples of units, made once for all the pairs and metrics that it takes part in."""

    tally: Tally
    resampled: Tally
    """R in the place of G."""
    place: int = 0
    """Among the arms: each has draws of seeds of its own, the same in every pair and on either side of it."""


def resample(arms: Sequence[Tally], n_resamples: int = RESAMPLES, seed: int = 0) -> list[Resampled]:
    """Resample the units of arms that were tested on the same utterances, all alike: this makes comparisons paired."""
    weights = draw(arms[0].n_units, n_resamples, np.random.default_rng([seed, 0]))
    return [Resampled(arm, arm.weighted(weights), place) for place, arm in enumerate(arms)]


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
    a: Resampled, b: Resampled, metric: Metric, *, level: float = 0.95, seed: int = 0, pooled: bool = False
) -> Difference:
    """The difference of two arms that were tested on the same utterances, with its interval.

    Args:
        pooled: compare the metric of the seeds' pooled counts rather than the mean of the seeds' metrics.
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


def one_arm_interval(arm: Resampled, metric: Metric, *, level: float = 0.95, seed: int = 0) -> Difference:
    """The metric of one arm with its interval: its difference from an arm that gets nothing right, always."""

    def nothing(tally: Tally) -> Tally:
        none = np.zeros_like(tally.correct[:1])
        return Tally(none, none, tally.true)

    return paired_difference(arm, Resampled(nothing(arm.tally), nothing(arm.resampled)), metric, level=level, seed=seed)


def _variance_of_mean(values: np.ndarray) -> np.ndarray:
    """(S, ...) -> (...); 0 where one seed cannot tell."""
    return values.var(axis=0, ddof=1) / len(values) if len(values) > 1 else np.zeros(values.shape[1:])


def satterthwaite(variances: list[np.ndarray], freedoms: list[int]) -> np.ndarray:
    """Degrees of freedom of a sum of independent variances; a part without any is left out."""
    known = [(np.asarray(v), f) for v, f in zip(variances, freedoms, strict=True) if f > 0]
    total = sum(v for v, _ in known)
    spread = sum(v**2 / f for v, f in known)
    smallest = float(min(f for _, f in known))
    return np.divide(total**2, spread, out=np.full(np.shape(total), smallest), where=np.asarray(spread) > 0)


def naive_se(influence: np.ndarray) -> float:
    """The standard error if every frame were independent of every other: shown for contrast.

    Args:
        influence: (F,) of an arm; or of one less that of another, for their difference on the same frames. Of accuracy
            it gives sqrt(p (1 - p) / F).
    """
    return float(np.sqrt(len(influence)) * influence.std())


def influence(seeds: Sequence[np.ndarray], n_classes: int, metric: Metric) -> np.ndarray:
    """(F,) what each frame adds to the mean of a metric over seeds: the infinitesimal jackknife (Efron 1982, ch. 6).

    Args:
        seeds: for each seed (F,) the kind of every frame, true * C + predicted.
    """
    kinds = np.eye(n_classes**2).reshape(-1, n_classes, n_classes)
    total = np.zeros(len(seeds[0]))
    for frames in seeds:
        confusion = np.bincount(frames, minlength=n_classes**2).reshape(n_classes, n_classes).astype(float)
        total += (metric(*marginals(confusion + kinds)) - metric(*marginals(confusion)))[frames]
    return total / len(seeds)


def verdict(
    a: str, b: str, difference: Difference, unit: str, *, margin: float = 0.0, lower_is_better: bool = False
) -> str:
    """In words: "a better", "b better", "practically equal", or why none can be said.

    Args:
        margin: differences up to this size are held for none; an interval that lies within it on both sides of zero
            says that the arms are practically equal, also where it excludes zero. 0: no difference is held for none.
    """
    if difference.low is None or difference.high is None:
        return f"no interval: one {unit} only"
    if margin and -margin <= difference.low and difference.high <= margin:
        return PRACTICALLY_EQUAL
    if difference.low <= 0 <= difference.high:
        return NO_DIFFERENCE
    return f"{a if (difference.low > 0) != lower_is_better else b} better"


def selected_intervals(
    found: Difference, p_corrected: np.ndarray, level: float
) -> tuple[np.ndarray, np.ndarray, float]:
    """Intervals of differences of which some were picked out because they survived the correction for their number.

    Wider than each alone: R of m were picked, so each has the level 1 - (1 - level) R / m, with R = 1 where none was
    (Benjamini and Yekutieli 2005, False discovery rate-adjusted multiple confidence intervals for selected parameters).
    An interval excludes zero exactly where the difference survives.

    Args:
        found: one entry per class, all that were corrected for.
        p_corrected: (C,) as `corrected` gives them.

    Returns:
        (C,) low, (C,) high, and the level that they have.
    """
    assert found.se is not None
    n_selected = max(1, int((p_corrected <= 1 - level).sum()))
    own = 1 - (1 - level) * n_selected / len(p_corrected)
    half = t.ppf((1 + own) / 2, found.degrees_of_freedom) * found.se
    return found.difference - half, found.difference + half, own


def corrected(p: np.ndarray) -> np.ndarray:
    """p-values corrected for their number: the share of false findings among all that stay below a level is at most
    that level (Benjamini and Hochberg 1995)."""
    return false_discovery_control(p, method="bh")


def probability_better(a: Tally, b: Tally, metric: Metric) -> float | None:
    """The probability that the metric is higher for a than for b, in (0, 1); None where there is only one unit.

    An arm with one seed has no variance over seeds: the probability is then for a new unit with that seed.
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
