"""Where an arm and the baseline differ: phoneme by phoneme and confusion by confusion, corrected for their number.

Legend: C classes.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from harness.comparison.measures import MeasureTable, searches_of, tests_of
from harness.comparison.model import (
    ConfusionDifference,
    ConfusionDifferences,
    OtherDifference,
    PhonemeDifference,
    PhonemeDifferences,
)
from harness.comparison.pairs import against_baseline
from harness.results import ArmRecord, StudyRecord
from harness.statistics import confusions, intervals, metrics
from harness.statistics.draws import pooled_variance
from harness.statistics.frame_measures import calibration_of_sums
from harness.statistics.intervals import Difference
from harness.statistics.metrics import OfCounts, f1
from harness.statistics.tallies import Resampled, Tally, grouped, resample


def phoneme_differences(record: StudyRecord, table: MeasureTable) -> tuple[PhonemeDifferences, ...]:
    """Each arm against the baseline in F1 of every phoneme, pooled over seeds; of a sweep none, they would be many."""
    if record.sweep is not None:
        return ()
    return tuple(_phoneme_differences(table, a, b) for a, b in against_baseline(record, table))


def confusion_differences(record: StudyRecord, table: MeasureTable) -> tuple[ConfusionDifferences, ...]:
    """Each arm against the baseline, confusion by confusion: those that survive the correction, the largest first.
    Of a sweep none."""
    if record.sweep is not None:
        return ()
    return tuple(_confusion_differences(table, a, b) for a, b in against_baseline(record, table))


def other_differences(
    record: StudyRecord, arms: Sequence[ArmRecord], table: MeasureTable
) -> tuple[OtherDifference, ...]:
    """Each arm against the baseline in log-loss and calibration error; of a sweep none."""
    if record.sweep is not None:
        return ()
    every: dict[str, tuple[dict[str, Resampled], OfCounts]] = {
        "log_loss": (_log_losses(arms, table), metrics.accuracy)  # a sum over a sum
    }
    if table.frames is not None:
        every["calibration_error"] = (_calibrations(arms, table), calibration_of_sums)
    return tuple(
        _other_difference(name, a, b, tallies, function, table)
        for a, b in against_baseline(record, table)
        for name, (tallies, function) in every.items()
    )


def _log_losses(arms: Sequence[ArmRecord], table: MeasureTable) -> dict[str, Resampled]:
    tests = {arm.arm: tests_of(arm) for arm in arms}
    lengths = tests[arms[0].arm][0].lengths
    tallies = [
        Tally.of_shares([test.log_loss for test in tests[arm.arm]], lengths, table.units, searches_of(arm))
        for arm in arms
    ]
    return _resampled(arms, tallies, table)


def _calibrations(arms: Sequence[ArmRecord], table: MeasureTable) -> dict[str, Resampled]:
    assert table.frames is not None
    whole = grouped(np.asarray(table.frames.lengths), table.units)
    tallies = []
    for arm in arms:
        sums = [final.calibration for final in table.frames.arms[arm.arm]]
        right, sure = (np.stack([grouped(own[i], table.units) for own in sums]) for i in (0, 1))
        true = np.zeros(right.shape[1:])
        true[:, 0] = whole
        tallies.append(Tally(right, sure, true, searches_of(arm)))
    return _resampled(arms, tallies, table)


def _resampled(arms: Sequence[ArmRecord], tallies: Sequence[Tally], table: MeasureTable) -> dict[str, Resampled]:
    ranges = [table.counts[arm.arm].units.ranges for arm in arms]
    return dict(zip((arm.arm for arm in arms), resample(tallies, ranges=ranges), strict=True))


def _other_difference(
    name: str, a: str, b: str, tallies: Mapping[str, Resampled], function: OfCounts, table: MeasureTable
) -> OtherDifference:
    of_all = pooled_variance([arm.tally for arm in tallies.values()], function)
    found = intervals.paired_difference(
        tallies[a], tallies[b], function, level=table.level, of_all=of_all, folds=table.folds
    )

    def number(value: np.ndarray | None) -> float | None:
        return None if value is None else float(value)

    return OtherDifference(
        a=a,
        b=b,
        metric=name,
        difference=float(found.difference),
        low=number(found.low),
        high=number(found.high),
        level=table.level,
        se=number(found.se),
        freedom=number(found.degrees_of_freedom),
    )


def _phoneme_differences(table: MeasureTable, a: str, b: str) -> PhonemeDifferences:
    """The phonemes that occur, those first whose difference survives the correction for their number, then by size."""
    arms, level = [table.counts[arm].units for arm in (a, b)], table.level
    of_all, folds = pooled_variance([counts.units.tally for counts in table.counts.values()], f1), table.folds
    every = intervals.paired_difference(arms[0], arms[1], f1, level=level, pooled=True, of_all=of_all, folds=folds)
    occurs = np.flatnonzero(arms[0].tally.total.true[0])
    own = _entries(every, occurs)
    p_corrected = None if own.p is None else intervals.corrected(own.p)
    wide = None if p_corrected is None else intervals.selected_intervals(own, p_corrected, level)
    ends = [_within_one(end) for end in (own.low, own.high, *(wide[:2] if wide else (None, None)))]
    f1_a, f1_b = (arm.tally.total.value(f1, pooled=True)[0] for arm in arms)
    rows = [
        PhonemeDifference(
            phoneme=table.phonemes[i],
            f1_a=float(f1_a[i]),
            f1_b=float(f1_b[i]),
            difference=float(own.difference[n]),
            low=_entry(ends[0], n),
            high=_entry(ends[1], n),
            low_corrected=_entry(ends[2], n),
            high_corrected=_entry(ends[3], n),
            p=_entry(own.p, n),
            p_corrected=_entry(p_corrected, n),
            survives=p_corrected is not None and bool(p_corrected[n] <= 1 - level),
        )
        for n, i in enumerate(occurs)
    ]
    rows.sort(key=lambda row: (not row.survives, -abs(row.difference)))
    return PhonemeDifferences(
        a=a, b=b, metric="f1", level=level, level_corrected=wide[2] if wide else None, phonemes=tuple(rows)
    )


def _confusion_differences(table: MeasureTable, a: str, b: str) -> ConfusionDifferences:
    tested = confusions.compare_confusions(table.counts[a].of_utterances, table.counts[b].of_utterances, table.units)
    if tested is None:
        return ConfusionDifferences(a=a, b=b, tested=0, surviving=())
    rows = [
        ConfusionDifference(
            true=table.phonemes[tested.true[i]],
            predicted=table.phonemes[tested.predicted[i]],
            rate_a=float(tested.rate_a[i]),
            rate_b=float(tested.rate_b[i]),
            difference=float(tested.rate_a[i] - tested.rate_b[i]),
            p=float(tested.p[i]),
            p_corrected=float(tested.p_corrected[i]),
        )
        for i in np.flatnonzero(tested.p_corrected <= 1 - table.level)
    ]
    rows.sort(key=lambda row: -abs(row.difference))
    return ConfusionDifferences(a=a, b=b, tested=len(tested.p), surviving=tuple(rows))


def _entries(difference: Difference, places: np.ndarray) -> Difference:
    """A difference in some classes only."""
    arrays = {name: part[places] for name, part in vars(difference).items() if isinstance(part, np.ndarray)}
    return dataclasses.replace(difference, **arrays, sources=None)


def _within_one(ends: np.ndarray | None) -> np.ndarray | None:
    """A difference of F1 lies within one, however little is known of it."""
    return None if ends is None else np.clip(ends, -1, 1)


def _entry(values: np.ndarray | None, place: int) -> float | None:
    return None if values is None else float(values[place])
