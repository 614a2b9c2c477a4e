"""Which single confusions differ between two arms, after correction for how many there are.

A confusion is the share of a true phoneme's frames that were taken for one phoneme. Its difference has the standard
error that `intervals` gives, here in closed form since a share is linear in the counts: what speakers do to it (leaving
each out), plus what each arm's seeds do to it, less their interaction, which is in both. Those of few frames are not
tested: there is nothing to find in them, and each takes from the others. Nor are those that fewer than five speakers
have: where most speakers have none, the variance over speakers is of the few that have, and p is too small.

Legend: S seeds, U utterances, G units, C classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t

from harness.statistics.intervals import corrected, satterthwaite
from harness.statistics.tallies import grouped

FEWEST = 20
"""Frames of a confusion, of both arms and all seeds together, from which on it is tested."""
FEWEST_UNITS = 5
"""Units that have it in either arm, from which on it is tested: p of fewer is too small, measured by simulation."""


@dataclass(frozen=True)
class ConfusionDifferences:
    """The confusions that were tested, (N,) each."""

    true: np.ndarray
    predicted: np.ndarray
    rate_a: np.ndarray
    """Share of the true phoneme's frames, pooled over seeds."""
    rate_b: np.ndarray
    p: np.ndarray
    p_corrected: np.ndarray


def compare_confusions(
    a: Sequence[np.ndarray], b: Sequence[np.ndarray], units: Sequence[str]
) -> ConfusionDifferences | None:
    """Compare two arms confusion by confusion, those that at least `FEWEST_UNITS` units have; None of one unit.

    Args:
        a, b: (U, C, C) counts of each seed, of the same utterances.
        units: the unit of each utterance.

    Example:
        >>> a = np.array([[[90, 10], [0, 100]], [[88, 12], [0, 100]]] * 3)  # six speakers, two classes
        >>> b = np.array([[[70, 30], [0, 100]], [[68, 32], [0, 100]]] * 3)
        >>> found = compare_confusions([a], [b], list("abcdef"))
        >>> found.rate_a[1].item(), found.rate_b[1].item()  # of class 0 taken for class 1
        (0.11, 0.31)
    """
    if len(set(units)) == 1:
        return None
    total = np.sum([counts.sum(axis=0, dtype=np.int64) for counts in (*a, *b)], axis=0)
    classes = np.flatnonzero(total.sum(axis=1))
    rows = [_row(a, b, units, c) for c in classes.tolist()]
    rate_a, rate_b, p = (np.stack(part) for part in zip(*rows, strict=True))
    has_it = np.stack([grouped(counts.reshape(len(units), -1), units) for counts in (*a, *b)]).sum(axis=0) > 0
    n_units = has_it.sum(axis=0).reshape(total.shape)
    places = np.nonzero((total[classes] >= FEWEST) & (n_units[classes] >= FEWEST_UNITS))
    p = p[places]
    return ConfusionDifferences(
        classes[places[0]], places[1], rate_a[places], rate_b[places], p, corrected(p) if len(p) else p
    )


def _row(
    a: Sequence[np.ndarray], b: Sequence[np.ndarray], units: Sequence[str], true: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of one true class: rates of both arms and p of no difference, (C,) each."""
    rates, residuals, of_seed_means, freedoms, counted_twice = [], [], [], [], 0.0
    for arm in (a, b):
        counts = np.stack([grouped(seed[:, true], units) for seed in arm])  # (S, G, C)
        frames = counts[0].sum(axis=-1, keepdims=True)
        of_seeds = counts.sum(axis=1) / frames.sum()
        residual = (counts - of_seeds[:, None] * frames) / frames.sum()
        n_seeds, n_units = residual.shape[:2]
        rates.append(of_seeds.mean(axis=0))
        residuals.append(residual.mean(axis=0))
        if n_seeds > 1:
            correction = n_units / (n_units - 1) / (n_seeds * (n_seeds - 1))
            counted_twice += correction * ((residual - residual.mean(axis=0)) ** 2).sum(axis=(0, 1))
            of_seed_means.append(of_seeds.var(axis=0, ddof=1) / n_seeds)
            freedoms.append(n_seeds - 1)
    of_units = n_units / (n_units - 1) * ((residuals[0] - residuals[1]) ** 2).sum(axis=0)
    variances = [of_units, *of_seed_means]
    variance = np.maximum(np.sum(variances, axis=0) - counted_twice, np.maximum.reduce(variances))
    se = np.sqrt(variance)
    difference = rates[0] - rates[1]
    studentised = np.divide(np.abs(difference), se, out=np.zeros_like(se), where=se > 0)
    return rates[0], rates[1], 2 * t.sf(studentised, satterthwaite(variances, [n_units - 1, *freedoms]))
