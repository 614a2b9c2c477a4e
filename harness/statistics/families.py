"""Several differences as one family: which are shown when all are looked at, with intervals that agree.

Holm's step-down procedure (1979, Scand. J. Statist. 6:65) keeps the probability of any false finding among m
differences at 1 - level: the smallest p is compared with (1 - level) / m, the next with (1 - level) / (m - 1), and so
on until one does not pass. Beside it stand Bonferroni's intervals, each of level 1 - (1 - level) / m, which cover all
truths at once; that of a difference which Holm's procedure shows and Bonferroni's does not is ended at zero, so that
interval and verdict agree. (The exact intervals of Strassburger and Bretz 2008, Statistics in Medicine 27:4914, would
say nothing of a difference that is shown but its sign, as long as another one is not shown.) Of one difference it is
the plain interval.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t

from harness.statistics.intervals import Difference


@dataclass(frozen=True)
class FamilyMember:
    """A difference as one of a family."""

    p: float
    """Corrected by Holm's procedure, in [0, 1]."""
    low: float
    high: float
    """Ends of its simultaneous interval."""


def holm(p: Sequence[float], least: int = 0) -> list[float]:
    """p-values corrected for their number: each is at most alpha exactly where Holm's procedure rejects at alpha.

    Args:
        least: differences that there are at least; others than these have p-values that are larger, or not known.

    Example:
        >>> [round(value, 2) for value in holm([0.01, 0.04, 0.03])]
        [0.03, 0.06, 0.06]
    """
    order, m = np.argsort(p, kind="stable"), max(len(p), least)
    stepped = np.maximum.accumulate([min(1.0, (m - i) * p[place]) for i, place in enumerate(order)])
    corrected = [0.0] * len(p)
    for place, value in zip(order.tolist(), stepped.tolist(), strict=True):
        corrected[place] = value
    return corrected


def family(differences: Sequence[Difference], level: float, least: int = 0) -> list[FamilyMember]:
    """Differences in one number each, judged together.

    Args:
        differences: each with an interval.
        level: of all intervals together, in (0, 1).
        least: the size of the family where it was larger before.

    Example:
        >>> numbers = ((0.02, 0.004, 9, 0.0007), (0.01, 0.01, 9, 0.343))
        >>> each = [Difference(np.array(d), np.array(se), np.array(df), None, None, np.array(p), None)
        ...         for d, se, df, p in numbers]
        >>> [(round(one.low, 3), round(one.high, 3)) for one in family(each, 0.95)]
        [(0.009, 0.031), (-0.017, 0.037)]
    """
    if not differences:
        return []
    p = holm([float(one.p) for one in differences if one.p is not None], least)
    assert len(p) == len(differences)
    is_shown = [value <= 1 - level for value in p]
    alpha = (1 - level) / max(len(p), least)
    members = []
    for one, value, shown in zip(differences, p, is_shown, strict=True):
        assert one.se is not None
        assert one.degrees_of_freedom is not None
        half = float(t.ppf(1 - alpha / 2, one.degrees_of_freedom) * one.se)
        difference = float(one.difference)
        low, high = difference - half, difference + half
        if shown and low <= 0 <= high:
            low, high = (0.0, high) if difference > 0 else (low, 0.0)
        members.append(FamilyMember(value, low, high))
    return members
