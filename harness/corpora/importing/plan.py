"""Plans of imports, and the way of one recording with its alignment to an utterance in the HW1P2 layout."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from harness.corpora import audio, mfcc, text
from harness.corpora.alignments import index
from harness.corpora.alignments.columns import read_phn
from harness.corpora.alignments.index import AlignmentFile, Segment
from harness.corpora.features import Features
from harness.corpora.importing.phone_table import PhoneTable
from harness.phones import SILENCE

BEYOND = 0.1
"""Seconds that labels may go on after the sound has ended."""
UNLABELLED = 0.5
"""Fraction of an utterance's frames: with more than that under no label, the labels are of something else."""


@dataclass(frozen=True)
class Recording:
    """An utterance that is to be imported."""

    name: str
    split: str
    speaker: str
    sound: Path
    labels: AlignmentFile
    words: Path | None = None
    """Words with times, as in TIMIT's .wrd."""

    def stamp(self) -> str:
        """A mark that changes with its files, by size and time of change."""
        stats = [path.stat() for path in (self.sound, self.labels.path, self.words) if path]
        return ",".join(f"{stat.st_size}:{stat.st_mtime_ns}" for stat in stats)


@dataclass
class Plan:
    """The recordings that are to be imported, as a corpus' reader lists them."""

    corpus: str
    """The name of the corpus: timit, librispeech, folder."""
    recordings: list[Recording] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    """A line for each recording that cannot be read at all."""
    notes: list[str] = field(default_factory=list)
    """Decisions that its user should know."""

    def splits(self) -> list[str]:
        return list(dict.fromkeys(recording.split for recording in self.recordings))


@dataclass(frozen=True)
class Recipe:
    """The way of recordings to frames and labels, the same for all of a corpus."""

    features: Features
    phones: PhoneTable
    tier: str | None = None
    """The tier of TextGrids that is read."""

    def as_json(self) -> dict[str, Any]:
        return {"features": self.features.as_json(), "phones": self.phones.as_json(), "tier": self.tier}


@dataclass(frozen=True)
class Imported:
    """The outcome of a recording."""

    frames: int
    unlabelled: int
    """Frames under no label, which are silence."""
    rate: int
    """The rate of the file, Hz."""


def import_one(recording: Recording, recipe: Recipe, root: Path) -> Imported:
    """Write `root/SPLIT/{mfcc,transcript}/NAME.npy`.

    Raises:
        ValueError: it is refused; the message names the file.
    """
    features, phones = recipe.features, recipe.phones
    with _about(recording.sound):
        samples, rate = audio.read(recording.sound)
        frames = features.compute(audio.at_rate(samples, rate, features.rate))
        if not len(frames):
            raise ValueError(f"{len(samples) / rate:.3f} s of sound; a frame takes {mfcc.FRAME_SECONDS:g} s")
    words: list[Segment] = []
    if phones.needs_words:
        words = _words(recording, rate)
    with _about(recording.labels.path):
        segments = index.read(recording.labels, rate=rate, tier=recipe.tier)
        seconds = mfcc.centres(len(frames), features.rate) / features.rate
        labels = _labels(segments, phones.labels(segments, words), seconds, len(samples) / rate)
    names = np.array([*phones.classes, SILENCE])[labels]
    transcript = np.array(["[SOS]", *names, "[EOS]"], dtype=f"<U{max(5, names.dtype.itemsize // 4)}")
    np.save(root / recording.split / "mfcc" / f"{recording.name}.npy", frames)
    np.save(root / recording.split / "transcript" / f"{recording.name}.npy", transcript)
    return Imported(len(frames), int(np.count_nonzero(labels < 0)), rate)


def _words(recording: Recording, rate: int) -> list[Segment]:
    if recording.words is None:
        raise ValueError(
            f"{recording.sound}: no .wrd beside it, and this phone set tells a flap (dx) by the word; "
            "--phones timit-39 keeps flaps as a class"
        )
    with _about(recording.words):
        return read_phn(text.read(recording.words), rate)


def _labels(segments: list[Segment], classes: list[int], seconds: np.ndarray, end: float) -> np.ndarray:
    """Classes (T,) of the frames' centres; -1, the last of the names, where no label is."""
    if segments[-1].end > end + BEYOND:
        raise ValueError(f"labels up to {segments[-1].end:.3f} s, sound up to {end:.3f} s: of another recording?")
    labels: np.ndarray = np.append(classes, -1)[index.covering(segments, seconds)]
    bare = np.count_nonzero(labels < 0)
    if bare > UNLABELLED * len(labels):
        raise ValueError(f"{bare} of {len(labels)} frames have no label: of another recording, or other time units?")
    return labels


@contextmanager
def _about(path: Path) -> Iterator[None]:
    """A context in which a refusal begins with the file that it is about."""
    try:
        yield
    except ValueError as refusal:
        raise ValueError(f"{path}: {refusal}") from refusal
