"""How many frames and seconds of training until a given validation accuracy; "not reached" stays what it is.

Validation is scored at the end of each epoch, so a target counts as reached at the end of the first epoch that is at or
above it: frames and seconds are in whole epochs. A training that ends below a target is censored: it would need more
than it got, nobody knows how much. It therefore enters no mean. The median over seeds exists where more than half of
the seeds reached the target, and is then the same whatever the others would have needed.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.results import Epoch, RunResult

History = Sequence[Epoch]


def targets(finals: Sequence[RunResult]) -> list[dict[str, Any]]:
    """Accuracies to be reached: what an arm has, on average over its seeds, after 1, 2, 4, 8 ... epochs, and at the
    epoch that was kept (`epochs` is None); those that are not above the one before are left out."""
    shortest = min(len(final.history) for final in finals)
    found: list[dict[str, Any]] = []
    steps: list[int | None] = [2**i for i in range(shortest.bit_length()) if 2**i <= shortest]
    for step in [*steps, None]:
        accuracy = float(np.mean([f.history[(step or f.best_epoch) - 1].validation_accuracy for f in finals]))
        if not found or accuracy > found[-1]["accuracy"]:
            found.append({"accuracy": accuracy, "epochs": step})
    return found


def reached(history: History, accuracy: float) -> tuple[int, float] | None:
    """Training frames and seconds until an accuracy; None if it was not reached."""
    spent = 0.0
    for epoch in history:
        spent += epoch.seconds
        if epoch.validation_accuracy >= accuracy:
            return epoch.frames, spent
    return None


def speed(histories: Sequence[History], accuracy: float) -> dict[str, Any]:
    """Of an arm's seeds: accuracy, reached (how many seeds), and frames and seconds {median, per_seed}, None where not
    reached."""
    each = [reached(history, accuracy) for history in histories]
    frames, seconds = ([None if one is None else one[i] for one in each] for i in (0, 1))
    return {
        "accuracy": accuracy,
        "reached": sum(one is not None for one in each),
        "frames": {"median": _median(frames), "per_seed": frames},
        "seconds": {"median": _median(seconds), "per_seed": seconds},
    }


def _median(values: Sequence[float | None]) -> float | None:
    """With "not reached" above every number."""
    found = float(np.median([math.inf if v is None else v for v in values]))
    return found if math.isfinite(found) else None
