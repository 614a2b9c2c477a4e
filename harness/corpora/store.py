"""The frame store: a split of a corpus as two flat, memory-mapped arrays, made once and opened in milliseconds.

It holds frames as they came (float32); padding, normalisation and precision are applied on the way to the device.
A store is a folder: `frames.npy` (F, D) float32, `labels.npy` (F,) uint8 unless unlabelled, `store.json` (the rest).

Legend: F frames, D features, U utterances, C classes.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from harness import checksums
from harness.corpora.features import Features
from harness.errors import Damaged
from harness.files import UNREADABLE, put_in_place, temporary_folder

_BLOCK = 1 << 22  # bytes hashed and written at a time, without Python's lock
_FACTS = ("split", "phonemes", "utterances", "speakers", "lengths")  # in the order in which the digest takes them


@dataclass(frozen=True)
class Utterance:
    """One utterance on its way into a store."""

    name: str
    speaker: str
    frames: np.ndarray
    """(T, D) float32, finite."""
    labels: np.ndarray | None
    """(T,) uint8 indices into the phonemes."""


@dataclass(frozen=True)
class Part:
    """Some utterances of a store: a split, or a selection from it. Selecting copies no frame."""

    split: str
    frames: np.ndarray
    """(F, D) float32 of the whole store, memory-mapped."""
    labels: np.ndarray | None
    """(F,) uint8 of the whole store; None if unlabelled."""
    starts: np.ndarray
    """(U,) int64, the row of each utterance's first frame."""
    lengths: np.ndarray
    """(U,) int64, frames of each utterance."""
    utterances: np.ndarray
    """(U,) names."""
    speakers: np.ndarray
    """(U,) speaker ids."""
    phonemes: tuple[str, ...]
    """(C,) names of the classes."""
    digest: str
    """The digest of the whole store's content."""
    features: Features | None = None
    """The making of the frames, as the corpus says it; not part of the store or of its digest."""

    @property
    def n_frames(self) -> int:
        return int(self.lengths.sum())

    @property
    def d_features(self) -> int:
        return int(self.frames.shape[1])

    def rows(self) -> np.ndarray:
        """Rows of this part's frames in `frames`, (sum of lengths,) int64, utterance by utterance."""
        first = np.cumsum(self.lengths) - self.lengths
        return np.repeat(self.starts - first, self.lengths) + np.arange(self.n_frames)

    def read(self) -> np.ndarray:
        """A copy of this part's frames, (sum of lengths, D) float32."""
        return np.asarray(self.frames[self.rows()])

    def blocks(self, n_frames: int) -> Iterator[slice]:
        """Blocks of neighbouring utterances of at most `n_frames` together, or of one utterance."""
        ends = np.cumsum(self.lengths)
        first = 0
        while first < len(ends):
            before = ends[first] - self.lengths[first]
            behind = max(first + 1, int(np.searchsorted(ends, before + n_frames, side="right")))
            yield slice(first, behind)
            first = behind

    def select(self, keep: np.ndarray | slice) -> "Part":
        """The utterances that a boolean mask (U,), indices or a slice name, in their order."""
        columns = {name: getattr(self, name)[keep] for name in ("starts", "lengths", "utterances", "speakers")}
        return replace(self, **columns)

    def summary(self) -> dict[str, int]:
        return {
            "utterances": len(self.utterances),
            "speakers": len(np.unique(self.speakers)),
            "frames": self.n_frames,
        }


def write(folder: Path, split: str, phonemes: Sequence[str], utterances: Iterable[Utterance]) -> None:
    """Write a store under a temporary name and rename it when whole. Some utterances at a time are in memory.

    An exception of `utterances` (a refusal) passes through and leaves nothing behind.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with temporary_folder(folder.parent, folder.name) as unfinished:
        names, speakers, lengths, labels = [], [], [], []
        d_features = 0
        with _FrameFile(unfinished / "frames.npy") as frames:
            for u in utterances:
                frames.add(u.frames)
                d_features = u.frames.shape[1]
                names.append(u.name)
                speakers.append(u.speaker)
                lengths.append(len(u.frames))
                if u.labels is not None:
                    labels.append(u.labels)
            content = frames.finish((sum(lengths), d_features))
        if labels:
            together = np.concatenate(labels)
            np.save(unfinished / "labels.npy", together)
            content.update(together.data)
        facts = {
            "split": split,
            "phonemes": list(phonemes),
            "utterances": names,
            "speakers": speakers,
            "lengths": lengths,
        }
        content.update(json.dumps(facts).encode())
        facts["digest"] = content.hexdigest()[:32]
        (unfinished / "store.json").write_text(checksums.seal(facts))
        try:
            put_in_place(unfinished, folder)
        except OSError:  # another process was faster: its store is the same
            if not (folder / "store.json").exists():
                raise


class _FrameFile:
    """Frames on their way to a file and into a digest, in blocks, by a thread beside the one that reads them."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=0)
        self._file.write(_npy_header((0, 0)))
        self._digest = hashlib.sha256()
        self._thread = ThreadPoolExecutor(1)
        self._block: list[memoryview] = []
        self._size = 0
        self._writing: Future[None] | None = None

    def add(self, frames: np.ndarray) -> None:
        self._block.append(np.ascontiguousarray(frames).data.cast("B"))
        self._size += frames.nbytes
        if self._size >= _BLOCK:
            self._pass_on()

    def finish(self, shape: tuple[int, int]) -> "hashlib._Hash":
        """Write what is left, and the shape. The digest is of the frames; what else decides is to be added."""
        self._pass_on()
        self._pass_on()
        self._file.seek(0)
        self._file.write(_npy_header(shape))
        return self._digest

    def _pass_on(self) -> None:
        if self._writing:
            self._writing.result()
        self._writing = self._thread.submit(self._put, self._block)
        self._block, self._size = [], 0

    def _put(self, block: list[memoryview]) -> None:
        together = b"".join(block)
        self._digest.update(together)
        self._file.write(together)

    def __enter__(self) -> "_FrameFile":
        return self

    def __exit__(self, *exception: object) -> None:
        self._thread.shutdown()
        self._file.close()


def _npy_header(shape: tuple[int, int]) -> bytes:
    """The 128 bytes before float32 frames; of one length, so that the shape can be put in when it is known."""
    facts = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return np.lib.format.magic(1, 0) + len(facts).to_bytes(2, "little") + facts


def read(folder: Path) -> Part:
    """Open a store, once its content has been compared with its digest. Frames stay on disk until they are read.

    Raises:
        FileNotFoundError: there is no whole store.
        Damaged: it is not what was written.
    """
    facts = checksums.unseal(folder / "store.json")
    try:
        part = _opened(folder, facts)
    except UNREADABLE as error:
        raise Damaged(folder, f"{type(error).__name__}: {error}") from None
    if _digest(part, facts) != part.digest:
        raise Damaged(folder, "its checksum is not that of what was written")
    return part


def _opened(folder: Path, facts: dict[str, Any]) -> Part:
    labels = folder / "labels.npy"
    lengths = np.array(facts["lengths"], dtype=np.int64)
    frames = np.load(folder / "frames.npy", mmap_mode="r", allow_pickle=False)
    own_labels = np.load(labels, mmap_mode="r", allow_pickle=False) if labels.exists() else None
    whole = {(len(frames),), (int(lengths.sum()),), own_labels.shape if own_labels is not None else (len(frames),)}
    n_utterances = {len(lengths), len(facts["utterances"]), len(facts["speakers"])}
    if len(whole) != 1 or len(n_utterances) != 1 or frames.ndim != 2 or frames.dtype != np.float32:
        raise ValueError("its files are not of one size")
    return Part(
        split=facts["split"],
        frames=frames,
        labels=own_labels,
        starts=np.cumsum(lengths) - lengths,
        lengths=lengths,
        utterances=np.array(facts["utterances"]),
        speakers=np.array(facts["speakers"]),
        phonemes=tuple(facts["phonemes"]),
        digest=facts["digest"],
    )


def _digest(part: Part, facts: dict[str, Any]) -> str:
    """The digest of a store's content, as `write` makes it."""
    content = hashlib.sha256()
    rows = max(1, _BLOCK // max(1, part.frames.itemsize * part.d_features))
    for first in range(0, len(part.frames), rows):
        content.update(np.ascontiguousarray(part.frames[first : first + rows]).data.cast("B"))
    if part.labels is not None:
        content.update(np.ascontiguousarray(part.labels).data)
    content.update(json.dumps({key: facts[key] for key in _FACTS}).encode())
    return content.hexdigest()[:32]
