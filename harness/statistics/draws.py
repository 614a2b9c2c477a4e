"""The trainings of an arm as draws: of seeds of one configuration, or of whole searches with the seeds that each has.

Their variance is a part of that of every difference; `intervals` says how the parts come together.

Legend: S seeds, J draws, G units (speakers, say), C classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.statistics.metrics import OfCounts
from harness.statistics.tallies import Tally

FEW = 3
"""Draws of an arm below which its own do not tell how much they vary."""
LEAST_PAIRED = 5
"""Searches from which on those of two arms are paired. With fewer, half of the degrees of freedom are worth more than
what they have in common, and Satterthwaite's approximation is too short: of three paired searches the 95 % interval
covers 91 %, of three that are not paired 94 % and more."""


@dataclass(frozen=True)
class PooledVariance:
    """The variance of one draw (a search, or a seed), from all arms of a study together."""

    variance: np.ndarray
    degrees_of_freedom: int


def pooled_variance(arms: Sequence[Tally], metric: OfCounts) -> PooledVariance | None:
    """The variance of one draw over all units, from the arms that have several; None if none has.

    Example:
        >>> from harness.statistics.metrics import accuracy
        >>> whole = np.array([100])
        >>> arms = [Tally.of_shares([np.array([n]) for n in of], whole, ["anna"]) for of in ([70, 72], [60, 64])]
        >>> found = pooled_variance(arms, accuracy)
        >>> round(float(found.variance), 6), found.degrees_of_freedom
        (0.0005, 2)
    """
    several = [arm.total.of_draws(metric)[:, 0] for arm in arms if arm.n_draws > 1]
    freedom = sum(len(values) - 1 for values in several)
    if not freedom:
        return None
    squares: np.ndarray = np.sum([(len(values) - 1) * values.var(axis=0, ddof=1) for values in several], axis=0)
    return PooledVariance(squares / freedom, freedom)


@dataclass(frozen=True)
class DrawParts:
    """The variance of a difference over draws; arrays as in `intervals.Difference`."""

    variances: tuple[np.ndarray, ...]
    """Of the searches, or seeds, of each arm; searches that are paired are a single part."""
    freedoms: tuple[int, ...]
    """Degrees of freedom of each part; 0 of one that is not known."""
    n_draws: tuple[int, ...]
    """How many draws each part is of."""
    within: np.ndarray
    """What of it the seeds within searches make; 0 where each search has one seed, or there is no search."""
    borrowed: np.ndarray
    """What of it the arms' own draws do not show, because it is that of all arms."""
    are_searches: bool
    """Whether the draws are searches rather than seeds of one configuration."""
    are_paired: bool
    """Whether the searches of both arms are paired."""


def draw_parts(
    arms: Sequence[Tally], metric: OfCounts, *, are_paired: bool = False, of_all: PooledVariance | None = None
) -> DrawParts:
    """The variance over draws of the difference of two arms.

    Args:
        are_paired: the draws of the arms belong together, the first with the first and so on.
        of_all: for an arm that has fewer than `FEW`.

    Example:
        >>> from harness.statistics.metrics import accuracy
        >>> whole = np.array([100])
        >>> arms = [Tally.of_shares([np.array([n]) for n in of], whole, ["anna"]) for of in ([70, 72], [60, 64])]
        >>> [round(float(v), 6) for v in draw_parts(arms, accuracy).variances]
        [0.0001, 0.0004]
        >>> [round(float(v), 6) for v in draw_parts(arms, accuracy, are_paired=True).variances]
        [0.0001]
    """
    values = [arm.total.of_draws(metric)[:, 0] for arm in arms]
    if are_paired:
        values = [values[0] - values[1]]
    own = [_variance_of_mean(each) for each in values]
    freedoms = [len(each) - 1 for each in values]
    nothing = np.zeros_like(own[0])
    variances, borrowed = list(own), nothing
    is_few = [len(each) < FEW for each in values]
    if any(is_few) and of_all and not are_paired and of_all.degrees_of_freedom > max(freedoms):
        of_each = [of_all.variance / len(each) for each in values]
        variances = [o if few else v for o, v, few in zip(of_each, own, is_few, strict=True)]
        freedoms = [of_all.degrees_of_freedom if few else f for f, few in zip(freedoms, is_few, strict=True)]
        borrowed = sum((v - o for v, o in zip(variances, own, strict=True)), nothing)
        if all(is_few):  # one and the same variance: what is not known of it is not known of both
            variances, freedoms = [sum(variances, nothing), nothing], [of_all.degrees_of_freedom, 0]
    return DrawParts(
        variances=tuple(variances),
        freedoms=tuple(freedoms),
        n_draws=tuple(len(each) for each in values),
        within=sum((_within(arm, metric) for arm in arms), nothing),
        borrowed=borrowed,
        are_searches=arms[0].searches is not None,
        are_paired=are_paired,
    )


def _within(arm: Tally, metric: OfCounts) -> np.ndarray:
    """(...) the variance of an arm's mean that its seeds within searches make."""
    values = arm.total.of_seeds(metric)[:, 0]
    total = np.zeros(values.shape[1:])
    if arm.searches is not None:
        each = [values[np.asarray(arm.searches) == search] for search in sorted(set(arm.searches))]
        total = sum((_variance_of_mean(own) / len(each) ** 2 for own in each), total)
    return total


def _variance_of_mean(values: np.ndarray) -> np.ndarray:
    """(J, ...) -> (...); 0 where one draw cannot tell."""
    return values.var(axis=0, ddof=1) / len(values) if len(values) > 1 else np.zeros(values.shape[1:])


def effective_number(sizes: np.ndarray) -> np.ndarray:
    """Kish's effective number of units of unequal size (1965, Survey sampling, ch. 8): (sum)^2 / sum of squares.

    Args:
        sizes: (G, ...) frames of each unit.

    Returns:
        (...) from 1 to G; 1 where there is no frame.

    Example:
        >>> float(effective_number(np.array([10.0, 10.0]))), round(float(effective_number(np.array([30.0, 10.0]))), 3)
        (2.0, 1.6)
    """
    squares = np.asarray((sizes**2).sum(axis=0))
    number: np.ndarray = np.divide(sizes.sum(axis=0) ** 2, squares, out=np.ones(squares.shape), where=squares > 0)
    return number
