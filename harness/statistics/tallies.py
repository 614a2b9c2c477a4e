"""The counts of an arm's seeds, summed over speakers or other units, and their resamples.

Legend: S seeds, U utterances, G units (speakers, say), C classes, R resamples.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from harness.statistics.metrics import OfCounts, marginals

RESAMPLES = 2000


@dataclass(frozen=True)
class Tally:
    """The confusion counts of one arm's seeds, as far as the metrics need them, summed over each unit."""

    correct: np.ndarray
    """(S, G, C)"""
    predicted: np.ndarray
    """(S, G, C)"""
    true: np.ndarray
    """(G, C), the same for all seeds."""
    searches: tuple[int, ...] | None = None
    """(S,) the search that each seed's configuration was found by; None where all are of one configuration."""

    @staticmethod
    def of(counts: Sequence[np.ndarray], units: Sequence[str], searches: tuple[int, ...] | None = None) -> "Tally":
        """From one (U, C, C) array of counts per seed and the unit (the speaker, say) of each of the U utterances.

        Example:
            >>> counts = np.array([[[3, 1], [0, 4]], [[2, 0], [1, 1]]])  # two utterances, two classes
            >>> Tally.of([counts], ["anna", "ben"]).true.tolist()
            [[4.0, 4.0], [2.0, 2.0]]
        """
        parts = [marginals(seed) for seed in counts]
        correct, predicted, true = (np.stack([grouped(part[i], units) for part in parts]) for i in range(3))
        return Tally(correct, predicted, true[0], searches)

    @staticmethod
    def of_shares(
        parts: Sequence[np.ndarray],
        whole: np.ndarray,
        units: Sequence[str],
        searches: tuple[int, ...] | None = None,
    ) -> "Tally":
        """Of anything that is a sum over a sum, such as errors over segments: its `accuracy` is that share.

        Args:
            parts: (U,) for each seed.
            whole: (U,) the same for all seeds.

        Example:
            >>> errors = Tally.of_shares([np.array([2, 3, 1])], np.array([10, 10, 20]), ["anna", "anna", "ben"])
            >>> errors.correct[0, :, 0].tolist(), errors.true[:, 0].tolist()
            ([5.0, 1.0], [20.0, 20.0])
        """
        sums = np.stack([grouped(part[:, None], units) for part in parts])
        return Tally(sums, sums, grouped(whole[:, None], units), searches)

    @property
    def n_seeds(self) -> int:
        return len(self.correct)

    @property
    def n_units(self) -> int:
        return int(self.correct.shape[1])

    @property
    def n_draws(self) -> int:
        """How many independent draws of a model there are: searches, or seeds where all have one configuration."""
        return self.n_seeds if self.searches is None else len(set(self.searches))

    @cached_property
    def shares(self) -> np.ndarray:
        """(J, S) rows summing to 1: what the seeds weigh in the mean of each search, or of itself without searches.

        Example:
            >>> parts = [np.array([4]), np.array([6]), np.array([8])]
            >>> Tally.of_shares(parts, np.array([20]), ["anna"], searches=(1, 2, 1)).shares.tolist()
            [[0.5, 0.0, 0.5], [0.0, 1.0, 0.0]]
        """
        own = np.arange(self.n_seeds) if self.searches is None else np.asarray(self.searches)
        is_of = (np.unique(own)[:, None] == own).astype(float)
        shares: np.ndarray = is_of / is_of.sum(axis=1, keepdims=True)
        return shares

    @cached_property
    def total(self) -> "Tally":
        """All units as one."""
        parts = [part.sum(axis=-2, keepdims=True) for part in (self.correct, self.predicted, self.true)]
        return Tally(parts[0], parts[1], parts[2], self.searches)

    def weighted(self, weights: np.ndarray) -> "Tally":
        """(R, G) weights of the units -> the weighted sums, with R in the place of G.

        Example:
            >>> errors = Tally.of_shares([np.array([5, 1])], np.array([20, 20]), ["anna", "ben"])
            >>> errors.weighted(np.array([[2.0, 0.0]])).true.tolist()  # anna twice, ben not at all
            [[40.0]]
        """
        correct, predicted = (np.tensordot(part, weights, (1, 1)) for part in (self.correct, self.predicted))
        return Tally(correct.transpose(0, 2, 1), predicted.transpose(0, 2, 1), weights @ self.true, self.searches)

    @cached_property
    def without_each(self) -> "Tally":
        """What remains when one unit is left out, for each unit.

        Example:
            >>> errors = Tally.of_shares([np.array([5, 1])], np.array([20, 30]), ["anna", "ben"])
            >>> errors.without_each.true[:, 0].tolist()
            [30.0, 20.0]
        """
        whole = self.total
        correct, predicted = whole.correct - self.correct, whole.predicted - self.predicted
        return Tally(correct, predicted, whole.true - self.true, self.searches)

    def of_seeds(self, metric: OfCounts) -> np.ndarray:
        """(S, G, ...) the metric of each seed and unit.

        Example:
            >>> from harness.statistics.metrics import accuracy
            >>> errors = Tally.of_shares([np.array([5, 1])], np.array([20, 20]), ["anna", "ben"])
            >>> errors.of_seeds(accuracy).tolist()
            [[0.25, 0.05]]
        """
        if metric not in self._of_seeds:
            self._of_seeds[metric] = metric(self.correct, self.predicted, self.true)
            self._of_seeds[metric].flags.writeable = False
        return self._of_seeds[metric]

    @cached_property
    def _of_seeds(self) -> dict[OfCounts, np.ndarray]:
        """What `of_seeds` gave: an arm takes part in many pairs."""
        return {}

    def of_draws(self, metric: OfCounts) -> np.ndarray:
        """(J, G, ...) the metric of each search, the mean over its seeds; of each seed without searches."""
        return _weigh_rows(self.shares, self.of_seeds(metric))

    def value(self, metric: OfCounts, weights: np.ndarray | None = None, *, pooled: bool = False) -> np.ndarray:
        """(G, ...) the metric over all seeds: the mean of the searches' means, or the metric of their pooled counts.

        Args:
            weights: (G, S), rows summing to 1; if None each search weighs the same, and each of its seeds.

        Example:
            >>> from harness.statistics.metrics import accuracy
            >>> seeds = [np.array([4]), np.array([6])]
            >>> Tally.of_shares(seeds, np.array([20]), ["anna"]).value(accuracy).tolist()
            [0.25]
        """
        if weights is None:
            weights = self.shares.mean(axis=0, keepdims=True)
        if not pooled:
            return _weigh(weights, self.of_seeds(metric))
        return metric(_weigh(weights, self.correct), _weigh(weights, self.predicted), self.true)


def _weigh(weights: np.ndarray, per_seed: np.ndarray) -> np.ndarray:
    """Weights (G or 1, S), values (S, G or 1, ...) -> (G, ...)."""
    shape = weights.T.shape + (1,) * (per_seed.ndim - 2)
    total: np.ndarray = (weights.T.reshape(shape) * per_seed).sum(axis=0)
    return total


def _weigh_rows(shares: np.ndarray, per_seed: np.ndarray) -> np.ndarray:
    """Shares (J, S), values (S, ...) -> (J, ...)."""
    rows: np.ndarray = np.tensordot(shares, per_seed, (1, 0))
    return rows


def grouped(values: np.ndarray, units: Sequence[str]) -> np.ndarray:
    """(U, ...) -> (G, ...) float64 sums over the utterances of each unit, in the order of the units' names.

    Example:
        >>> grouped(np.array([1, 2, 4]), ["ben", "anna", "ben"]).tolist()
        [2.0, 5.0]
    """
    _, codes = np.unique(np.asarray(units), return_inverse=True)
    order = np.argsort(codes, kind="stable")
    return np.add.reduceat(
        values[order], np.searchsorted(codes[order], np.arange(codes.max() + 1)), axis=0, dtype=float
    )


def draw(n: int, n_resamples: int, generator: np.random.Generator) -> np.ndarray:
    """(R, n) how often each of n is drawn when n - 1 are drawn with replacement; one alone is always drawn.

    Example:
        >>> draw(4, 2, np.random.default_rng(0)).sum(axis=1).tolist()
        [3.0, 3.0]
    """
    if n == 1:
        return np.ones((n_resamples, 1))
    draws = generator.integers(n, size=(n_resamples, n - 1)) + n * np.arange(n_resamples)[:, None]
    return np.bincount(draws.ravel(), minlength=n_resamples * n).reshape(n_resamples, n).astype(float)


@dataclass(frozen=True)
class Resampled:
    """An arm with its resamples of units, made once for all the pairs and metrics that it takes part in."""

    tally: Tally
    resampled: Tally
    """R in the place of G."""
    place: int = 0
    """Among the arms: each has draws of seeds of its own, the same in every pair and on either side of it."""
    ranges: str = ""
    """What its searches had to choose from: arms with equal ranges drew alike, and are paired search by search."""


def draw_units(n_units: int, n_resamples: int = RESAMPLES, seed: int = 0) -> np.ndarray:
    """(R, G) how often each unit is drawn in each resample: one draw for all arms and measures of a comparison.

    Example:
        >>> draw_units(4, n_resamples=100).shape
        (100, 4)
    """
    return draw(n_units, n_resamples, np.random.default_rng([seed, 0]))


def resample_with(weights: np.ndarray, arms: Sequence[Tally], ranges: Sequence[str] = ()) -> list[Resampled]:
    """Arms that were tested on the same utterances, all resampled alike: this makes comparisons paired.

    Args:
        weights: (R, G) as `draw_units` gives them.
        ranges: of each arm, as in `Resampled`; none if not given.

    Example:
        >>> errors = Tally.of_shares([np.array([5, 1])], np.array([20, 20]), ["anna", "ben"])
        >>> resample_with(np.array([[2.0, 0.0]]), [errors])[0].resampled.true.tolist()
        [[40.0]]
    """
    own = ranges or [""] * len(arms)
    return [Resampled(arm, arm.weighted(weights), place, own[place]) for place, arm in enumerate(arms)]


def resample(
    arms: Sequence[Tally], n_resamples: int = RESAMPLES, seed: int = 0, ranges: Sequence[str] = ()
) -> list[Resampled]:
    """The same with a draw of their own.

    Example:
        >>> errors = Tally.of_shares([np.array([5, 1])], np.array([20, 20]), ["anna", "ben"])
        >>> resample([errors], n_resamples=100)[0].resampled.n_units
        100
    """
    return resample_with(draw_units(arms[0].n_units, n_resamples, seed), arms, ranges)
