"""Parts of corpora for tests: random frames, or frames that carry their number."""

import numpy as np
import torch

from harness.corpora.store import Part

LENGTHS = [5, 1, 12, 3, 1]


def make_part(lengths=LENGTHS, d_features=3, seed=0, speakers=None):
    """A labelled part of random frames; by default its speakers take turns."""
    rng = np.random.default_rng(seed)
    lengths = np.array(lengths)
    n = lengths.sum()
    return Part(
        split="train",
        frames=rng.normal(2, 3, size=(n, d_features)).astype(np.float32),
        labels=rng.integers(0, 4, n).astype(np.uint8),
        starts=np.cumsum(lengths) - lengths,
        lengths=lengths,
        utterances=np.array([f"s{i % 2}-{i}" for i in range(len(lengths))]),
        speakers=np.array(speakers or [f"s{i % 2}" for i in range(len(lengths))]),
        phonemes=("[SIL]", "AA", "B", "K"),
        digest="0",
    )


def numbered(lengths):
    """A part in which the first coefficient of a frame is its number."""
    part = make_part(lengths)
    part.frames[:, 0] = np.arange(part.n_frames)
    return part


def order_of(placed, batch_size, seed, epoch):
    """Numbers of the frames of an epoch in their order, and the sizes of its batches."""
    batches = list(placed.batches(batch_size, seed, epoch))
    return torch.cat([windows[:, 0, 0] for windows, _ in batches]), [len(labels) for _, labels in batches]
