"""What the finals of a study kept of every test frame, brought into the form that questions are asked of.

Legend: F frames, U utterances.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.results import ArmRecord, RunResult
from harness.statistics.frame_measures import NEAR, Edits, distances, edits, members


@dataclass(frozen=True)
class Frames:
    """Of one final."""

    correct: np.ndarray
    """(F,) bool"""
    probability: np.ndarray
    """(F,) posterior of the predicted class."""
    edits: Edits


@dataclass(frozen=True)
class FrameResults:
    """Of all finals of all arms, which were tested on the same frames."""

    utterance: np.ndarray
    """(F,) the place of each frame's utterance."""
    lengths: np.ndarray
    """(U,) frames of each utterance."""
    is_near: np.ndarray
    """(F,) at most `boundaries.NEAR` frames from a change of label."""
    groups: dict[str, np.ndarray]
    """(F,) for each group of distances: whether a frame is in it."""
    arms: dict[str, tuple[Frames, ...]]
    """A final each, in the order of the seeds."""

    def per_utterance(self, frames: np.ndarray) -> np.ndarray:
        """(F,) bool -> (U,) how many of each utterance."""
        return np.bincount(self.utterance[frames], minlength=len(self.lengths))


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
    return FrameResults(
        utterance=np.repeat(np.arange(len(lengths)), lengths),
        lengths=lengths,
        is_near=distance <= NEAR,
        groups=members(distance),
        arms={arm.arm: tuple(_frames(final, truth, lengths) for final in arm.finals) for arm in arms},
    )


def _frames(final: RunResult, truth: np.ndarray, lengths: np.ndarray) -> Frames:
    test = final.test
    assert test is not None
    assert test.predicted is not None
    assert test.probability is not None
    return Frames(test.predicted == truth, test.probability, edits(truth, test.predicted, lengths))
