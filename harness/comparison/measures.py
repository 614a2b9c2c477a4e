"""The table in the middle: what every arm reached with every seed for every unit, in every measure.

A study's record is measured once, and its units are resampled once. Intervals, pairs, phonemes, confusions, claims and
the numbers of an arm all read from this table.

Legend: S seeds, U utterances, G units, C classes, F frames.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from harness.comparison.folds import folds_of_units
from harness.comparison.frames import FROM_FRAMES, FrameResults, SeedValues, Shares, frame_results
from harness.errors import UserError
from harness.results import ArmRecord, Scores, StudyRecord
from harness.statistics import intervals
from harness.statistics.draws import PooledVariance, pooled_variance
from harness.statistics.folds import Folds
from harness.statistics.intervals import Difference
from harness.statistics.metrics import Metric, OfCounts, accuracy
from harness.statistics.registry import LOG_LOSS, METRICS
from harness.statistics.tallies import Resampled, Tally, draw_units, resample_with


@dataclass(frozen=True)
class ArmCounts:
    """The confusion counts of an arm's finals on test."""

    of_utterances: Sequence[np.ndarray]
    """For each seed (U, C, C)."""
    kinds: Sequence[np.ndarray]
    """For each seed (F,) true * C + predicted of each frame; of finals that kept none, in the order of the counts."""
    confusions: np.ndarray
    """(S, C, C) int64, over all utterances."""
    speakers: Tally
    """Summed over each speaker, in the order of their names."""
    units: Resampled
    """Summed over each unit, with its resamples."""


@dataclass(frozen=True)
class ComparedMeasure:
    """A measure that arms are compared by."""

    metric: Metric
    function: OfCounts
    """What gives it from the tallies."""
    arms: Mapping[str, Resampled]
    """Arm -> numerators and denominators of each seed and unit, or the counts of each class where it needs them."""
    frames: np.ndarray | None
    """(F,) bool, which frames it is about; None where it is not about frames."""

    @cached_property
    def of_all(self) -> PooledVariance | None:
        """The variance of a draw over all arms."""
        return pooled_variance([arm.tally for arm in self.arms.values()], self.function)

    @property
    def of_seeds(self) -> dict[str, Sequence[float]]:
        """Arm -> (S,) over all units."""
        return {
            arm: self.function(total.correct, total.predicted, total.true)[:, 0].tolist()
            for arm, total in ((arm, own.tally.total) for arm, own in self.arms.items())
        }


@dataclass(frozen=True)
class MeasureTable:
    """Arms x seeds x units x measures."""

    level: float
    """Of the intervals, in (0, 1)."""
    phonemes: tuple[str, ...]
    """(C,)"""
    speakers: tuple[str, ...]
    """(U,) the speaker of each utterance."""
    units: tuple[str, ...]
    """(U,) what is resampled as a whole: the speaker of each utterance, or itself."""
    counts: Mapping[str, ArmCounts]
    """Arm -> its counts, in the file's order."""
    measures: Mapping[str, ComparedMeasure]
    """Name -> measure, in the order of the registry."""
    of_seeds: Mapping[str, Mapping[str, Sequence[float]]]
    """Arm -> measure -> (S,), all measures that there are, in the order of the registry."""
    frames: FrameResults | None
    """None where finals did not keep their frames."""
    folds: Folds | None
    """In which each unit was tested; None without cross-validation."""
    _differences: dict[tuple[str, tuple[str, ...]], Difference] = field(default_factory=dict, repr=False)

    @property
    def n_units(self) -> int:
        return len(set(self.units))

    def n_seeds(self, arm: str) -> int:
        return len(self.counts[arm].of_utterances)

    def estimate(self, measure: str, *arms: str) -> Difference:
        """The measure of an arm, or the difference of two, with its interval; computed once."""
        key = (measure, arms)
        if key not in self._differences:
            of = self.measures[measure]
            tallies = [of.arms[arm] for arm in arms]
            self._differences[key] = (
                intervals.paired_difference(
                    tallies[0],
                    tallies[1],
                    of.function,
                    level=self.level,
                    of_all=of.of_all,
                    folds=self.folds,
                )
                if len(tallies) == 2
                else intervals.one_arm_interval(tallies[0], of.function, level=self.level, folds=self.folds)
            )
        return self._differences[key]


def measure(record: StudyRecord, arms: Sequence[ArmRecord]) -> MeasureTable:
    """The table of arms that were tested on the same utterances.

    Args:
        arms: those of the record that have finals.
    """
    tests = {arm.arm: tests_of(arm) for arm in arms}
    first, phonemes = tests[arms[0].arm][0], arms[0].finals[0].phonemes
    units = first.speakers if record.unit == "speaker" else first.utterances
    weights = draw_units(len(set(units)), record.resamples)
    draws = {arm.arm: _Draws(searches_of(arm), _ranges(arm)) for arm in arms}
    counts, frames = _counts(tests, draws, first.speakers, units, weights), frame_results(arms)
    whole = np.ones(int(first.lengths.sum()), bool)
    measures: dict[str, ComparedMeasure] = {}
    of_seeds: dict[str, dict[str, Sequence[float]]] = {arm: {} for arm in tests}
    for metric in METRICS.values():
        own: ComparedMeasure | SeedValues | None
        if metric.of_counts:
            of_units = {arm: of.units for arm, of in counts.items()}
            own = ComparedMeasure(metric, metric.function(phonemes), of_units, whole)
        elif metric.name == LOG_LOSS.name:
            own = SeedValues({arm: [_log_loss(test) for test in each] for arm, each in tests.items()})
        else:
            own = _of_frames(metric, frames, draws, units, weights)
        if own is None:
            continue
        if isinstance(own, ComparedMeasure) and metric.is_compared:
            measures[metric.name] = own
        for arm, values in own.of_seeds.items():
            of_seeds[arm][metric.name] = values
    return MeasureTable(
        level=record.level,
        phonemes=phonemes,
        speakers=first.speakers,
        units=units,
        counts=counts,
        measures=measures,
        of_seeds=of_seeds,
        frames=frames,
        folds=folds_of_units(record, units),
    )


@dataclass(frozen=True)
class _Draws:
    """The trainings of an arm, as `Tally` and `Resampled` have them."""

    searches: tuple[int, ...] | None
    ranges: str


def searches_of(arm: ArmRecord) -> tuple[int, ...] | None:
    """(S,) the search of each final; None where all have one configuration."""
    searches = tuple(final.search for final in arm.finals)
    return searches if len(set(searches)) > 1 else None


def _ranges(arm: ArmRecord) -> str:
    return ", ".join(f"{key} {range_}" for key, range_ in sorted(arm.ranges.items()))


def tests_of(arm: ArmRecord) -> list[Scores]:
    """The test scores of an arm's finals, a seed each.

    Raises:
        UserError: a final has none.
    """
    tests = []
    for final in arm.finals:
        if final.test is None:
            raise UserError(f"arm {final.arm!r}, seed {final.seed}: the final run has no test scores")
        tests.append(final.test)
    return tests


def _counts(
    tests: Mapping[str, Sequence[Scores]],
    draws: Mapping[str, _Draws],
    speakers: Sequence[str],
    units: Sequence[str],
    weights: np.ndarray,
) -> dict[str, ArmCounts]:
    of_utterances = [[test.counts for test in own] for own in tests.values()]
    searches, ranges = [draws[arm].searches for arm in tests], [draws[arm].ranges for arm in tests]
    tallies = [Tally.of(counts, units, own) for counts, own in zip(of_utterances, searches, strict=True)]
    of_units = resample_with(weights, tallies, ranges)
    return {
        arm: ArmCounts(
            counts,
            [_kinds(test) for test in tests[arm]],
            np.stack([test.confusion for test in tests[arm]]),
            of_unit.tally if units == speakers else Tally.of(counts, speakers, draws[arm].searches),
            of_unit,
        )
        for arm, counts, of_unit in zip(tests, of_utterances, of_units, strict=True)
    }


def _kinds(test: Scores) -> np.ndarray:
    if test.predicted is None or test.truth is None:
        return np.repeat(np.arange(test.confusion.size), test.confusion.ravel())
    kinds: np.ndarray = test.truth.astype(np.uint16) * np.uint16(test.counts.shape[-1]) + test.predicted
    return kinds


def _of_frames(
    metric: Metric,
    results: FrameResults | None,
    draws: Mapping[str, _Draws],
    units: Sequence[str],
    weights: np.ndarray,
) -> ComparedMeasure | SeedValues | None:
    shares = FROM_FRAMES[metric.name](results) if results else None
    if not isinstance(shares, Shares):
        return shares
    tallies = [Tally.of_shares(own, shares.whole, units, draws[arm].searches) for arm, own in shares.parts.items()]
    resampled = resample_with(weights, tallies, [draws[arm].ranges for arm in shares.parts])
    return ComparedMeasure(metric, accuracy, dict(zip(shares.parts, resampled, strict=True)), shares.frames)


def _log_loss(test: Scores) -> float:
    return float(test.log_loss.sum() / test.counts.sum())
