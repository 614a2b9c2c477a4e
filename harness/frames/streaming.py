"""Frames that do not fit on the device: they pass through it in large shuffled chunks.

While the model trains on one chunk a thread reads the next from the memory map, normalises it, and copies it from
pinned memory. Two chunks are on the device at a time. The order of frames depends on seed, epoch and the size of a
chunk: utterances are shuffled and cut into chunks, and the frames of a chunk are shuffled. Batches have the same sizes
as those of frames that stay: what is left of a chunk begins a batch that the next one fills.

Legend: F frames, U utterances, B batch, W window, D features.
"""

import functools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from harness.corpora.store import Part
from harness.frames.normalisation import Normaliser
from harness.frames.windows import ResidentFrames, to_device
from harness.seeds import derive_seed


@dataclass(frozen=True)
class StreamedFrames:
    """A part of a corpus on its way through the device; gives examples as a `ResidentFrames` does."""

    normaliser: Normaliser
    labels: Tensor
    """(F,) uint8, on the device, where they stay."""
    chunk_frames: int
    """The most frames of a chunk, unless one utterance has more."""
    padding: int
    dtype: torch.dtype
    left: int
    window: int

    @property
    def part(self) -> Part:
        return self.normaliser.part

    def __len__(self) -> int:
        return self.part.n_frames

    def batches(self, batch_size: int, seed: int, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """An epoch's examples: windows (B, W, D) and labels (B,) int64, in an order of (seed, epoch) alone."""
        order = np.random.default_rng((seed, epoch)).permutation(len(self.part.lengths))
        generator = torch.Generator(self.labels.device).manual_seed(derive_seed(seed, epoch))
        rest: tuple[Tensor, Tensor] | None = None  # a batch that the chunk before could not fill
        for chunk in self._chunks(order):
            index = torch.randperm(len(chunk), generator=generator, device=self.labels.device)
            if rest:
                n_missing = batch_size - len(rest[1])
                more = chunk.examples(index[:n_missing])
                rest, index = (torch.cat([rest[0], more[0]]), torch.cat([rest[1], more[1]])), index[n_missing:]
                if len(rest[1]) < batch_size:
                    continue
                yield rest
            n_whole = len(index) // batch_size * batch_size
            for batch in torch.split(index[:n_whole], batch_size):
                if len(batch):
                    yield chunk.examples(batch)
            rest = chunk.examples(index[n_whole:]) if n_whole < len(index) else None
            del chunk  # else three would be there while the next is fetched
        if rest:
            yield rest

    def in_order(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The examples, in the order of the part."""
        for chunk in self._chunks(np.arange(len(self.part.lengths))):
            yield from chunk.in_order(batch_size)
            del chunk

    def _chunks(self, utterances: np.ndarray) -> Iterator[ResidentFrames]:
        """The chunks, one after the other; the next one is being fetched meanwhile."""
        chunks = [utterances[block] for block in self.part.select(utterances).blocks(self.chunk_frames)]
        with ThreadPoolExecutor(1, "frames") as thread:
            next_chunk = thread.submit(self._fetch, chunks[0])
            for following in [*chunks[1:], None]:
                chunk = next_chunk.result()
                if following is not None:
                    next_chunk = thread.submit(self._fetch, following)
                else:
                    del next_chunk
                yield chunk

    def _fetch(self, utterances: np.ndarray) -> ResidentFrames:
        device = self.labels.device
        if device.type == "cuda":
            user, stream = torch.cuda.default_stream(device), _copy_stream(device)
            with torch.cuda.stream(stream):
                frames = self._place(utterances)
                stream.synchronize()
            for tensor in (frames.frames, frames.rows, frames.labels):
                tensor.record_stream(user)
        else:
            frames = self._place(utterances)
        return frames

    def _place(self, utterances: np.ndarray) -> ResidentFrames:
        return to_device(
            self.normaliser,
            utterances,
            left=self.left,
            right=self.window - 1 - self.left,
            padding=self.padding,
            boundary="utterance",
            device=self.labels.device,
            dtype=self.dtype,
        )


@functools.cache
def _copy_stream(device: torch.device) -> torch.cuda.Stream:
    """The stream of all chunks of a device: memory that a chunk leaves is only given to others of its stream."""
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
