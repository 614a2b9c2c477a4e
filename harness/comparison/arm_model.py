"""An arm as a comparison has it: what it reached, for whom and where, what it cost and how it learnt.

The fields are the keys of an entry of `arms` in `comparison.json`; see `harness.comparison.model`.

Legend: S seeds, C classes, L layers, N steps.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.comparison.json_form import IF_ANY, NOT_IN_JSON, Json
from harness.results import Epoch, Trial
from harness.statistics.frame_measures import ReliabilityBin
from harness.statistics.metrics import BroadClassScores, FrequentError, PhonemeScores, Spread


@dataclass(frozen=True, kw_only=True)
class PhonemeRow(PhonemeScores):
    """A phoneme of an arm: its scores from the pooled counts of all seeds, and how its F1 spreads over them."""

    f1_over_seeds: Spread


@dataclass(frozen=True, kw_only=True)
class SpeakerRow:
    """A speaker of the test split."""

    speaker: str
    frames: int
    accuracy: Spread


@dataclass(frozen=True, kw_only=True)
class ConfusionMatrix:
    """Counts of frames, pooled over seeds."""

    labels: tuple[str, ...]
    """(C,) phonemes."""
    counts: tuple[tuple[int, ...], ...]
    """(C, C) rows true, columns predicted."""


@dataclass(frozen=True, kw_only=True)
class BoundaryRow:
    """The frames at some distance from the nearest change of label."""

    distance: str
    """In frames: 0, 1, 2, 3-5 or >5."""
    frames: int
    accuracy: Spread


@dataclass(frozen=True, kw_only=True)
class SegmentErrors:
    """What it takes to turn the predicted segments into the true ones, in shares of the true ones (0 or more)."""

    true: int
    """True segments of the test split."""
    substitutions: Spread
    deletions: Spread
    insertions: Spread


@dataclass(frozen=True, kw_only=True)
class LearningCurve:
    """The epochs of one final."""

    seed: int
    best_epoch: int
    """The epoch that was kept, from 1."""
    epochs: tuple[Epoch, ...]


@dataclass(frozen=True, kw_only=True)
class LayerCurves:
    """What went on in the layers of one final, four digits; NaN where there is none (null in the JSON)."""

    seed: int
    names: tuple[str, ...]
    """(L,) in the order in which the model uses them."""
    steps: tuple[int, ...]
    """(N,) updates made before."""
    gradient: tuple[tuple[float, ...], ...]
    """(N, L) norm of the gradient of a layer's weights."""
    scale: tuple[tuple[float, ...], ...]
    """(N, L) root mean square of a layer's output."""
    path_ratio: tuple[tuple[float, ...], ...]
    """(N, L) norm of the linear over that of the non-linear part of a layer's output."""


@dataclass(frozen=True, kw_only=True)
class LearningTarget:
    """A validation accuracy at which the speed of learning is measured."""

    accuracy: float
    epochs: int | None
    """After so many it was reached; None: at the epoch that was kept."""


@dataclass(frozen=True, kw_only=True)
class Amount:
    """Frames or seconds over an arm's seeds; None where a target was not reached."""

    median: float | None
    """With "not reached" above every number."""
    per_seed: tuple[float | None, ...]
    """(S,)"""


@dataclass(frozen=True, kw_only=True)
class LearningSpeed:
    """How long an arm trained until a validation accuracy."""

    accuracy: float
    reached: int
    """How many seeds reached it."""
    frames: Amount
    """Training frames."""
    seconds: Amount


@dataclass(frozen=True, kw_only=True)
class BestOfTrials:
    """What the best of some random trials scores: validation accuracy, in [0, 1]."""

    trials: int
    expected: float
    """Its mean."""
    median: float | None
    low: float | None
    high: float | None
    """The median lies between them, for all numbers of trials together, with the study's level; None: no bound."""


@dataclass(frozen=True, kw_only=True)
class TuningEffort:
    """What a search of so many trials is expected to find."""

    random_trials: int
    """Trials that were drawn at random: only they count here."""
    frames_per_trial: float | None
    """Mean training frames; None without trials."""
    curve: tuple[BestOfTrials, ...]
    """From 1 trial to all."""


@dataclass(frozen=True, kw_only=True)
class RungSpending:
    """What the trials of one rung of the search took."""

    rung: int
    """From 1."""
    trials: int
    frames: int
    """Training frames."""
    seconds: float
    best: float | None
    """Validation accuracy; None where no trial was completed."""


@dataclass(frozen=True, kw_only=True)
class SearchFinal:
    """A final of one search."""

    seed: int
    accuracy: float
    """On test, in [0, 1]."""


@dataclass(frozen=True, kw_only=True)
class SearchOutcome:
    """One of an arm's independent searches, and what its configuration reached."""

    seed: int
    """Of the sampler."""
    settings: Mapping[str, Json]
    """Of the configuration that it chose, resolved, flat."""
    chosen: Mapping[str, Json]
    """The searched settings at their chosen values, flat."""
    parameters: int
    trials: tuple[Trial, ...]
    finals: tuple[SearchFinal, ...]


@dataclass(frozen=True, kw_only=True)
class ComparedArm:
    """An arm with finished finals."""

    arm: str
    architecture: str
    settings: Mapping[str, Json]
    """Of the first final, resolved, flat."""
    chosen: Mapping[str, Json]
    """The searched settings at their chosen values, flat; those of the first search."""
    parameters: int
    """Of the first search's configuration, as `flops_per_frame`."""
    flops_per_frame: int
    """Of one forward pass."""
    mean_parameters: float
    """Over all finals, whose searches may have chosen different sizes."""
    mean_flops_per_frame: float
    searches: tuple[SearchOutcome, ...]
    """Empty where nothing was searched, or where the study is of an earlier version."""
    trials: int
    """Configurations that were tried, by all searches."""
    search_frames: int
    """Training frames of all trials of all searches."""
    search_seconds: float
    seeds: tuple[int, ...]
    """(S,)"""
    test: Mapping[str, Spread]
    """Measure -> its values; names as in the registry of measures."""
    validation: Mapping[str, Spread]
    """accuracy alone."""
    seconds_training: float
    """Of one final, the mean."""
    frames_per_second: float
    """Training frames, the mean."""
    peak_bytes: int
    """The largest of all finals."""
    phonemes: tuple[PhonemeRow, ...]
    """(C,)"""
    broad_classes: tuple[BroadClassScores, ...]
    """Those that occur; none where no phoneme is known."""
    confusion: ConfusionMatrix
    top_confusions: tuple[FrequentError, ...]
    """The most frequent errors first."""
    speakers: tuple[SpeakerRow, ...]
    """The worst first."""
    worst_speaker: SpeakerRow
    calibration: tuple[ReliabilityBin, ...] | None = field(default=None, metadata=IF_ANY)
    """None where the frames' predictions were not kept, as the next three."""
    calibration_floor: float | None = field(default=None, metadata=IF_ANY)
    """What the calibration error of a perfectly calibrated model would be, with as many frames."""
    boundaries: tuple[BoundaryRow, ...] | None = field(default=None, metadata=IF_ANY)
    segments: SegmentErrors | None = field(default=None, metadata=IF_ANY)
    history: tuple[LearningCurve, ...]
    """(S,)"""
    layers: tuple[LayerCurves, ...]
    """Of the finals that kept them."""
    learning_speed: tuple[LearningSpeed, ...]
    """One for each of the comparison's learning targets."""
    search: tuple[Trial, ...]
    """The trials of the first search."""
    effort: TuningEffort
    rungs: tuple[RungSpending, ...]
    importances: Mapping[str, float]
    """Importance of each searched setting for the validation score (PED-ANOVA); sums to 1."""
    base: str = field(metadata=NOT_IN_JSON)
    """The arm of the file: in a sweep what this is a cell of, else itself. Not in the JSON."""
