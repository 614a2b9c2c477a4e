"""Is an estimate surely within bounds? And if that cannot be said: how much more evidence would say it?

The variance of an estimate over G units (speakers, say) and S seeds, or searches, of each arm is

    of one unit / G + of one seed / S + of their interaction / (G S)

so that from its three parts as measured follows what it would be with more of either. What is needed is the smallest
number with which the answer would come with a probability of `POWER` if the estimate were the truth: the usual sample
size of a test, with Student's t and the degrees of freedom of that size instead of the normal distribution.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import t

from harness.statistics.intervals import Difference, satterthwaite

POWER = 0.8
MOST = 1000
"""More of anything than this is no advice."""


@dataclass(frozen=True)
class Estimate:
    """A number with what makes it uncertain. Variances are of the estimate, with the units and seeds that there are."""

    value: float
    level: float
    """Of the interval."""
    of_units: float
    """Variance over units."""
    of_seeds: tuple[float, ...]
    """Variance over the seeds, or searches, of each arm; 0 of one. Searches that are paired are a single part."""
    of_both: float
    """Variance of their interaction, which is part of what shows over units, and of what shows over seeds."""
    n_units: int | None
    """None: the estimate is not about units."""
    n_seeds: tuple[int, ...]
    """Of each arm, or of its searches; of paired ones a single number."""
    scale: float = 1.0
    """What the variance is multiplied by, so that it is that of the interval as it was computed."""
    effective: float = 1.0
    """Kish's effective number of units over their number, in (0, 1]."""
    are_searches: bool = False
    """Whether what is called seeds here are searches."""

    @property
    def is_known(self) -> bool:
        """Whether there is an interval: two units, or where it is not about units two seeds of every arm."""
        return all(n > 1 for n in self.n_seeds) if self.n_units is None else self.n_units > 1

    @property
    def se(self) -> float:
        return math.sqrt(self.scale * max(self.of_units + sum(self.of_seeds) - self.of_both, 0.0))

    @property
    def degrees_of_freedom(self) -> float:
        sources: list[tuple[float, float]] = [*zip(self.of_seeds, (n - 1 for n in self.n_seeds), strict=True)]
        sources += [] if self.n_units is None else [(self.of_units, max(self.effective * self.n_units - 1, 1))]
        return float(satterthwaite([np.asarray(v) for v, _ in sources], [f for _, f in sources]))

    @property
    def half(self) -> float:
        """Half of the interval's width."""
        return float(t.ppf((1 + self.level) / 2, self.degrees_of_freedom)) * self.se if self.se else 0.0

    def grown(self, units: int = 0, seeds: int = 0) -> "Estimate":
        """As it would be with so many more units, and so many more seeds of each arm that has several.

        Example:
            >>> estimate = Estimate(0.01, 0.95, of_units=4e-5, of_seeds=(0.0,), of_both=0.0, n_units=10, n_seeds=(1,))
            >>> estimate.grown(units=30).of_units  # four times as many units
            1e-05
        """
        more_units = 1 + units / self.n_units if self.n_units else 1.0
        more_seeds = [1 + seeds / n if n > 1 else 1.0 for n in self.n_seeds]
        total = sum(self.of_seeds)
        shared = self.of_both / total if total else 0.0  # of what shows over seeds
        of_seeds = [v / f for v, f in zip(self.of_seeds, more_seeds, strict=True)]
        of_both = shared * sum(of_seeds) / more_units
        return replace(
            self,
            of_units=(self.of_units - self.of_both) / more_units + of_both,
            of_seeds=tuple(v * (1 - shared + shared / more_units) for v in of_seeds),
            of_both=of_both,
            n_units=None if self.n_units is None else self.n_units + units,
            n_seeds=tuple(n + seeds if n > 1 else n for n in self.n_seeds),
        )


def of_difference(difference: Difference, level: float, n_units: int, n_arms: int = 2) -> Estimate:
    """From a difference in one number; its interval is that of `difference`.

    Args:
        n_arms: 1 if the difference is from nothing (`intervals.one_arm_interval`).

    Example:
        >>> from harness.statistics.intervals import Difference
        >>> of_one_unit = Difference(np.array(0.02), None, None, None, None, None, None)
        >>> of_difference(of_one_unit, 0.95, n_units=1).is_known
        False
    """
    value, sources = float(difference.difference), difference.sources
    if sources is None or difference.se is None or difference.clustered_se is None:
        return Estimate(value, level, 0.0, (0.0,) * n_arms, 0.0, n_units, (1,) * n_arms)
    draws = sources.draws
    of_units = float(difference.clustered_se) ** 2
    of_seeds = tuple(float(v) for v in draws.variances[:n_arms])
    of_both = min(float(sources.both), of_units, sum(of_seeds))
    effective = float(sources.effective_units) / n_units
    estimate = Estimate(
        value,
        level,
        of_units,
        of_seeds,
        of_both,
        n_units,
        draws.n_draws[:n_arms],
        effective=effective,
        are_searches=draws.are_searches,
    )
    return replace(estimate, scale=(float(difference.se) / estimate.se) ** 2) if estimate.se else estimate


def of_means(arms: Sequence[Sequence[float]], level: float) -> Estimate:
    """The mean of the first arm's seeds, less that of the second if there is one.

    Example:
        >>> round(of_means([[0.72, 0.74], [0.70, 0.70]], 0.95).value, 3)
        0.03
    """
    means = [float(np.mean(values)) for values in arms]
    variances = tuple(float(np.var(v, ddof=1)) / len(v) if len(v) > 1 else 0.0 for v in arms)
    value = means[0] - means[1] if len(means) > 1 else means[0]
    return Estimate(value, level, 0.0, variances, 0.0, None, tuple(len(v) for v in arms))


def within(estimate: Estimate, low: float, high: float) -> bool | None:
    """Whether it lies in [low, high], for sure; None if that cannot be said.

    Example:
        >>> estimate = of_means([[0.72, 0.73, 0.74]], 0.95)
        >>> within(estimate, 0.5, 1.0), within(estimate, 0.0, 0.5), within(estimate, 0.73, 1.0)
        (True, False, None)
    """
    if not estimate.is_known:
        return None
    bottom, top = estimate.value - estimate.half, estimate.value + estimate.half
    if low <= bottom and top <= high:
        return True
    return False if top < low or bottom > high else None


def power(estimate: Estimate, low: float, high: float) -> float:
    """The probability that an estimate with this uncertainty is answered as its value says, if that is the truth.

    Example:
        >>> estimate = Estimate(0.02, 0.95, of_units=1e-4, of_seeds=(0.0,), of_both=0.0, n_units=50, n_seeds=(1,))
        >>> round(power(estimate, 0.0, 1.0), 2)  # two standard errors from the bound
        0.5
    """
    se, degrees_of_freedom, half, value = estimate.se, estimate.degrees_of_freedom, estimate.half, estimate.value
    if not se:
        return 1.0

    def below(bound: float) -> float:
        return float(t.cdf((bound - value) / se, degrees_of_freedom))

    if low <= value <= high:
        return max(below(high - half) - below(low + half), 0.0)
    return below(low - half) + 1 - below(high + half)


@dataclass(frozen=True)
class Needed:
    """How many more would decide; None where no number up to `MOST` would."""

    units: int | None
    seeds: int | None
    """Seeds, or searches where the estimate is over searches."""
    both: tuple[int, int] | None
    """Units and seeds, where neither alone does."""


def needed(estimate: Estimate, low: float, high: float) -> Needed:
    """How much more evidence would say whether the estimate lies in [low, high].

    Example:
        >>> estimate = Estimate(0.02, 0.95, of_units=1e-4, of_seeds=(0.0,), of_both=0.0, n_units=50, n_seeds=(1,))
        >>> needed(estimate, 0.0, 1.0)
        Needed(units=51, seeds=None, both=None)
    """

    def smallest(grown: Callable[[int], Estimate]) -> int | None:
        def does(n: int) -> bool:
            return power(grown(n), low, high) >= POWER

        if not does(MOST):
            return None
        lo, hi = 0, MOST  # does(hi), and not does(lo) but for lo = 0
        while hi - lo > 1:
            middle = (lo + hi) // 2
            lo, hi = (lo, middle) if does(middle) else (middle, hi)
        return hi

    units = smallest(lambda n: estimate.grown(units=n)) if estimate.n_units else None
    has_seeds = all(n > 1 for n in estimate.n_seeds) and sum(estimate.of_seeds) > 0
    seeds = smallest(lambda n: estimate.grown(seeds=n)) if has_seeds else None
    both = None
    if units is None and seeds is None and estimate.n_units and has_seeds:
        per_unit = min(estimate.n_seeds) / estimate.n_units  # both grow by the same factor
        n = smallest(lambda n: estimate.grown(units=n, seeds=math.ceil(n * per_unit)))
        both = None if n is None else (n, math.ceil(n * per_unit))
    return Needed(units, seeds, both)
