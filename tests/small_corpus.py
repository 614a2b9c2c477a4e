"""Small corpora for tests: frames that depend on their phoneme, so that a classifier can learn."""

import atexit
import functools
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from harness.phones import PHONEMES
from harness.tracking.store import open_store

CLASSES = ("[SIL]", "AA", "IY", "S", "T", "M")
D_FEATURES = 6


def write_corpus(root: Path, *, n_train: int = 6, n_held: int = 4, seed: int = 0) -> Path:
    """A corpus in the HW1P2 layout: splits train, validation and test with speakers of their own, 3 utterances each."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(len(CLASSES), D_FEATURES))
    for split, n_speakers in (("train", n_train), ("validation", n_held), ("test", n_held)):
        for kind in ("mfcc", "transcript"):
            (root / split / kind).mkdir(parents=True)
        for speaker in range(n_speakers):
            voice = rng.normal(scale=0.3, size=D_FEATURES)
            for i in range(3):
                labels = np.repeat(rng.integers(0, len(CLASSES), 20), rng.integers(3, 9, 20))
                frames = centres[labels] + voice + rng.normal(scale=1.0, size=(len(labels), D_FEATURES))
                name = f"{split}{speaker}-{i}"
                np.save(root / split / "mfcc" / f"{name}.npy", frames.astype(np.float32))
                words = ["[SOS]", *(CLASSES[k] for k in labels), "[EOS]"]
                np.save(root / split / "transcript" / f"{name}.npy", np.array(words))
    assert set(CLASSES) <= set(PHONEMES)
    return root


def add_store(project: Path) -> None:
    """Put an empty MLflow store into a project's folder."""
    shutil.copy(_empty_store(), project / "mlflow.db")


@functools.cache
def _empty_store() -> Path:
    """A database as MLflow makes it, made once in a process."""
    folder = Path(tempfile.mkdtemp(prefix="store-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    tracking = os.environ.pop("MLFLOW_TRACKING_URI", None)
    open_store(folder)
    if tracking is not None:
        os.environ["MLFLOW_TRACKING_URI"] = tracking
    return folder / "mlflow.db"


STUDY = """\
question = "Does anything help?"
study = "small"
[data]
corpus = "corpus"
[training]
epochs = 1
batch_size = 128
learning_rate = { log = [1e-3, 1e-1] }
precision = "fp32"
[arms.ladnn]
architecture = "ladnn"
params.width = 8
[arms.ffdnn]
architecture = "ffdnn"
params.width = 16
[search]
trials = 2
epochs = 1
[comparison]
baseline = "ffdnn"
seeds = [5, 6]
"""
"""Two arms, each with two trials and two finals of a tenth of a second."""


def write_project(folder: Path, files: Mapping[str, str], *, has_store: bool = True, **sizes: int) -> Path:
    """A project's folder: a corpus, of these sizes, experiment files on it, and an empty MLflow store.

    Args:
        files: name -> text.
        has_store: without it the first command makes the store, which takes seconds.
        sizes: as those of `write_corpus`.
    """
    write_corpus(folder / "corpus", **sizes)
    if has_store:
        add_store(folder)
    for name, text in files.items():
        (folder / name).write_text(text)
    (folder / ".harness").mkdir()
    return folder
