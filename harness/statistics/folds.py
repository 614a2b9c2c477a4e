"""The folds of a cross-validation as a level of the interval: what another set of training speakers would change.

In a cross-validation over speakers every speaker is tested once, by models that were trained on other folds. A fold's
training speakers move the difference of two arms for all speakers of that fold together, and the training sets of two
folds overlap. From one cross-validation the variance that this makes cannot be estimated without bias (Bengio and
Grandvalet 2004, JMLR 5:1089). What is done is meant to err on the wide side:

- The variance of the folds' differences beyond what their speakers and their searches make is taken for the training
  sets', and enters the interval with the factor 1 / K + n_test / n_train of Nadeau and Bengio (2003, Machine Learning
  52:239), with K - 1 degrees of freedom.
- The folds are also taken as K independent clusters (variance of their differences over K, with K - 1 degrees of
  freedom), and the wider one of the two intervals is given.

Measured by simulation (`tests/statistics/test_folds.py`).

Legend: S seeds, G units (speakers), K folds, C classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.statistics.metrics import OfCounts
from harness.statistics.tallies import Tally

METHOD = "folds: Nadeau and Bengio's factor for the variance beyond speakers and searches, or folds as clusters"


@dataclass(frozen=True)
class Folds:
    """The folds that a cross-validation tested its units in."""

    of_units: np.ndarray
    """(G,) int from 0, the fold of each unit, in the order of the tallies'."""
    test_to_train: float
    """Frames that a fold tests over those that it trains on."""

    @property
    def n_folds(self) -> int:
        return int(self.of_units.max()) + 1


@dataclass(frozen=True)
class FoldVariance:
    """What folds add to the variance of a difference; arrays have one entry per class if the metric has, else none."""

    excess: np.ndarray
    """Of the mean over folds, from the training sets: to be added to the variances of the other levels."""
    clusters: np.ndarray
    """Of the mean over folds, if they were independent: to be taken in place of all others, if it gives more."""
    n_folds: int

    @property
    def degrees_of_freedom(self) -> int:
        return self.n_folds - 1


def fold_variance(arms: Sequence[Tally], metric: OfCounts, folds: Folds) -> FoldVariance:
    """The variance that folds make.

    Args:
        arms: one, or two that are compared; the metric is their difference.

    Example:
        >>> from harness.statistics.metrics import accuracy
        >>> whole, speakers = np.full(6, 100), list("abcdef")
        >>> arm = Tally.of_shares([np.array([80, 82, 70, 68, 60, 62])], whole, speakers)
        >>> found = fold_variance([arm], accuracy, Folds(np.array([0, 0, 1, 1, 2, 2]), 0.5))
        >>> round(float(np.sqrt(found.clusters)), 3), round(float(np.sqrt(found.excess)), 3)
        (0.058, 0.091)
    """
    values, of_speakers, of_draws = [], [], []
    for fold in range(folds.n_folds):
        parts = [_only(arm, folds.of_units == fold) for arm in arms]
        n_units = parts[0].n_units
        values.append(_difference([part.total.value(metric)[0] for part in parts]))
        if n_units > 1:
            left_out = _difference([part.without_each.value(metric) for part in parts])
            of_speakers.append((n_units - 1) * np.var(left_out, axis=0))
        of_draws.append(np.sum([_variance_of_draws(part.total.of_draws(metric)[:, 0]) for part in parts], axis=0))
    variance = np.var(values, axis=0, ddof=1)
    known = np.mean(of_draws, axis=0) + (np.mean(of_speakers, axis=0) if of_speakers else 0.0)
    factor = 1 / folds.n_folds + folds.test_to_train
    return FoldVariance(np.maximum(0.0, variance - known) * factor, variance / folds.n_folds, folds.n_folds)


def _difference(values: Sequence[np.ndarray]) -> np.ndarray:
    return values[0] - values[1] if len(values) > 1 else values[0]


def _only(tally: Tally, is_kept: np.ndarray) -> Tally:
    correct, predicted, true = tally.correct[:, is_kept], tally.predicted[:, is_kept], tally.true[is_kept]
    return Tally(correct, predicted, true, tally.searches)


def _variance_of_draws(values: np.ndarray) -> np.ndarray:
    """(J, ...) -> (...) the variance of their mean; 0 where one cannot tell."""
    return values.var(axis=0, ddof=1) / len(values) if len(values) > 1 else np.zeros(values.shape[1:])
