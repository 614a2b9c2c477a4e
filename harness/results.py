"""What a run gives back (the waist): sufficient data, so that a new question needs no new training. No torch here.

Legend: U utterances, C classes, F frames. Counts are integers with rows true and columns predicted.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from harness import checksums
from harness.errors import Damaged
from harness.files import UNREADABLE, replacing, write_text


@dataclass(frozen=True)
class Epoch:
    """One line of a learning curve. Losses are mean cross-entropy in nats; accuracies lie in [0, 1]."""

    epoch: int
    """From 1."""
    train_loss: float
    """While training: with dropout and label smoothing."""
    train_accuracy: float
    validation_loss: float
    """Without label smoothing."""
    validation_accuracy: float
    learning_rate: float
    """At the epoch's end."""
    frames: int
    """Training frames seen since the start."""
    seconds: float
    """Of this epoch, evaluation included."""


@dataclass(frozen=True)
class Scores:
    """A model's work on one split."""

    split: str
    utterances: tuple[str, ...]
    """(U,) names."""
    speakers: tuple[str, ...]
    """(U,) the speaker of each utterance."""
    counts: np.ndarray
    """(U, C, C) int32."""
    log_loss: np.ndarray
    """(U,) float64, summed over the utterance's frames, nats."""
    predicted: np.ndarray | None = None
    """(F,) uint8 class per frame, utterances one after the other; kept for the test split of finals."""
    probability: np.ndarray | None = None
    """(F,) float16 posterior of the predicted class."""
    truth: np.ndarray | None = None
    """(F,) uint8 labels."""

    @property
    def confusion(self) -> np.ndarray:
        """(C, C) int64, over all utterances."""
        total: np.ndarray = self.counts.sum(axis=0, dtype=np.int64)
        return total

    @property
    def lengths(self) -> np.ndarray:
        """(U,) int64 frames of each utterance."""
        frames: np.ndarray = self.counts.sum(axis=(1, 2), dtype=np.int64)
        return frames

    @property
    def accuracy(self) -> float:
        return float(np.trace(self.confusion) / self.confusion.sum())


@dataclass(frozen=True)
class Layers:
    """What went on in a model's layers while it was trained, at N steps: all on the same few frames."""

    names: tuple[str, ...]
    """(L,) in the order in which the model uses them."""
    steps: np.ndarray
    """(N,) int64, updates made before; the first is 0."""
    gradient: np.ndarray
    """(N, L) float32, norm of the gradient of all weights of a layer."""
    scale: np.ndarray
    """(N, L) float32, root mean square of a layer's output."""
    path_ratio: np.ndarray
    """(N, L) float32, norm of the linear over that of the non-linear part of a layer's output; NaN where it is no sum
    of such."""

    @property
    def first_to_last(self) -> np.ndarray:
        """(N,) the first layer's gradient norm over the last's; 0 where none arrives, NaN where there is none."""
        gradient = self.gradient.astype(float)
        first, last = gradient[:, 0], gradient[:, -1]
        ratio: np.ndarray = np.divide(first, last, out=np.full(len(gradient), np.nan), where=last > 0)
        return ratio


@dataclass(frozen=True)
class RunResult:
    """One training with one seed: a trial or a final."""

    arm: str
    architecture: str
    stage: str
    """search or final."""
    trial: int | None
    """The trial's number, None for a final."""
    seed: int
    settings: dict[str, Any]
    """Resolved, flat: `Settings.flat()`."""
    parameters: int
    flops_per_frame: int
    """Of one forward pass."""
    phonemes: tuple[str, ...]
    """(C,) names of the classes, in the order of the counts."""
    history: tuple[Epoch, ...]
    best_epoch: int
    """The epoch that was kept, from 1."""
    validation: Scores
    test: Scores | None
    seconds: float
    """Of training, evaluation of validation included."""
    frames_per_second: float
    """Training frames."""
    peak_bytes: int
    state: str = "complete"
    """complete or pruned."""
    provenance: dict[str, Any] = field(default_factory=dict)
    """device, precision, torch, threads, at_once, commit, dirty, versions, corpus digest, host, started."""
    layers: Layers | None = None
    """Of a final; None where the result is of an earlier version."""
    search: int = 1
    """The number of the arm's search that a trial belongs to, or that a final's configuration was found by."""

    def save(self, folder: Path) -> None:
        """Write `result.json` and `arrays.npz` into a folder; the JSON comes last and marks the result as whole."""
        folder.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, np.ndarray] = {}
        fields = {k: v for k, v in vars(self).items() if k not in ("validation", "test", "history", "layers")}
        fields["history"] = [asdict(e) for e in self.history]
        for part, scores in (("validation", self.validation), ("test", self.test)):
            if scores is None:
                fields[part] = None
                continue
            fields[part] = {"split": scores.split, "utterances": scores.utterances, "speakers": scores.speakers}
            for name in ("counts", "log_loss", "predicted", "probability", "truth"):
                if getattr(scores, name) is not None:
                    arrays[f"{part}.{name}"] = getattr(scores, name)
        if self.layers:
            fields["layers"] = self.layers.names
            arrays |= {f"layers.{name}": getattr(self.layers, name) for name in _LAYERS}
        with replacing(folder / "arrays.npz") as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)
        fields["arrays"] = checksums.of_file(folder / "arrays.npz")
        write_text(folder / "result.json", checksums.seal(fields))

    @staticmethod
    def load(folder: Path) -> "RunResult":
        """Read what `save` wrote. Executes nothing from the files.

        Raises:
            FileNotFoundError: the result is not there, or was not written whole.
            Damaged: one of its files is not what was written.
        """
        fields = checksums.unseal(folder / "result.json")
        checksums.check_file(folder / "arrays.npz", fields.pop("arrays", None))
        try:
            with np.load(folder / "arrays.npz", allow_pickle=False) as arrays:
                loaded = {name: arrays[name] for name in arrays.files}
        except UNREADABLE as error:
            raise Damaged(folder / "arrays.npz", str(error)) from None
        try:
            return _from_fields(fields, loaded)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Damaged(folder / "result.json", f"{type(error).__name__}: {error}") from None


def _from_fields(fields: dict[str, Any], loaded: dict[str, np.ndarray]) -> RunResult:
    for part in ("validation", "test"):
        if fields[part] is not None:
            scores = fields[part]
            own = {k.partition(".")[2]: v for k, v in loaded.items() if k.startswith(f"{part}.")}
            fields[part] = Scores(scores["split"], tuple(scores["utterances"]), tuple(scores["speakers"]), **own)
    if fields.get("layers"):
        fields["layers"] = Layers(tuple(fields["layers"]), *(loaded[f"layers.{name}"] for name in _LAYERS))
    fields["history"] = tuple(Epoch(**e) for e in fields["history"])
    fields["phonemes"] = tuple(fields["phonemes"])
    return RunResult(**fields)


_LAYERS = ("steps", "gradient", "scale", "path_ratio")


@dataclass(frozen=True)
class Trial:
    """One line of a study's history."""

    number: int
    state: str
    """complete, pruned or failed."""
    value: float | None
    """Validation accuracy of the kept epoch, in [0, 1]; None if the trial failed."""
    settings: dict[str, Any]
    """The searched settings only, flat: {"params.depth": 4}."""
    frames: int
    """Training frames spent."""
    seconds: float
    curve: tuple[float, ...] = ()
    """Validation accuracy per epoch."""
    rung: int = 1
    """The stage of the search, from 1: later ones have fewer trials and more frames each."""
    origin: int | None = None
    """The trial of the rung before that has the same settings; None in the first."""


@dataclass(frozen=True)
class SearchRecord:
    """One of an arm's independent searches."""

    seed: int
    """Of the sampler, and of its trials."""
    chosen: dict[str, Any]
    """The searched settings at their chosen values, flat; empty where no trial was completed."""
    trials: tuple[Trial, ...]


@dataclass(frozen=True)
class ArmRecord:
    """Everything known of one arm of a study."""

    arm: str
    architecture: str
    chosen: dict[str, Any]
    """The searched settings at their chosen values, flat; of several searches the first's, as trials, importances."""
    finals: tuple[RunResult, ...]
    """One per seed of the comparison; the same utterances in the same order in all."""
    trials: tuple[Trial, ...] = ()
    importances: dict[str, float] = field(default_factory=dict)
    """Importance of each searched setting for the validation score (PED-ANOVA); sums to 1."""
    failure: str = ""
    """Why a cell of a sweep has no finals; "" if it has."""
    searches: tuple[SearchRecord, ...] = ()
    """All of its searches, in order; empty where nothing was searched, or in records of earlier versions."""
    ranges: dict[str, str] = field(default_factory=dict)
    """What was searched, as text: two arms with the same ranges have draws in common."""

    @property
    def all_trials(self) -> tuple[Trial, ...]:
        """Those of all searches, one search after the other."""
        return tuple(trial for search in self.searches for trial in search.trials) if self.searches else self.trials


@dataclass(frozen=True)
class Looks:
    """How often the finals of a growing study were compared."""

    number: int = 1
    """Of this comparison among them, from 1. Other arms, or the same results read otherwise, are no further look."""
    planned: int = 1
    """As the file said at the first."""
    pairs: int = 0
    """The most pairs that the verdicts of one of them were about."""
    late: tuple[str, ...] = ()
    """What was changed in how results are read once they had been seen: `margin: 0.005 -> 0.01`."""


@dataclass(frozen=True)
class StudyRecord:
    """A whole study, as tracking gives it back: all that a report needs."""

    study: str
    question: str
    baseline: str | None
    """The arm that the others are compared with; None with a single arm."""
    unit: str
    """What is resampled: speaker or utterance."""
    level: float
    """Of the intervals, 0.95 say."""
    corpus: dict[str, Any]
    """name, digest, splits {train, validation, test: {utterances, speakers, frames}}."""
    experiment: str
    """The experiment file's text."""
    arms: Sequence[ArmRecord]
    resamples: int = 2000
    """Of the bootstrap."""
    margin: float = 0.0
    """Accuracy in [0, 1): arms whose difference surely lies within it are practically equal; 0 calls none so."""
    random_trials: int | None = None
    """How many of an arm's first trials were drawn at random; None where the record is too old to say."""
    claims: Sequence[dict[str, Any]] = ()
    """As `claims.as_dict` gives them; `is_late` is true of one that was stated once the study was finished."""
    notes: tuple[str, ...] = ()
    """What a reader must know, e.g. that validation and test are the same split."""
    provenance: dict[str, Any] = field(default_factory=dict)
    """commit, dirty, device, precision, versions, corpus digest, command, started, seconds."""
    sweep: dict[str, Any] | None = None
    """key (params.depth), values [...], cells {arm: {base, value}}: what each arm of a sweep stands for."""

    pairs: Sequence[Sequence[str]] = ()
    """The pairs of arms that the verdicts are about, as planned; all of them if there are none."""
    other_readers: tuple[str, ...] = ()
    """Names of the other studies in the same store whose finals were scored on the same test split, archived ones too;
    found when the record is read, and not kept with it."""
    mute: Sequence[str] = ()
    """Codes of the checks that are not shown."""
    folds: dict[str, Any] | None = None
    """Of a cross-validation: n, test_to_train (frames), cells {arm: {base, fold}}; see `comparison.folds`."""

    looks: Looks = Looks()
    """How often its results, or fewer of them, were compared."""

    studies: tuple[str, ...] = ()
    """The names of the studies, or runs, that were joined into this record; empty if it is one alone."""

    @property
    def test_digest(self) -> str:
        """The digest of the test split; of folds that of all splits together."""
        return digest_of_test(str(self.corpus.get("digest", "")), bool(self.folds))

    def base_of(self, arm: str) -> str:
        """The arm of the file: in a sweep what this one is a cell of, else itself."""
        base: str = self.sweep["cells"][arm]["base"] if self.sweep else arm
        return base

    def compared_with(self, arm: str) -> str | None:
        """The arm that this one is compared with: the baseline, in a sweep at the same value; None if there is none."""
        if self.sweep is None:
            return self.baseline
        cells = self.sweep["cells"]
        mine = {"base": self.baseline, "value": cells[arm]["value"]}
        return next((name for name, cell in cells.items() if cell == mine), None)


def digest_of_test(corpus: str, in_folds: bool) -> str:
    """The part of a corpus's digest that is its test split's; with folds, which test on all of it, the whole digest."""
    return corpus if in_folds else corpus.rpartition("-")[2]
