"""Measures that take every frame: phone error rate, accuracy by distance from a boundary, and calibration.

Phone error rate: frames collapsed to segments, and what it takes to turn the predicted ones into the true ones. A
predicted segment lasts at least three frames, as a phone does in a left-to-right hidden Markov model of three states
(Rabiner 1989, Proc. IEEE 77): shorter ones are dropped, and equal neighbours become one. There is no language model.
Two equal phonemes in a row are one segment: labels per frame cannot tell them apart. Silence is a segment like any
other. The plain phone error rate is what the field calls by this name (NIST's scoring of TIMIT; Lee and Hon 1989): of
the labels as they are predicted, silence left out, equal neighbours merged, and no segment dropped for its length.

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
    Metric("phone_error_rate_plain", "plain phone error rate", "plain PER", lower_is_better=True),
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
    return _edits(_segments(truth, lengths), _segments(predicted, lengths, LEAST))


def plain_edits(truth: np.ndarray, predicted: np.ndarray, lengths: np.ndarray, silence: int | None) -> Edits:
    """Compare the segments of every utterance as the field does: no silence, equal neighbours one, all lengths.

    Args:
        truth, predicted: (F,) uint8 classes, utterances one after the other.
        lengths: (U,) frames of each utterance.
        silence: its class; None where there is none.

    Example:
        >>> truth, predicted = np.array([0, 1, 1, 0, 2, 2]), np.array([0, 1, 3, 0, 2, 2])
        >>> found = plain_edits(truth, predicted, np.array([6]), silence=0)
        >>> found.insertions.tolist(), found.true.tolist()
        ([1], [2])
    """
    return _edits(*(_segments(labels, lengths, silence=silence) for labels in (truth, predicted)))


def _edits(truth: Sequence[str], predicted: Sequence[str]) -> Edits:
    """Of each utterance, whose segments are letters."""
    rows = []
    for true, found in zip(truth, predicted, strict=True):
        kinds = list(map(itemgetter(0), Levenshtein.editops(true, found).as_list()))
        rows.append((kinds.count("replace"), kinds.count("delete"), kinds.count("insert"), len(true)))
    return Edits(*np.array(rows, dtype=np.int64).reshape(-1, 4).T)


def _segments(labels: np.ndarray, lengths: np.ndarray, least: int = 1, silence: int | None = None) -> list[str]:
    """The segments of each utterance, a letter each; silence and those shorter than `least` frames left out."""
    utterance = np.repeat(np.arange(len(lengths)), lengths)
    begins = np.flatnonzero(_changes(labels) | _changes(utterance))
    is_long = np.diff(begins, append=len(labels)) >= least
    long = begins[is_long if silence is None else is_long & (labels[begins] != silence)]
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


def calibration_sums(
    probability: np.ndarray, correct: np.ndarray, utterance: np.ndarray, n_utterances: int
) -> tuple[np.ndarray, np.ndarray]:
    """What the calibration error is made of, (U, bins) each: frames that are right, and the sum of probabilities.

    Args:
        probability: (F,) posterior of the predicted class.
        correct: (F,) bool, whether it was right.
        utterance: (F,) the place of each frame's utterance.

    Example:
        >>> right, sure = calibration_sums(np.array([0.9, 0.9]), np.array([True, False]), np.array([0, 0]), 1)
        >>> right.sum().item(), round(sure.sum().item(), 1)
        (1.0, 1.8)
    """
    wide = probability.astype(np.float64)
    cell = utterance * N_BINS + np.clip(np.ceil(wide * N_BINS).astype(int) - 1, 0, N_BINS - 1)
    right, sure = (np.bincount(cell, w, n_utterances * N_BINS) for w in (correct.astype(np.float64), wide))
    return right.reshape(-1, N_BINS), sure.reshape(-1, N_BINS)


def calibration_of_sums(correct: np.ndarray, predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """The calibration error of sums over bins, in the form of a measure of counts (`metrics.OfCounts`).

    Args:
        correct: (..., bins) frames that are right.
        predicted: (..., bins) sums of probabilities.
        true: (..., bins) with the frames of all bins together as its sum.

    Example:
        >>> calibration_of_sums(np.array([3.0, 9.0]), np.array([2.0, 8.5]), np.array([10.0, 5.0])).item()
        0.1
    """
    error: np.ndarray = np.abs(predicted - correct).sum(axis=-1) / true.sum(axis=-1)
    return error


def calibration_floor(bins: Sequence[ReliabilityBin]) -> float:
    """The calibration error that a perfectly calibrated model would be expected to have with as many frames, in [0, 1].

    In each bin the number of right frames then has the variance n c (1 - c), n frames of mean probability c, and the
    mean of its distance from n c is sqrt(2 / pi) of its standard deviation (Gaussian; cf. Roelofs et al. 2022,
    Mitigating bias in calibration error estimation). Frames are taken as independent, so that the true floor is higher.

    Example:
        >>> round(calibration_floor(reliability(np.full(1000, 0.9), np.ones(1000, bool))), 4)
        0.0076
    """
    frames = np.array([row.frames for row in bins], dtype=float)
    confidence = np.array([row.confidence for row in bins])
    return float(np.sqrt(2 / np.pi * frames * confidence * (1 - confidence)).sum() / frames.sum())


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
