"""Does a model know how sure it may be? The probability that it gave its prediction, against how often it was right.

Legend: F frames.
"""

from collections.abc import Sequence

import numpy as np

N_BINS = 15
METHOD = f"expected calibration error, {N_BINS} bins of equal width"


def reliability(probability: np.ndarray, correct: np.ndarray) -> list[dict[str, float]]:
    """The bins of (0, 1], each open below and closed above, that have frames.

    Args:
        probability: (F,) posterior of the predicted class.
        correct: (F,) whether it was right; a share in [0, 1] is allowed.

    Returns:
        For each bin low and high (its edges), frames, confidence (mean probability) and accuracy.
    """
    wide = probability.astype(np.float64)
    bins = np.clip(np.ceil(wide * N_BINS).astype(int) - 1, 0, N_BINS - 1)
    frames, confidence, right = (np.bincount(bins, w, N_BINS) for w in (None, wide, correct.astype(np.float64)))
    return [
        {
            "low": i / N_BINS,
            "high": (i + 1) / N_BINS,
            "frames": int(frames[i]),
            "confidence": float(confidence[i] / frames[i]),
            "accuracy": float(right[i] / frames[i]),
        }
        for i in np.flatnonzero(frames)
    ]


def pooled(bins: Sequence[list[dict[str, float]]]) -> list[dict[str, float]]:
    """The bins of all frames together, from those of parts of them (the seeds)."""
    found: dict[float, dict[str, float]] = {}
    for row in (row for part in bins for row in part):
        before = found.get(row["low"])
        if before is None:
            found[row["low"]] = row
            continue
        frames = before["frames"] + row["frames"]
        means = {
            name: (before["frames"] * before[name] + row["frames"] * row[name]) / frames
            for name in ("confidence", "accuracy")
        }
        found[row["low"]] = {**row, "frames": frames, **means}
    return [found[low] for low in sorted(found)]


def calibration_error(bins: list[dict[str, float]]) -> float:
    """Mean distance of confidence and accuracy over frames, bin by bin (Guo et al. 2017, On calibration of modern
    neural networks, eq. 3); in [0, 1], 0 is perfect."""
    frames = np.array([row["frames"] for row in bins])
    gaps = np.array([abs(row["confidence"] - row["accuracy"]) for row in bins])
    return float(frames @ gaps / frames.sum())
