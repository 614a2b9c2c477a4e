"""Input of a trained model: a split of a corpus or sound files, as a part that is made like its own corpus."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.corpora import corpus, features, layout, mfcc, recordings
from harness.corpora.features import Features
from harness.corpora.store import Part
from harness.errors import UserError
from harness.files import Report, count_of
from harness.prediction.model import TrainedModel
from harness.settings import Data, Synthetic


@dataclass(frozen=True)
class Input:
    """A part that fits the model, and where its frames lie in time."""

    name: str
    """For people: the folder and split, or the file."""
    part: Part
    seconds: np.ndarray
    """(U,) how long each utterance is."""
    rate: int
    """Hz, of the sound that the frames are from."""
    notes: tuple[str, ...] = ()
    """Notes for readers of the labels."""

    def edges(self, utterance: int) -> np.ndarray:
        """Times (T + 1,) in seconds at which its frames begin and end: midway between the centres of neighbours."""
        return mfcc.edges(int(self.part.lengths[utterance]), self.rate, float(self.seconds[utterance]))


def read(data: str, split: str | None, trained: TrainedModel, cache: Path, progress: Report | None = None) -> Input:
    """Read what is to be labelled.

    Args:
        data: a corpus (a folder in the HW1P2 layout, or "synthetic": the one the model was trained on), a sound file,
            or a folder of sound files.
        split: of a corpus; may be None where it has one.

    Raises:
        UserError: it is not there, is refused, or its frames are not made like those of the model's corpus.
    """
    path = Path(data).expanduser()
    sounds = recordings.files(path) if data != "synthetic" and not layout.splits(path) else []
    if sounds:
        if split is not None:
            raise UserError(f"--split {split}: {data} is sound, not a corpus; leave it out")
        return _sound(data, sounds, trained, progress)
    return _corpus(data, split, trained, cache, progress)


def _sound(data: str, sounds: list[Path], trained: TrainedModel, progress: Report | None) -> Input:
    own = trained.features()
    if own is None:
        corpus = trained.result.settings["data.corpus"]
        raise UserError(
            f"{data}: sound, and how the frames of the model's corpus ({corpus}) were made is not known. If you know, "
            f"say it in {Path(corpus) / features.FILE} (docs/data.md); else give a corpus of such frames"
        )
    part, seconds = recordings.load(sounds, own, count_of(progress, "listening"))
    return Input(data, part, seconds, own.rate)


def _corpus(data: str, split: str | None, trained: TrainedModel, cache: Path, progress: Report | None) -> Input:
    root = corpus.folder_of(_data_of(data, trained), cache, progress)
    if root.is_file():
        raise UserError(f"{data}: neither a corpus nor sound; {_kinds()}")
    if not root.is_dir():
        raise UserError(f"{data}: no such file or folder; {_kinds()}")
    splits = layout.splits(root)
    if split is None:
        if len(splits) > 1:
            raise UserError(f"{data}: which split? Give one with --split: {', '.join(splits)}")
        if not splits:
            raise UserError(f"{data}: no folder SPLIT/mfcc in it, and no sound; {_kinds()}")
        split = splits[0]
    part = corpus.load_splits(root, [split], cache, progress)[split]
    notes = _check(f"{data}, {split}", part, trained)
    own_features = part.features or trained.features() or Features()
    seconds = (
        mfcc.starts(int(part.lengths.max()), own_features.rate)[part.lengths - 1] + mfcc.frame_length(own_features.rate)
    ) / own_features.rate
    return Input(f"{data}, {split}", part, seconds, own_features.rate, notes)


def _data_of(data: str, trained: TrainedModel) -> Data:
    """The data of a name; "synthetic" is what the model was trained on, if it was trained on such a corpus."""
    settings = trained.result.settings
    if data != "synthetic" or settings["data.corpus"] != "synthetic":
        return Data(corpus=data)
    size = {name: settings[f"data.synthetic.{name}"] for name in ("minutes", "seed")}
    return Data(corpus=data, synthetic=Synthetic(**size))


def _check(name: str, part: Part, trained: TrainedModel) -> tuple[str, ...]:
    """Refuse what does not fit the model; gives what could not be checked."""
    saved, own = trained.saved, trained.features()
    if part.d_features != saved.d_features:
        raise UserError(f"{name}: frames of {part.d_features} features; the model was trained on {saved.d_features}")
    if own and part.features and own != part.features:
        differences = ", ".join(part.features.differences(own))
        raise UserError(f"{name}: its feature settings differ from those of the model's training data: {differences}")
    if part.labels is not None and part.phonemes != saved.phonemes:
        raise UserError(
            f"{name}: its labels are of {len(part.phonemes)} classes ({' '.join(part.phonemes[:5])} ...), the model's "
            f"of {len(saved.phonemes)} ({' '.join(saved.phonemes[:5])} ...); without transcript/ it can be labelled"
        )
    if part.features and own:
        return ()
    silent = [who for who, facts in ((name, part.features), ("the model's corpus", own)) if not facts]
    return (f"the feature settings are not stated by {' and '.join(silent)}; they are assumed to be the same",)


def _kinds() -> str:
    return "allowed: a corpus FOLDER/SPLIT/mfcc/NAME.npy, 'synthetic', a sound file, a folder of sound files"
