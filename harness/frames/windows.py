"""Frames on the device, once and unstacked; windows are gathered there, and in training partly hidden.

Utterances lie one after the other with enough zeros between them that every window is one contiguous run of rows. A
table of windows is then a strided view of the frames, and a batch is a copy of some of its rows.

Legend: F frames, P padded rows, U utterances, B batch, W window, D features.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from harness.corpora.store import Part
from harness.frames.normalisation import Normaliser
from harness.seeds import derive_seed
from harness.settings import Boundary

_BLOCK = 1 << 17  # frames that are prepared at a time: what lies on the host beside the memory map


@dataclass(frozen=True)
class ResidentFrames:
    """Utterances on the device, ready to give windows of one width."""

    frames: Tensor
    """(P, D) normalised, zeros between utterances."""
    rows: Tensor
    """(F,) int32, where each frame lies in `frames`."""
    labels: Tensor
    """(F,) uint8; (0,) if the part is unlabelled."""
    left: int
    """Frames of a window before the one that is classified."""
    window: int
    """W, in frames."""
    part: Part
    """The part that it came from: utterances, speakers, lengths."""

    def __len__(self) -> int:
        return len(self.rows)

    def windows(self, index: Tensor | slice) -> Tensor:
        """Windows (B, W, D) around frames at (B,) positions."""
        d = self.frames.shape[1]
        table = self.frames.as_strided((len(self.frames) - self.window + 1, self.window * d), (d, 1))
        return table.index_select(0, self.rows[index] - self.left).view(-1, self.window, d)

    def examples(self, index: Tensor | slice) -> tuple[Tensor, Tensor]:
        """Windows (B, W, D) around (B,) positions, and their labels (B,) int64."""
        return self.windows(index), self.labels[index].long()

    def batches(self, batch_size: int, seed: int, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """An epoch's examples: slices of a permutation that depends on (seed, epoch) alone."""
        device = self.rows.device
        generator = torch.Generator(device).manual_seed(derive_seed(seed, epoch))
        order = torch.randperm(len(self), generator=generator, device=device)
        for index in torch.split(order, batch_size):
            yield self.examples(index)

    def in_order(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The examples, in the order of the part."""
        for start in range(0, len(self), batch_size):
            yield self.examples(slice(start, start + batch_size))


def to_device(
    normaliser: Normaliser,
    which: slice | np.ndarray,
    *,
    left: int,
    right: int,
    padding: int = 0,
    boundary: Boundary,
    device: torch.device,
    dtype: torch.dtype,
) -> ResidentFrames:
    """Frames on the device: normalised, padded, in the precision of the run.

    Args:
        which: utterances of the normaliser's part.
        left, right: frames of a window before and after the one that is classified.
        padding: zeros at each end of an utterance ("utterance"), or of the whole ("stream"), for windows that will be
            wider; at least as many as these windows need.
    """
    part, padding = normaliser.part.select(which), max(padding, left, right)
    gap = padding if boundary == "utterance" else 0
    firsts = np.cumsum(part.lengths) - part.lengths  # (U,) of each utterance, among the frames ...
    begins = padding + np.arange(len(part.lengths)) * gap + firsts  # ... and among the padded rows
    rows = torch.from_numpy((np.repeat(begins - firsts, part.lengths) + np.arange(part.n_frames)).astype(np.int32))
    n_padded = padding + part.n_frames + gap * (len(begins) - 1) + padding
    frames = torch.zeros(n_padded, part.d_features, dtype=dtype, device=device)
    utterances = np.arange(len(normaliser.part.lengths))[which]
    for block in part.blocks(_BLOCK):
        first, end = firsts[block][0], firsts[block][-1] + part.lengths[block][-1]
        begin, behind = begins[block][0], begins[block][-1] + part.lengths[block][-1]
        target = frames[begin:behind]
        host = target if device.type == "cpu" else torch.zeros(target.shape, dtype=dtype, pin_memory=True)
        values = torch.from_numpy(normaliser.frames(utterances[block])).to(dtype)
        host.index_copy_(0, rows[first:end].long() - int(begin), values)
        if host is not target:
            target.copy_(host, non_blocking=True)
    return ResidentFrames(frames, rows.to(device), labels(part).to(device), left, left + 1 + right, part)


def labels(part: Part) -> Tensor:
    """Labels (F,) uint8 of a part, on the host; (0,) if it is unlabelled."""
    return torch.empty(0, dtype=torch.uint8) if part.labels is None else torch.from_numpy(part.labels[part.rows()])


def mask(windows: Tensor, time: int, frequency: int, generator: torch.Generator | None = None) -> Tensor:
    """Windows (B, W, D) with a block of frames and a block of coefficients of each at 0.

    Time and frequency masking of D. S. Park et al.: SpecAugment: A Simple Data Augmentation Method for Automatic Speech
    Recognition. Interspeech 2019, section 2, in each window by itself. What is hidden becomes 0, the mean of normalised
    frames. A block's width is uniform on 0 to `time` frames (`frequency` coefficients), and then its place on all where
    it lies within the window. The centre frame is hidden as often as its neighbours. Nothing waits for the device.

    Args:
        time: at most W; 0 hides no frames.
        frequency: at most D; 0 hides no coefficients.
        generator: on the windows' device; torch's global one unless given.

    Raises:
        ValueError: a block may be wider than the window.
    """
    n_windows, window, d_features = windows.shape
    if time > window or frequency > d_features:
        raise ValueError(
            f"a mask of {time} frames and {frequency} coefficients in windows of {window} and {d_features}"
        )
    if time:
        windows = windows.masked_fill(_blocks(n_windows, window, time, windows.device, generator)[:, :, None], 0)
    if frequency:
        windows = windows.masked_fill(_blocks(n_windows, d_features, frequency, windows.device, generator)[:, None], 0)
    return windows


def _blocks(n: int, length: int, widest: int, device: torch.device, generator: torch.Generator | None) -> Tensor:
    """Blocks as (n, length) bool, one in each row."""
    uniform = torch.rand(2, n, 1, device=device, generator=generator)
    width = (uniform[0] * (widest + 1)).floor()
    start = (uniform[1] * (length - width + 1)).floor()
    position = torch.arange(length, device=device)
    return (start <= position) & (position < start + width)
