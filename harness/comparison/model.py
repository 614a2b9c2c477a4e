"""A comparison: everything that the terminal, the page and the files show of a study, and nothing that they do not.

The fields of these classes are the keys of `comparison.json`, in its order, but for those that say that they are not in
it. Keys may be added, not renamed. Fractions lie in [0, 1], differences are a - b, sizes are frames, seconds or bytes.
A number is None where it does not exist: a spread over one seed, an interval over one speaker.

Legend: S seeds, C classes, L layers, N steps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from harness.comparison.arm_model import ComparedArm, LearningTarget
from harness.comparison.claim_model import ClaimAnswer
from harness.comparison.json_form import IF_ANY, NOT_IN_JSON, Json, Keys, plain
from harness.results import Looks
from harness.statistics.intervals import Verdict as Verdict

Numbers: TypeAlias = tuple[float, float]
"""Of arm a and of arm b."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What two arms cost, a number each."""

    parameters: Numbers
    flops_per_frame: Numbers
    """Of one forward pass."""
    seconds_training: Numbers
    """Of one final."""
    trials: Numbers
    """Configurations that were tried."""
    search_frames: Numbers
    """Training frames of all trials together."""
    search_seconds: Numbers


@dataclass(frozen=True, kw_only=True)
class Disagreement:
    """Shares of test frames in [0, 1] that one arm has right and the other wrong, over all pairs of their seeds."""

    only_a_right: float
    only_b_right: float


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two arms in one measure."""

    a: str
    b: str
    metric: str
    """A name in the registry of measures."""
    difference: float
    """a - b; of shares in [-1, 1]."""
    unit_mean: float | None
    """a - b with every unit counting the same, however many frames it has; None where the measure is not about units'
    frames."""
    low: float | None
    high: float | None
    """Ends of the interval of the difference."""
    level: float
    """Of the interval, in (0, 1)."""
    margin: float
    """Differences up to this size are held for none; 0 if every difference counts."""
    unit: str
    """What was resampled: speaker or utterance."""
    units: int
    seeds: tuple[int, int]
    """How many a has, and b."""
    searches: tuple[int, int]
    """How many independent searches a has, and b; 0 where nothing was searched. Of one search or none, the interval is
    over seeds, and about the two configurations; of several, it is over searches with their seeds."""
    are_paired: bool
    """Whether the searches of both are paired, because they had the same ranges."""
    naive_se: float | None
    """The standard error if every frame were independent; None where the measure is not about frames."""
    clustered_se: float | None
    """That over units alone."""
    se_ratio: float | None
    """The clustered over the naive one."""
    se: float | None
    """That of the interval: over units and seeds or searches."""
    draws_se: float | None
    """That over seeds, or searches, alone."""
    seeds_se: float | None
    """What of it the seeds within searches make; None where the two cannot be told apart, or nothing was searched."""
    effective_units: float | None
    """Kish's effective number of units: what the units are worth, given how unequal their frames are."""
    freedom: float | None
    """Degrees of freedom of the interval."""
    p: float | None
    """Of no difference, two-sided, in [0, 1]."""
    probability_a_better: float | None
    """For a new unit and new seeds, in [0, 1]."""
    verdict: str
    """In words, such as "ladnn better"; in accuracy that of the family."""
    sentence: str
    """Who is better, by how much, within what interval; in accuracy the simultaneous one."""
    p_corrected: float | None
    """p corrected for the number of pairs in this measure (Benjamini and Hochberg)."""
    p_family: float | None
    """p corrected by Holm's procedure for the pairs in accuracy that are judged together; None in other measures, and
    of a pair that was not planned."""
    low_simultaneous: float | None
    high_simultaneous: float | None
    """Ends of the interval that holds for the whole family at once, and agrees with the verdict; None as `p_family`."""
    is_planned: bool
    """Whether the pair is one of those that the file names (`comparison.pairs`), or it names none."""
    cost: Cost
    disagreement: Disagreement | None = field(default=None, metadata=IF_ANY)
    """None where the frames' predictions were not kept."""
    outcome: Verdict = field(metadata=NOT_IN_JSON)
    """The verdict as a value. Not in the JSON."""
    better: str | None = field(metadata=NOT_IN_JSON)
    """The arm that is better; None unless the outcome is `Verdict.BETTER`. Not in the JSON."""
    alone: tuple[Verdict, str | None] = field(metadata=NOT_IN_JSON)
    """Outcome and better arm by `low` and `high`, as if this were the only pair. Not in the JSON."""

    @property
    def ends(self) -> tuple[float | None, float | None]:
        """Of the interval that the verdict goes by."""
        return (self.low, self.high) if self.p_family is None else (self.low_simultaneous, self.high_simultaneous)


@dataclass(frozen=True, kw_only=True)
class OtherDifference:
    """Two arms in a measure that is no share of frames, and is not judged: log-loss (nats), or calibration error."""

    a: str
    b: str
    metric: str
    """log_loss or calibration_error."""
    difference: float
    """a - b."""
    low: float | None
    high: float | None
    """Ends of its interval."""
    level: float
    """Of the interval, in (0, 1)."""
    se: float | None
    freedom: float | None
    """Degrees of freedom."""


@dataclass(frozen=True, kw_only=True)
class SweepPoint:
    """A cell of a sweep: an arm at one value."""

    value: Json
    """Of the swept key."""
    arm: str
    """The cell's name."""
    state: str
    """complete or failed."""
    failure: str | None
    """Why it failed."""
    numbers: ComparedArm | None = field(
        default=None,
        metadata=Keys("test", "parameters", "flops_per_frame", "seconds_training", "search_frames", "chosen").metadata,
    )
    """What the cell reached; None if it failed. In the JSON some of its keys stand in the point itself."""
    pair: Pair | None = field(
        default=None,
        metadata=Keys("difference", "low", "high", "p", "p_corrected", "probability_a_better", "verdict").metadata,
    )
    """The cell less the baseline's at the same value, in accuracy; None without such. In the JSON like `numbers`."""


@dataclass(frozen=True, kw_only=True)
class SweepCurve:
    """An arm at all values of a sweep."""

    arm: str
    is_baseline: bool
    points: tuple[SweepPoint, ...]
    """In the order of the values."""


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """Every arm at every value of one setting."""

    key: str
    """The setting, params.depth say."""
    values: tuple[Json, ...]
    curves: tuple[SweepCurve, ...]


@dataclass(frozen=True, kw_only=True)
class PhonemeDifference:
    """Two arms in the F1 of one phoneme, pooled over seeds."""

    phoneme: str
    f1_a: float
    f1_b: float
    difference: float
    low: float | None
    high: float | None
    """Ends of its interval alone, in [-1, 1]."""
    low_corrected: float | None
    high_corrected: float | None
    """The same, corrected for the number of phonemes that survive."""
    p: float | None
    p_corrected: float | None
    survives: bool
    """Whether the difference remains after the correction for their number."""


@dataclass(frozen=True, kw_only=True)
class PhonemeDifferences:
    """An arm against the baseline, phoneme by phoneme: those that survive first, then by size."""

    a: str
    b: str
    metric: str
    level: float
    """Of the intervals, in (0, 1)."""
    level_corrected: float | None
    phonemes: tuple[PhonemeDifference, ...]


@dataclass(frozen=True, kw_only=True)
class ConfusionDifference:
    """Two arms in how often one phoneme is taken for another."""

    true: str
    predicted: str
    rate_a: float
    rate_b: float
    """Shares of the true phoneme's frames, in [0, 1]."""
    difference: float
    p: float
    p_corrected: float


@dataclass(frozen=True, kw_only=True)
class ConfusionDifferences:
    """An arm against the baseline, confusion by confusion: those that survive the correction, the largest first."""

    a: str
    b: str
    tested: int
    """How many confusions were."""
    surviving: tuple[ConfusionDifference, ...]


@dataclass(frozen=True, kw_only=True)
class Check:
    """A finding about the study itself."""

    code: str
    """H001 and so on; `docs/checks.md` explains each."""
    severity: str
    """warning: it may change the verdict; or note."""
    sentence: str
    advice: str
    """What to do."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A whole study, compared."""

    study: str
    question: str
    corpus: Mapping[str, Json]
    """name, digest, splits {train, validation, test: {utterances, speakers, frames}}; of earlier versions, fewer."""
    baseline: str | None
    """The arm that the others are compared with."""
    unit: str
    """What was resampled: speaker or utterance."""
    units: int
    level: float
    """Of the intervals, in (0, 1)."""
    margin: float
    """Differences up to this size are held for none."""
    method: str
    """How the intervals were made, in words."""
    calibration_method: str
    resamples: int
    verdicts: tuple[str, ...]
    """The sentences of the pairs in accuracy."""
    notes: tuple[str, ...]
    """What a reader must know."""
    phonemes: tuple[str, ...]
    """(C,)"""
    broad: Mapping[str, str]
    """Phoneme -> its broad class, of those that have one."""
    learning_targets: tuple[LearningTarget, ...]
    arms: tuple[ComparedArm, ...]
    """Those with finals, in the file's order."""
    pairs: tuple[Pair, ...]
    """Every two arms in every measure; the baseline's first, with it as b."""
    sweep: Sweep | None
    claims: tuple[ClaimAnswer, ...]
    phoneme_differences: tuple[PhonemeDifferences, ...]
    confusion_differences: tuple[ConfusionDifferences, ...]
    experiment: str
    """The experiment file's text."""
    provenance: Mapping[str, Json]
    """commit, dirty, device, precision, versions, command, started, seconds ..."""
    other_differences: tuple[OtherDifference, ...]
    """Every two arms in log-loss, and in calibration error where the frames' predictions were kept."""
    checks: tuple[Check, ...]
    """Findings about the study itself, but for those that the file mutes."""
    muted: tuple[str, ...]
    """Codes of the checks that the file mutes."""
    seconds_are_comparable: bool = field(metadata=NOT_IN_JSON)
    """Whether equal work took equal times, so that ratios of seconds say something. Not in the JSON."""
    folds: int | None
    """Of a cross-validation over speakers; None without."""
    looks: Looks
    """How often these results, or fewer of them, were compared."""
    planned_level: float
    """That of the file, which is shared by all looks."""
    studies: tuple[str, ...] = field(metadata=NOT_IN_JSON)
    """The names of the studies, or runs, whose arms these are: one, or several that were joined. Not in the JSON."""

    @property
    def n_searches(self) -> int:
        """Independent searches of each arm, of the arm with the fewest; 0 where some arm was not searched."""
        return min((len(arm.searches) or (1 if arm.search else 0) for arm in self.arms), default=0)

    @property
    def draw(self) -> str:
        """What the interval is over beside units: seed; search; or "search and seed", which one final each confuses."""
        if self.n_searches < 2:
            return "seed"
        return "search" if any(len(own.finals) > 1 for arm in self.arms for own in arm.searches) else "search and seed"

    @property
    def corpus_name(self) -> str:
        return str(self.corpus.get("name"))

    @property
    def splits(self) -> dict[str, dict[str, int]]:
        """Split -> {utterances, speakers, frames}, as far as they are known."""
        splits = self.corpus.get("splits", {})
        assert isinstance(splits, dict)
        return {
            name: {key: n for key, n in sizes.items() if isinstance(n, int)}
            for name, sizes in splits.items()
            if isinstance(sizes, dict)
        }

    def arm(self, name: str) -> ComparedArm:
        """The arm of a name."""
        return next(arm for arm in self.arms if arm.arm == name)

    def pairs_in(self, metric: str) -> Sequence[Pair]:
        """Every two arms in one measure."""
        return [pair for pair in self.pairs if pair.metric == metric]


def to_json(comparison: Comparison) -> dict[str, Json]:
    """The contract of `comparison.json`: its keys in its order; what is not a finite number is null."""
    form = plain(comparison)
    assert isinstance(form, dict)
    return form
