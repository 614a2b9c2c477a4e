"""The parts of a corpus on one device: which stay there and which pass through, each prepared as a run wants it."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from harness.corpora.store import Part
from harness.errors import UserError
from harness.frames.normalisation import Normaliser, Statistics, statistics
from harness.frames.streaming import StreamedFrames
from harness.frames.windows import ResidentFrames, labels, to_device
from harness.settings import Boundary, Data, Normalisation

FrameSource = ResidentFrames | StreamedFrames
"""Both give `batches`, `in_order`, `labels`, `part`, and their number of frames as `len`."""

_CHUNK = 1 << 22
"""Most frames of a chunk: enough that an epoch mixes thousands of utterances, little beside any device's memory."""
_SHARE = 5
"""Two chunks take at least one part in so many of the memory, else a further part passes: small ones mix badly."""
_BESIDE = 5
"""Bytes of a frame's row (int32) and label (uint8)."""


@dataclass(frozen=True)
class Placement:
    """A division of parts into those that stay on the device and those that pass through."""

    limit: int
    """Bytes that frames may take."""
    needed: int
    """Bytes if all stayed."""
    streamed: tuple[str, ...]
    """The parts that pass through."""
    chunk_frames: int
    """Most frames of a chunk; 0 if all stay."""


def placement(parts: dict[str, Part], padding: int, dtype: torch.dtype, limit: int) -> Placement:
    """The largest parts pass through, as few as will do.

    Args:
        padding: rows between utterances.
        limit: bytes.

    Raises:
        UserError: not even one long utterance at a time would fit.
    """
    sizes = {name: part.n_frames * _row(part, padding, dtype) for name, part in parts.items()}
    needed = sum(sizes.values())
    if needed <= limit:
        return Placement(limit, needed, (), 0)
    by_size = sorted(parts, key=lambda name: -sizes[name])
    chunk = 0
    for n in range(1, len(parts) + 1):
        largest = [parts[name] for name in by_size[:n]]
        room = limit - sum(sizes[name] for name in by_size[n:]) - sum(part.n_frames for part in largest)
        row = max(_row(part, padding, dtype) for part in largest)
        chunk = min(_CHUNK, room // (2 * row))
        enough = _CHUNK if n < len(parts) else 0
        if chunk >= min(enough, limit // (2 * _SHARE * row)) and chunk >= max(part.lengths.max() for part in largest):
            return Placement(limit, needed, tuple(by_size[:n]), int(chunk))
    least = sum(p.n_frames for p in largest) + 2 * row * int(max(part.lengths.max() for part in largest))
    raise UserError(
        f"data.memory: {limit / 1e9:g} GB are too little for this corpus: its labels and two chunks of its longest "
        f"utterance take {least / 1e9:.3g} GB; give more, or 0 for half of the device's memory"
    )


def _row(part: Part, padding: int, dtype: torch.dtype) -> int:
    """Bytes of a frame with its share of the padding, rounded up."""
    padded = 1 + padding * (len(part.lengths) + 1) / part.n_frames
    return int(np.ceil(padded * part.d_features * dtype.itemsize)) + _BESIDE


class DeviceData:
    """The parts of a corpus on one device, each placed once for every way that it is prepared.

    Args:
        parts: by name: "train" and others, among them what trials train on, if that is less.
        padding: the widest context of the study, so that any narrower one needs no new placing.
        limit: bytes that frames may take; what does not fit passes through. No limit unless given.

    Raises:
        UserError: as `placement`.
    """

    def __init__(
        self,
        parts: dict[str, Part],
        padding: int,
        device: torch.device,
        dtype: torch.dtype,
        limit: int | None = None,
    ) -> None:
        self.parts = parts
        self.padding = padding
        self.device = device
        self.dtype = dtype
        self.placement = placement(parts, padding, dtype, limit) if limit else Placement(0, 0, (), 0)
        self._sources: dict[tuple[str, Normalisation, Boundary], FrameSource] = {}
        self._statistics: Statistics | None = None

    def get(self, name: str, data: Data) -> FrameSource:
        """The part `name`, prepared as `data` says.

        Raises:
            UserError: windows that see the neighbour utterance are wanted of a part that passes through.
        """
        key = (name, data.normalisation, data.boundary)
        if key not in self._sources:
            for other in [k for k in self._sources if k[0] == name]:  # one copy a part: a search over normalisations
                del self._sources[other]
            self._sources[key] = self._place(*key)
        assert max(data.left, data.right) <= self.padding
        return replace(self._sources[key], left=data.left, window=data.window)

    def _place(self, name: str, normalisation: Normalisation, boundary: Boundary) -> FrameSource:
        part = self.parts[name]
        normaliser = Normaliser(part, normalisation, self.statistics(normalisation))
        if name not in self.placement.streamed:
            return to_device(
                normaliser,
                slice(None),
                left=0,
                right=0,
                padding=self.padding,
                boundary=boundary,
                device=self.device,
                dtype=self.dtype,
            )
        if boundary == "stream":
            raise UserError(
                'data.boundary = "stream": windows across utterances need all frames on the device, but these take '
                f"{self.placement.needed / 1e9:.3g} GB and data.memory allows {self.placement.limit / 1e9:.3g} GB; "
                'take boundary = "utterance", or allow more'
            )
        return StreamedFrames(
            normaliser, labels(part).to(self.device), self.placement.chunk_frames, self.padding, self.dtype, 0, 1
        )

    def statistics(self, normalisation: Normalisation) -> Statistics | None:
        """Statistics that normalisation "global" needs beside the frames; None for the others."""
        if normalisation == "global" and self._statistics is None:
            self._statistics = statistics(self.parts["train"])
        return self._statistics if normalisation == "global" else None
