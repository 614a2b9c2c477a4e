"""Frames on the device, once and unstacked; windows are gathered there.

Utterances lie one after the other with enough zeros between them that every window is one contiguous run of rows. A
table of windows is then a strided view of the frames, and a batch is a copy of some of its rows.

Legend: F frames, P padded rows, U utterances, B batch, W window, D features.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from harness.corpora.store import Part
from harness.settings import Boundary, Data, Normalisation


@dataclass(frozen=True)
class Statistics:
    """Mean and standard deviation of each coefficient, (D,) float64."""

    mean: np.ndarray
    std: np.ndarray


@dataclass(frozen=True)
class Resident:
    """A part of a corpus on the device, ready to give windows of one width."""

    frames: Tensor
    """(P, D) normalised, zeros between utterances."""
    rows: Tensor
    """(F,) int64, where each frame lies in `frames`."""
    labels: Tensor
    """(F,) int64; (0,) if the part is unlabelled."""
    left: int
    """Frames of a window before the one that is classified."""
    window: int
    """W, in frames."""
    part: Part
    """Where it came from: utterances, speakers, lengths."""

    def __len__(self) -> int:
        return len(self.rows)

    def windows(self, index: Tensor | slice) -> Tensor:
        """(B,) positions of frames -> (B, W, D) windows around them."""
        d = self.frames.shape[1]
        table = self.frames.as_strided((len(self.frames) - self.window + 1, self.window * d), (d, 1))
        return table.index_select(0, self.rows[index] - self.left).view(-1, self.window, d)


def place(
    part: Part,
    padding: int,
    normalisation: Normalisation,
    boundary: Boundary,
    device: torch.device,
    dtype: torch.dtype,
    train: Statistics | None,
) -> Resident:
    """Bring a part to the device: normalised, padded, in the precision of the run. Windows are of one frame.

    Args:
        padding: zeros at each end of an utterance ("utterance"), or of the whole ("stream").
        train: of the training part, for normalisation "global".
    """
    frames = normalise(part, normalisation, train)
    gap = padding if boundary == "utterance" else 0
    begins = padding + np.arange(len(part.lengths)) * gap + np.cumsum(part.lengths) - part.lengths
    rows = np.repeat(begins - (np.cumsum(part.lengths) - part.lengths), part.lengths) + np.arange(len(frames))
    padded = torch.zeros(padding + len(frames) + gap * (len(begins) - 1) + padding, frames.shape[1], dtype=dtype)
    padded[torch.from_numpy(rows)] = torch.from_numpy(frames).to(dtype)
    known = np.empty(0) if part.labels is None else part.labels[part.rows()]
    labels = torch.from_numpy(known.astype(np.int64))
    return Resident(padded.to(device), torch.from_numpy(rows).to(device), labels.to(device), 0, 1, part)


def normalise(part: Part, normalisation: Normalisation, train: Statistics | None = None) -> np.ndarray:
    """(F, D) float32 frames of a part with mean 0 and variance 1, by name; a constant coefficient becomes 0."""
    frames = np.asarray(part.frames[part.rows()])
    if normalisation == "none":
        return frames
    if normalisation == "frame":
        return _scale(frames, frames.mean(axis=1, keepdims=True), frames.std(axis=1, keepdims=True))
    if normalisation == "global":
        assert train is not None
        return _scale(frames, train.mean.astype(np.float32), train.std.astype(np.float32))
    _, group = np.unique(part.speakers, return_inverse=True)
    if normalisation == "utterance":
        group = np.arange(len(part.lengths))
    mean, std = _group_statistics(frames, part.lengths, group)
    each = np.repeat(group, part.lengths)
    return _scale(frames, mean.astype(np.float32)[each], std.astype(np.float32)[each])


def statistics(part: Part) -> Statistics:
    """Of all frames of a part."""
    mean, std = _group_statistics(part.frames[part.rows()], part.lengths, np.zeros(len(part.lengths), dtype=np.int64))
    return Statistics(mean[0], std[0])


def _group_statistics(frames: np.ndarray, lengths: np.ndarray, group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frames (F, D), the group of each utterance (U,) -> mean and standard deviation (G, D) per group."""
    starts = np.cumsum(lengths) - lengths

    def sums(values: np.ndarray) -> np.ndarray:
        total = np.zeros((group.max() + 1, values.shape[1]))
        np.add.at(total, group, np.add.reduceat(values, starts, axis=0, dtype=np.float64))
        return total

    n = np.bincount(group, weights=lengths)[:, None]
    mean = sums(frames) / n
    centred = frames - np.repeat(mean[group].astype(np.float32), lengths, axis=0)
    return mean, np.sqrt(sums(centred * centred) / n)


def _scale(frames: np.ndarray, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    return (frames - mean) / np.where(std > 0, std, 1)


class Residents:
    """The parts of a corpus on one device, each placed once for every way that it is prepared.

    Args:
        parts: by name, "train" among them.
        padding: the widest context of the study, so that any narrower one needs no new placing.
    """

    def __init__(self, parts: dict[str, Part], padding: int, device: torch.device, dtype: torch.dtype) -> None:
        self.parts = parts
        self.padding = padding
        self.device = device
        self.dtype = dtype
        self._placed: dict[tuple[str, str, str], Resident] = {}
        self._statistics: Statistics | None = None

    def get(self, name: str, data: Data) -> Resident:
        key = (name, data.normalisation, data.boundary)
        if key not in self._placed:
            for other in [k for k in self._placed if k[0] == name]:  # one copy a part: a search over normalisations
                del self._placed[other]
            self._placed[key] = place(
                self.parts[name], self.padding, *key[1:], self.device, self.dtype, self.statistics(data.normalisation)
            )
        assert max(data.left, data.right) <= self.padding
        return replace(self._placed[key], left=data.left, window=data.window)

    def statistics(self, normalisation: Normalisation) -> Statistics | None:
        """What normalisation "global" needs beside the frames; None for the others."""
        if normalisation == "global" and self._statistics is None:
            self._statistics = statistics(self.parts["train"])
        return self._statistics if normalisation == "global" else None


def batches(n_frames: int, batch_size: int, seed: int, epoch: int, device: torch.device) -> Iterator[Tensor]:
    """An epoch's batches of positions: slices of a permutation that depends on (seed, epoch) alone."""
    generator = torch.Generator(device).manual_seed(mix(seed, epoch))
    yield from torch.randperm(n_frames, generator=generator, device=device).split(batch_size)


def mix(seed: int, epoch: int) -> int:
    """One generator seed from two numbers, so that neighbours are unrelated."""
    return int(np.random.SeedSequence((seed, epoch)).generate_state(1, np.uint64)[0] >> 1)
