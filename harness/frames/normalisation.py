"""Frames to mean 0 and variance 1, by name, some utterances at a time: no copy of a whole part is ever made.

Legend: F frames, U utterances, G groups of utterances, D features.
"""

from dataclasses import dataclass

import numpy as np

from harness.corpora.store import Part
from harness.settings import Normalisation

_BLOCK = 1 << 18  # frames whose statistics are gathered at a time


@dataclass(frozen=True)
class Statistics:
    """Mean and standard deviation of each coefficient, (D,) float64."""

    mean: np.ndarray
    std: np.ndarray


class Normaliser:
    """A reader of a part's frames that normalises them; a constant coefficient becomes 0.

    Args:
        train: of the training part, for normalisation "global".
    """

    def __init__(self, part: Part, normalisation: Normalisation, train: Statistics | None = None) -> None:
        self.part = part
        self.normalisation = normalisation
        if normalisation == "global":
            assert train is not None
            self._train = train
        elif normalisation == "speaker":
            _, self._speaker = np.unique(part.speakers, return_inverse=True)
            self._mean, self._std = _group_statistics(part, self._speaker)

    def frames(self, utterances: slice | np.ndarray) -> np.ndarray:
        """Frames (F, D) float32 of some utterances, in their order."""
        part = self.part.select(utterances)
        frames = part.read()
        if self.normalisation == "none":
            return frames
        if self.normalisation == "frame":
            return _scale(frames, frames.mean(axis=1, keepdims=True), frames.std(axis=1, keepdims=True))
        if self.normalisation == "global":
            return _scale(frames, self._train.mean.astype(np.float32), self._train.std.astype(np.float32))
        if self.normalisation == "speaker":
            group, mean, std = self._speaker[utterances], self._mean, self._std
        else:
            group = np.arange(len(part.lengths))
            mean, std = _group_statistics(part, group)
        each = np.repeat(group, part.lengths)
        return _scale(frames, mean.astype(np.float32)[each], std.astype(np.float32)[each])


def statistics(part: Part) -> Statistics:
    """Statistics of all frames of a part."""
    mean, std = _group_statistics(part, np.zeros(len(part.lengths), dtype=np.int64))
    return Statistics(mean[0], std[0])


def _group_statistics(part: Part, group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The group of each utterance (U,) -> mean and standard deviation (G, D) of each group's frames."""
    n = np.bincount(group, weights=part.lengths)[:, None]
    total, squares = np.zeros((2, len(n), part.d_features))
    for block in part.blocks(_BLOCK):
        _add(total, group[block], part.select(block).read(), part.lengths[block])
    mean = total / n
    for block in part.blocks(_BLOCK):
        some = part.select(block)
        centred = some.read() - np.repeat(mean[group[block]].astype(np.float32), some.lengths, axis=0)
        _add(squares, group[block], centred * centred, some.lengths)
    return mean, np.sqrt(squares / n)


def _add(total: np.ndarray, group: np.ndarray, values: np.ndarray, lengths: np.ndarray) -> None:
    """Add values (F, D) of utterances to the totals (G, D) of their groups."""
    starts = np.cumsum(lengths) - lengths
    np.add.at(total, group, np.add.reduceat(values, starts, axis=0, dtype=np.float64))


def _scale(frames: np.ndarray, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    scaled: np.ndarray = (frames - mean) / np.where(std > 0, std, 1)
    return scaled
