"""Is the difference of two arms more than chance? A paired bootstrap over speakers and seeds, and its plainer cousins.

The frames of a person are not independent, and neither are two trainings' accuracies equal: what a difference must
survive is another set of speakers, and another set of trainings. Both are resampled, each n - 1 times out of n with
replacement, which makes the variance of a mean unbiased however few there are (Rao and Wu 1988, JASA 83; drawing n
out of n is short by (n - 1) / n). Speakers are drawn whole and are the same for both arms.

What is drawn of the trainings depends on where the arms' configurations come from. If each arm has one configuration,
its seeds are drawn, for each arm apart, since the same number starts different weights in different architectures. If
each arm was searched several times, whole searches are drawn, with all seeds that they have: the search is then one of
the sources of variance (Bouthillier et al. 2021, Accounting for variance in machine learning benchmarks), and the
estimate, the mean of the searches' means, is about the architectures as they are tuned. Arms whose searches had the
same ranges drew the same first trials and the same utterances; from five searches on they are paired search by search.

Two things that this does not do, both measured by simulation (`tests/statistics/test_intervals.py`):
- Draw utterances again within the drawn speakers. A whole speaker already carries the spread of its utterances;
  drawing them a second time counts it twice, and 95 % intervals then cover 98 to 100 %.
- Take the replicates' variance as it is. Resampling two crossed factors counts their interaction three times (Owen
  2007, The pigeonhole bootstrap); two of the three are taken off.

The interval is difference +- t * standard error, t from Student's distribution with the degrees of freedom that the
speakers and trainings together allow (Satterthwaite 1946). With many of both it is the normal interval; with three
seeds or four speakers it is as wide as so little evidence makes it. A percentile interval undercovers there: of four
speakers it cannot even reach beyond the four. Speakers of unequal length count for as many as they are worth, Kish's
effective number (1965, Survey sampling, ch. 8). An arm with one or two trainings takes their variance from all arms of
the study together, where there are more.

Legend: S seeds, J searches, or seeds where there is one configuration, G units (speakers, say), C classes, R resamples.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from scipy.stats import false_discovery_control, t

from harness.statistics.draws import LEAST_PAIRED, DrawParts, PooledVariance, draw_parts, effective_number
from harness.statistics.folds import Folds, FoldVariance, fold_variance
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
    """Over units, with the draws that there are."""
    effective_units: np.ndarray
    """Kish's effective number of units."""
    draws: DrawParts
    """Over searches or seeds, with the units that there are."""
    both: np.ndarray
    """Of the interaction of units and draws, which is part of each of the others."""
    folds: FoldVariance | None
    """What the folds of a cross-validation add; None without."""


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
    a: Resampled,
    b: Resampled,
    metric: OfCounts,
    *,
    level: float = 0.95,
    seed: int = 0,
    pooled: bool = False,
    of_all: PooledVariance | None = None,
    folds: Folds | None = None,
) -> Difference:
    """The difference of two arms that were tested on the same utterances, with its interval.

    Args:
        pooled: compare the metric of the seeds' pooled counts rather than the mean of the seeds' metrics.
        of_all: variance of a draw over all arms, for an arm that has few of its own.
        folds: that the units were tested in; None without cross-validation.

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

    are_paired = _are_paired(a, b)
    over_both, over_units, over_draws = [], [], []
    for arm in arms:
        place = _PAIRED if are_paired else 1 + arm.place
        drawn = draw(arm.tally.n_draws, n_resamples, np.random.default_rng([seed, place]))
        weights = drawn / drawn.sum(axis=1, keepdims=True) @ arm.tally.shares
        over_both.append(arm.resampled.value(metric, weights, pooled=pooled))
        over_units.append(arm.resampled.value(metric, pooled=pooled))
        over_draws.append(arm.tally.total.value(metric, weights, pooled=pooled))
    both, units, draws = (x[0] - x[1] for x in (over_both, over_units, over_draws))
    interaction = both - units - draws + difference
    variance = both.var(axis=0) - 2 * interaction.var(axis=0)
    variance = np.maximum(variance, np.maximum(units.var(axis=0), draws.var(axis=0)))
    parts = draw_parts([arm.tally for arm in arms], metric, are_paired=are_paired, of_all=of_all)
    se = np.sqrt(np.maximum(variance + parts.borrowed, units.var(axis=0)))

    left_out = a.tally.without_each.value(metric, pooled=pooled) - b.tally.without_each.value(metric, pooled=pooled)
    clustered_variance = (n_units - 1) * left_out.var(axis=0)
    effective_units = effective_number(a.tally.true if np.ndim(difference) else a.tally.true.sum(axis=1))
    variances, freedoms = [clustered_variance, *parts.variances], [np.maximum(effective_units - 1, 1), *parts.freedoms]
    of_folds = fold_variance([a.tally, b.tally], metric, folds) if folds else None
    if of_folds:
        se = np.sqrt(se**2 + of_folds.excess)
        variances, freedoms = [*variances, of_folds.excess], [*freedoms, of_folds.degrees_of_freedom]
    degrees_of_freedom = satterthwaite(variances, freedoms)
    if of_folds:
        se, degrees_of_freedom = _wider(se, degrees_of_freedom, of_folds, level)
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
        sources=VarianceParts(units.var(axis=0), effective_units, parts, interaction.var(axis=0), of_folds),
    )


def _wider(
    se: np.ndarray, degrees_of_freedom: np.ndarray, of_folds: FoldVariance, level: float
) -> tuple[np.ndarray, np.ndarray]:
    """The standard error and degrees of freedom of the wider interval: of all parts, or of folds as clusters."""
    clusters, freedom = np.sqrt(of_folds.clusters), of_folds.degrees_of_freedom
    is_wider = t.ppf((1 + level) / 2, freedom) * clusters > t.ppf((1 + level) / 2, degrees_of_freedom) * se
    return np.where(is_wider, clusters, se), np.where(is_wider, freedom, degrees_of_freedom)


def _are_paired(a: Resampled, b: Resampled) -> bool:
    """Whether the searches of two arms had draws in common, and are enough to gain by it."""
    have_same = bool(a.ranges) and a.ranges == b.ranges and a.tally.searches == b.tally.searches is not None
    return have_same and a.tally.n_draws >= LEAST_PAIRED


_PAIRED = 2**31
"""The place of draws that two arms have in common."""


def one_arm_interval(
    arm: Resampled, metric: OfCounts, *, level: float = 0.95, seed: int = 0, folds: Folds | None = None
) -> Difference:
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

    none = Resampled(nothing(arm.tally), nothing(arm.resampled))
    return paired_difference(arm, none, metric, level=level, seed=seed, folds=folds)


def satterthwaite(variances: Sequence[np.ndarray], freedoms: Sequence[float | np.ndarray]) -> np.ndarray:
    """Degrees of freedom of a sum of independent variances; a part without any is left out.

    Example:
        >>> float(satterthwaite([np.array(2.0), np.array(2.0)], [4, 4]))
        8.0
    """
    parts = [(np.asarray(v), np.asarray(f)) for v, f in zip(variances, freedoms, strict=True) if np.all(f > 0)]
    total = sum(v for v, _ in parts)
    spread = sum(v**2 / f for v, f in parts)
    smallest = min(float(f.min()) for _, f in parts)
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
    of_kinds = _marginals_of_kinds(n_classes)
    total = np.zeros(len(seeds[0]))
    for frames in seeds:
        confusion = np.bincount(frames, minlength=n_classes**2).reshape(n_classes, n_classes).astype(float)
        whole = marginals(confusion)
        with_one_more = (part + one for part, one in zip(whole, of_kinds, strict=True))
        total += (metric(*with_one_more) - metric(*whole))[frames]
    return total / len(seeds)


@functools.cache
def _marginals_of_kinds(n_classes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(C^2, C) each: of a single frame of each kind."""
    return marginals(np.eye(n_classes**2).reshape(-1, n_classes, n_classes))


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
