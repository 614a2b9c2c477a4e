"""Sound files as a part without labels: what a trained model is given beside corpora.

Shapes: F frames, D features, U utterances, T frames of an utterance.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from harness.corpora import audio
from harness.corpora.features import Features
from harness.corpora.store import Part
from harness.errors import UserError
from harness.files import Count


def files(path: Path) -> list[Path]:
    """The sound files that a path means: itself, or those in the folder, in the order of their names."""
    if path.is_dir():
        return sorted((file for file in path.iterdir() if audio.is_audio(file)), key=lambda file: file.stem)
    return [path] if audio.is_audio(path) else []


def load(sounds: Sequence[Path], features: Features, progress: Count | None = None) -> tuple[Part, np.ndarray]:
    """Frames of sound files, each an utterance and a speaker with the file's name; and their durations (U,) in seconds.

    Args:
        progress: called with (files done, all files).

    Raises:
        UserError: a line for each file that cannot be read, is of another rate, or is too short for a frame.
    """
    frames, seconds, refusals = [], [], []
    stems = [file.stem for file in sounds]
    for done, file in enumerate(sounds, start=1):
        try:
            if stems.count(file.stem) > 1:
                raise ValueError(f"two files are called {file.stem}")
            samples = _samples(file, features)
            own = features.compute(samples)
            if not len(own):
                raise ValueError(f"{1000 * len(samples) / features.rate:.0f} ms long; a frame takes 25 ms")
        except ValueError as refusal:
            refusals.append(f"{file}: {refusal}")
            continue
        frames.append(own)
        seconds.append(len(samples) / features.rate)
        if progress:
            progress(done, len(sounds))
    if refusals:
        raise UserError("\n".join(refusals))
    lengths = np.array([len(own) for own in frames], dtype=np.int64)
    together = np.concatenate(frames)
    part = Part(
        split=sounds[0].name if len(sounds) == 1 else sounds[0].parent.name,
        frames=together,
        labels=None,
        starts=np.cumsum(lengths) - lengths,
        lengths=lengths,
        utterances=np.array(stems),
        speakers=np.array(stems),
        phonemes=(),
        digest=hashlib.sha256(together.data).hexdigest()[:32],
        features=features,
    )
    return part, np.array(seconds)


def _samples(file: Path, features: Features) -> np.ndarray:
    samples, rate = audio.read(file)
    if rate != features.rate:
        raise ValueError(
            f"{rate} Hz; the model's corpus has {features.rate} Hz: sox {file.name} -r {features.rate} OUT{file.suffix}"
        )
    return samples
