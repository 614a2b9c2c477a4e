"""The settings of one run, resolved, as every stage of it is handed them: there is no range among them.

Plain dataclasses, so that the trainer needs no configuration library; `experiment.schema` checks a file against their
annotations. Between the file and these classes settings have one form, flat: {"data.context": 7, "params.depth": 4}.
Units: frames unless said otherwise.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Literal

from architectures import Between

LARGEST_SEED = 2**32 - 1
"""What numpy, torch and Optuna all take."""

Rows = dict[str, Any]
"""Settings on one level, in the file's words: {"data.context": 7, "training.epochs": 8, "params.depth": 4, ...}."""
Params = dict[str, Any]
"""Hyper-parameters of an architecture, by the names of its constructor."""
Normalisation = Literal["utterance", "frame", "speaker", "global", "none"]
Boundary = Literal["utterance", "stream"]
Context = Annotated[int, Between(0, 200)] | tuple[Annotated[int, Between(0, 200)], Annotated[int, Between(0, 200)]]


@dataclass(frozen=True)
class SpeakerFraction:
    """The fraction of the training speakers who are split off for validation, each with all their utterances."""

    speakers: Annotated[float, Between(above=0, below=1)]


@dataclass(frozen=True)
class Synthetic:
    """Size and seed of the default corpus. A bigger one begins with the smaller one; another seed is another corpus."""

    minutes: Annotated[float, Between(above=0, high=6000)] = 20.0
    """Speech in the training split; validation and test add a quarter each."""
    seed: Annotated[int, Between(0, LARGEST_SEED)] = 0


@dataclass(frozen=True)
class Data:
    """The data that a run sees."""

    corpus: str = "synthetic"
    """A known corpus, or a folder in the HW1P2 layout."""
    synthetic: Synthetic | None = None
    """Size of the synthetic corpus; without effect for any other."""
    train: str = "train"
    validation: str | SpeakerFraction = "validation"
    """The split used for selection, or a fraction of the training speakers."""
    test: str = "test"
    folds: Annotated[int, Between(3, 100)] | None = None
    """Cross-validation over speakers: the splits are pooled, and every speaker is tested once, in one of so many folds
    of whole speakers. Validation is the next fold, or the given fraction of the speakers outside of the fold."""
    context: Context = 7
    """Frames each side of the one that is classified, or [left, right]."""
    normalisation: Normalisation = "utterance"
    """Mean 0, variance 1: per coefficient over an utterance, a speaker, all of train; or over the coefficients of each
    frame."""
    boundary: Boundary = "utterance"
    """At an utterance's edge a window sees zeros ("utterance"), or the neighbour utterance ("stream")."""
    memory: Annotated[float, Between(0)] = 0.0
    """GB that frames may take on the device; what does not fit passes through in chunks. 0: half of its memory, on
    a GPU half of what is free when the study begins."""

    @property
    def left(self) -> int:
        return self.context if isinstance(self.context, int) else self.context[0]

    @property
    def right(self) -> int:
        return self.context if isinstance(self.context, int) else self.context[1]

    @property
    def window(self) -> int:
        """Frames that a model sees at once."""
        return self.left + 1 + self.right


@dataclass(frozen=True)
class Training:
    """The training of a run."""

    epochs: Annotated[int, Between(1)] = 8
    batch_size: Annotated[int, Between(1)] = 4096
    optimiser: Literal["adam", "adamw", "sgd"] = "adamw"
    learning_rate: Annotated[float, Between(above=0)] = 1e-3
    weight_decay: Annotated[float, Between(0)] = 0.0
    """L2 penalty for adam and sgd, decoupled for adamw."""
    momentum: Annotated[float, Between(0, below=1)] = 0.9
    """sgd only."""
    nesterov: bool = False
    """sgd only: look ahead along the momentum (Sutskever et al. 2013); momentum must not be 0."""
    schedule: Literal["constant", "step", "multi-step", "exponential", "cosine", "one-cycle", "plateau"] = "cosine"
    warmup_epochs: Annotated[float, Between(0)] = 0.0
    """Epochs, or parts of one, in which the schedule's learning rate is multiplied by a line from 0 to 1 (Goyal et al.
    2017, section 2.2); not with one-cycle, which has its own."""
    milestones: tuple[Annotated[int, Between(1)], ...] = ()
    """multi-step only: epochs after which the learning rate is multiplied by `factor`, ascending."""
    step_epochs: Annotated[int, Between(1)] = 2
    """step only: epochs between two reductions."""
    factor: Annotated[float, Between(above=0, below=1)] = 0.1
    """step, multi-step and plateau: the learning rate is multiplied by it; exponential: after each epoch."""
    plateau_epochs: Annotated[int, Between(0)] = 1
    """plateau only: epochs without a better validation loss before a reduction."""
    clip_norm: Annotated[float, Between(0)] = 1.0
    """Largest gradient norm; 0 does not clip."""
    label_smoothing: Annotated[float, Between(0, below=1)] = 0.0
    time_mask: Annotated[int, Between(0, 401)] = 0
    """Most frames that are hidden in each training window, one block of them (SpecAugment); 0 hides none."""
    frequency_mask: Annotated[int, Between(0)] = 0
    """Most coefficients that are hidden in each training window, one block of them; 0 hides none."""
    early_stopping: Annotated[int, Between(0)] = 0
    """Patience: epochs without improvement of validation accuracy that end a run; 0 turns this off."""
    keep: Literal["best", "last"] = "best"
    """The epoch that counts: best validation accuracy, or the last."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Arithmetic of the matrix products; auto takes bf16 where the hardware is faster with it."""
    deterministic: bool = False
    """On a GPU, only operations whose result does not depend on the order in which its threads finish; slower. A CPU's
    are so in any case."""


ACTS_WITH: dict[str, tuple[str, tuple[str, ...]]] = {
    "step_epochs": ("schedule", ("step",)),
    "factor": ("schedule", ("step", "multi-step", "exponential", "plateau")),
    "milestones": ("schedule", ("multi-step",)),
    "warmup_epochs": ("schedule", ("constant", "step", "multi-step", "exponential", "cosine", "plateau")),
    "plateau_epochs": ("schedule", ("plateau",)),
    "momentum": ("optimiser", ("sgd",)),
    "nesterov": ("optimiser", ("sgd",)),
}
"""Settings of `Training` that act only where another one has one of these values; given in vain they are a mistake."""


_LATER = ("deterministic", "nesterov", "warmup_epochs", "milestones")
"""Settings of `Training` that studies of earlier versions do not name."""


@dataclass(frozen=True)
class Settings:
    """The settings of one run of an arm, all of them."""

    architecture: str
    params: Params = field(default_factory=dict)
    """Hyper-parameters of the architecture; those left out keep the constructor's defaults."""
    data: Data = field(default_factory=Data)
    training: Training = field(default_factory=Training)

    def flat(self) -> Rows:
        """The settings on one level; those that came later only if they are not at their defaults, as in studies from
        before them."""
        rows = _flat(asdict(self))
        for name in _LATER:
            if not getattr(self.training, name):
                del rows[f"training.{name}"]
        return rows

    @classmethod
    def from_flat(cls, rows: Mapping[str, Any]) -> "Settings":
        """The settings that `flat` spells out; what is left out is at its default.

        Args:
            rows: with "architecture". A list stands for a tuple, as in JSON; `data.synthetic` and `data.validation` may
                be tables, or their keys stand one level deeper, as in what `flat` gives.

        Example:
            >>> own = Settings("ffdnn", {"depth": 2}, Data(synthetic=Synthetic(minutes=1.0)))
            >>> Settings.from_flat(own.flat()) == own
            True
        """
        sections: dict[str, dict[str, Any]] = {"params": {}, "data": {}, "training": {}}
        for key, value in rows.items():
            section, _, name = key.partition(".")
            if name:
                sections[section][name] = tuple(value) if isinstance(value, list) else value
        data = sections["data"]
        for name, table in (("synthetic", Synthetic), ("validation", SpeakerFraction)):
            deeper = [key for key in data if key.startswith(f"{name}.")]
            if deeper:
                data[name] = table(**{key.removeprefix(f"{name}."): data.pop(key) for key in deeper})
        return cls(rows["architecture"], sections["params"], Data(**data), Training(**sections["training"]))


def _flat(tree: dict[str, Any], prefix: str = "") -> Rows:
    rows: Rows = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            rows |= _flat(value, f"{prefix}{key}.")
        else:
            rows[f"{prefix}{key}"] = value
    return rows
