"""Where an arm and the baseline differ: phoneme by phoneme and confusion by confusion, corrected for their number.

Legend: C classes.
"""

import dataclasses

import numpy as np

from harness.comparison.measures import MeasureTable
from harness.comparison.model import ConfusionDifference, ConfusionDifferences, PhonemeDifference, PhonemeDifferences
from harness.comparison.pairs import against_baseline
from harness.results import StudyRecord
from harness.statistics import confusions, intervals
from harness.statistics.draws import pooled_variance
from harness.statistics.intervals import Difference
from harness.statistics.metrics import f1


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
