"""Measures that take every frame: phone error rate, accuracy by distance from a boundary, and calibration.

Phone error rate: frames collapsed to segments, and what it takes to turn the predicted ones into the true ones. A
predicted segment lasts at least three frames, as a phone does in a left-to-right hidden Markov model of three states
(Rabiner 1989, Proc. IEEE 77): shorter ones are dropped, and equal neighbours become one. There is no language model.
Two equal phonemes in a row are one segment: labels per frame cannot tell them apart. Silence is a segment like any
other.

Distance: how far a frame lies from where one phoneme becomes another; there the truth itself is least sure.

Calibration: the probability that a model gave its prediction, against how often it was right.

Legend: F frames, U utterances. The only importer of rapidfuzz.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import itemgetter

import numpy as np
from rapidfuzz.distance import Levenshtein

from harness.statistics.metrics import Metric

OF_FRAMES = (
    Metric("calibration_error", "calibration error", "calibration", lower_is_better=True, is_compared=False),
    Metric("phone_error_rate", "phone error rate", "phone errors", lower_is_better=True),
    Metric("accuracy_at_boundaries", "accuracy at boundaries", "at boundaries"),
    Metric("accuracy_away", "accuracy away from boundaries", "away"),
)
"""The measures that take every frame's prediction; `harness.comparison.frames` computes them."""

LEAST = 3
"""Frames of a predicted segment."""


@dataclass(frozen=True)
class Edits:
    """Of each utterance, (U,) int64. Their sum is the Levenshtein distance; of several shortest ways it is one."""

    substitutions: np.ndarray
    deletions: np.ndarray
    """True segments that were missed."""
    insertions: np.ndarray
    """Predicted segments that are not there."""
    true: np.ndarray
    """Segments of the truth."""

    @property
    def total(self) -> np.ndarray:
        total: np.ndarray = self.substitutions + self.deletions + self.insertions
        return total


def edits(truth: np.ndarray, predicted: np.ndarray, lengths: np.ndarray) -> Edits:
    """Compare the segments of every utterance.

    Args:
        truth, predicted: (F,) uint8 classes, utterances one after the other.
        lengths: (U,) frames of each utterance.

    Example:
        >>> truth, predicted = np.repeat([1, 2, 3], 4), np.repeat([1, 5, 5], 4)
        >>> found = edits(truth, predicted, np.array([12]))
        >>> found.substitutions.tolist(), found.deletions.tolist(), found.true.tolist()
        ([1], [1], [3])
    """
    rows = []
    for true, found in zip(_segments(truth, lengths), _segments(predicted, lengths, LEAST), strict=True):
        kinds = list(map(itemgetter(0), Levenshtein.editops(true, found).as_list()))
        rows.append((kinds.count("replace"), kinds.count("delete"), kinds.count("insert"), len(true)))
    return Edits(*np.array(rows, dtype=np.int64).reshape(-1, 4).T)


def _segments(labels: np.ndarray, lengths: np.ndarray, least: int = 1) -> list[str]:
    """The segments of each utterance, a letter each; those shorter than `least` frames left out."""
    utterance = np.repeat(np.arange(len(lengths)), lengths)
    begins = np.flatnonzero(_changes(labels) | _changes(utterance))
    long = begins[np.diff(begins, append=len(labels)) >= least]
    segments = long[_changes(labels[long]) | _changes(utterance[long])]  # equal ones beside a short one are one
    letters = labels[segments].astype(np.uint8).tobytes().decode("latin-1")
    where = np.searchsorted(utterance[segments], np.arange(len(lengths) + 1))
    return [letters[begin:end] for begin, end in itertools.pairwise(where)]


def _changes(values: np.ndarray) -> np.ndarray:
    """Whether a value is the first or differs from the one before."""
    changes = np.ones(len(values), bool)
    changes[1:] = values[1:] != values[:-1]
    return changes


GROUPS = (("0", 0, 0), ("1", 1, 1), ("2", 2, 2), ("3-5", 3, 5), (">5", 6, None))
"""Name, and the distances in it, both ends included; None is without end."""
NEAR = 1
"""Frames at a distance up to this are at a boundary: with frames of 10 ms, those within 20 ms of it."""


def distances(truth: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """(F,) how many frames lie between a frame and the nearest change of label in its utterance.

    The two frames that touch a change have 0. The ends of an utterance are no change; where an utterance has none, all
    its frames have F.

    Args:
        truth: (F,) labels, utterances one after the other.
        lengths: (U,) frames of each utterance.

    Example:
        >>> distances(np.array([1, 1, 1, 2, 2]), np.array([5])).tolist()
        [2, 1, 0, 0, 1]
    """
    n = len(truth)
    frame = np.arange(n)
    ends = np.cumsum(lengths)
    starts, ends = np.repeat(ends - lengths, lengths), np.repeat(ends, lengths)
    is_change = np.zeros(n + 1, bool)  # between frame i - 1 and frame i
    is_change[1:n] = truth[1:] != truth[:-1]
    is_change[starts] = False
    last = np.maximum.accumulate(np.where(is_change[:n], frame, -1))
    following = np.minimum.accumulate(np.where(is_change[1:], frame + 1, n + 1)[::-1])[::-1]
    before = np.where(last > starts, frame - last, n)
    after = np.where(following < ends, following - 1 - frame, n)
    return np.minimum(before, after)


def members(distance: np.ndarray) -> dict[str, np.ndarray]:
    """(F,) whether each frame belongs to it, for each of `GROUPS`.

    Example:
        >>> members(np.array([0, 4, 9]))["3-5"].tolist()
        [False, True, False]
    """
    return {
        name: (distance >= low) & (distance <= (len(distance) if high is None else high)) for name, low, high in GROUPS
    }


N_BINS = 15
METHOD = f"expected calibration error, {N_BINS} bins of equal width"


@dataclass(frozen=True, kw_only=True)
class ReliabilityBin:
    """The frames whose prediction had a probability in (low, high]."""

    low: float
    high: float
    frames: int
    confidence: float
    """Their mean probability."""
    accuracy: float


def reliability(probability: np.ndarray, correct: np.ndarray) -> list[ReliabilityBin]:
    """The bins of (0, 1], each open below and closed above, that have frames.

    Args:
        probability: (F,) posterior of the predicted class.
        correct: (F,) whether it was right; a share in [0, 1] is allowed.

    Example:
        >>> reliability(np.array([0.95, 0.97]), np.array([True, False]))[0].accuracy
        0.5
    """
    wide = probability.astype(np.float64)
    bins = np.clip(np.ceil(wide * N_BINS).astype(int) - 1, 0, N_BINS - 1)
    frames, confidence, right = (np.bincount(bins, w, N_BINS) for w in (None, wide, correct.astype(np.float64)))
    return [
        ReliabilityBin(
            low=float(i / N_BINS),
            high=float((i + 1) / N_BINS),
            frames=int(frames[i]),
            confidence=float(confidence[i] / frames[i]),
            accuracy=float(right[i] / frames[i]),
        )
        for i in np.flatnonzero(frames)
    ]


def pooled(bins: Sequence[Sequence[ReliabilityBin]]) -> list[ReliabilityBin]:
    """The bins of all frames together, from those of parts of them (the seeds).

    Example:
        >>> parts = [reliability(np.array([0.95]), np.array([right])) for right in (True, False)]
        >>> pooled(parts)[0].frames, pooled(parts)[0].accuracy
        (2, 0.5)
    """
    together: dict[float, ReliabilityBin] = {}
    for own in (own for part in bins for own in part):
        before = together.get(own.low)
        if before is None:
            together[own.low] = own
            continue
        frames = before.frames + own.frames
        together[own.low] = replace(
            own,
            frames=frames,
            confidence=(before.frames * before.confidence + own.frames * own.confidence) / frames,
            accuracy=(before.frames * before.accuracy + own.frames * own.accuracy) / frames,
        )
    return [together[low] for low in sorted(together)]


def calibration_error(bins: Sequence[ReliabilityBin]) -> float:
    """Mean distance of confidence and accuracy over frames, bin by bin (Guo et al. 2017, On calibration of modern
    neural networks, eq. 3); in [0, 1], 0 is perfect.

    Example:
        >>> round(calibration_error(reliability(np.array([0.9, 0.9]), np.array([True, False]))), 2)
        0.4
    """
    frames = np.array([row.frames for row in bins])
    gaps = np.array([abs(row.confidence - row.accuracy) for row in bins])
    return float(frames @ gaps / frames.sum())
