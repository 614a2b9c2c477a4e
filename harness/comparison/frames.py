"""What the finals of a study kept of every test frame, and the measures that need it.

A measure of frames has its name in `harness.statistics.frame_measures.OF_FRAMES`, and here what it is computed by.

Legend: F frames, U utterances, S seeds.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.phones import SILENCE
from harness.results import ArmRecord, RunResult
from harness.statistics.frame_measures import (
    NEAR,
    Edits,
    ReliabilityBin,
    calibration_error,
    calibration_sums,
    distances,
    edits,
    members,
    plain_edits,
    reliability,
)


@dataclass(frozen=True)
class FinalFrames:
    """The test frames of one final."""

    correct: np.ndarray
    """(F,) bool"""
    bins: Sequence[ReliabilityBin]
    """How sure the model was of its predictions, and how right."""
    edits: Edits
    plain_edits: Edits
    """Without silence, and of segments of any length."""
    calibration: tuple[np.ndarray, np.ndarray]
    """(U, bins) frames that are right, and sums of probabilities."""


@dataclass(frozen=True)
class FrameResults:
    """The test frames of all finals of all arms, which were tested on the same ones."""

    utterance: np.ndarray
    """(F,) the place of each frame's utterance."""
    lengths: np.ndarray
    """(U,) frames of each utterance."""
    is_near: np.ndarray
    """(F,) at most `frame_measures.NEAR` frames from a change of label."""
    groups: dict[str, np.ndarray]
    """(F,) for each group of distances: whether a frame is in it."""
    arms: dict[str, tuple[FinalFrames, ...]]
    """A final each, in the order of the seeds."""

    def per_utterance(self, frames: np.ndarray) -> np.ndarray:
        """(F,) bool -> (U,) how many of each utterance."""
        return np.bincount(self.utterance[frames], minlength=len(self.lengths))


@dataclass(frozen=True)
class Shares:
    """A measure that is a sum over a sum: errors over segments, say."""

    parts: Mapping[str, Sequence[np.ndarray]]
    """Arm -> for each seed (U,) what is counted in each utterance."""
    whole: np.ndarray
    """(U,) out of how many, the same for all."""
    frames: np.ndarray | None
    """(F,) bool, which frames it is the accuracy of; None where it is not about frames."""


@dataclass(frozen=True)
class SeedValues:
    """A measure that is one number of a final."""

    of_seeds: Mapping[str, Sequence[float]]
    """Arm -> (S,)"""


def frame_results(arms: Sequence[ArmRecord]) -> FrameResults | None:
    """What there is; None where a final did not keep its frames, or not those of the same truth."""
    tests = [final.test for arm in arms for final in arm.finals]
    truth = tests[0].truth if tests[0] else None
    for test in tests:
        if test is None or test.truth is None or test.predicted is None or test.probability is None:
            return None
        if truth is None or not np.array_equal(test.truth, truth):
            return None
    assert tests[0] is not None
    assert truth is not None
    lengths = tests[0].lengths
    distance = distances(truth, lengths)
    phonemes = arms[0].finals[0].phonemes
    silence = phonemes.index(SILENCE) if SILENCE in phonemes else None
    return FrameResults(
        utterance=np.repeat(np.arange(len(lengths)), lengths),
        lengths=lengths,
        is_near=distance <= NEAR,
        groups=members(distance),
        arms={arm.arm: tuple(_frames(final, truth, lengths, silence) for final in arm.finals) for arm in arms},
    )


def _frames(final: RunResult, truth: np.ndarray, lengths: np.ndarray, silence: int | None) -> FinalFrames:
    test = final.test
    assert test is not None
    assert test.predicted is not None
    assert test.probability is not None
    correct = test.predicted == truth
    utterance = np.repeat(np.arange(len(lengths)), lengths)
    return FinalFrames(
        correct=correct,
        bins=reliability(test.probability, correct),
        edits=edits(truth, test.predicted, lengths),
        plain_edits=plain_edits(truth, test.predicted, lengths, silence),
        calibration=calibration_sums(test.probability, correct, utterance, len(lengths)),
    )


def _calibration_error(results: FrameResults) -> SeedValues:
    return SeedValues(
        {arm: [calibration_error(final.bins) for final in finals] for arm, finals in results.arms.items()}
    )


def _phone_error_rate(results: FrameResults) -> Shares:
    parts = {arm: [final.edits.total for final in finals] for arm, finals in results.arms.items()}
    return Shares(parts, next(iter(results.arms.values()))[0].edits.true, None)


def _phone_error_rate_plain(results: FrameResults) -> Shares:
    parts = {arm: [final.plain_edits.total for final in finals] for arm, finals in results.arms.items()}
    return Shares(parts, next(iter(results.arms.values()))[0].plain_edits.true, None)


def accuracy_in(results: FrameResults, frames: np.ndarray) -> Shares | None:
    """The accuracy of some frames (F,) bool; None where there are none."""
    if not frames.any():
        return None
    parts = {
        arm: [results.per_utterance(frames & final.correct) for final in finals] for arm, finals in results.arms.items()
    }
    return Shares(parts, results.per_utterance(frames), frames)


FROM_FRAMES: dict[str, Callable[[FrameResults], Shares | SeedValues | None]] = {
    "calibration_error": _calibration_error,
    "phone_error_rate": _phone_error_rate,
    "phone_error_rate_plain": _phone_error_rate_plain,
    "accuracy_at_boundaries": lambda results: accuracy_in(results, results.is_near),
    "accuracy_away": lambda results: accuracy_in(results, ~results.is_near),
}
"""What computes each measure of frames; None where a study has nothing to measure it on."""
