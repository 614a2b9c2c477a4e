"""Where an arm and the baseline differ: phoneme by phoneme and confusion by confusion, corrected for their number."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.comparison.pairs import against_baseline, counts_of, units_of
from harness.results import ArmRecord, StudyRecord
from harness.statistics import confusions, intervals
from harness.statistics.metrics import f1


def phoneme_differences(record: StudyRecord, arms: Sequence[ArmRecord]) -> list[dict[str, Any]]:
    """Each arm against the baseline in F1 of every phoneme, pooled over seeds; of a sweep none, they would be many."""
    if record.sweep is not None:
        return []
    units, phonemes = units_of(record, arms), list(arms[0].finals[0].phonemes)
    resampled = intervals.resample([intervals.Tally.of(counts_of(arm), units) for arm in arms], record.resamples)
    found = []
    for a, b in against_baseline(record, arms):
        difference = intervals.paired_difference(resampled[a], resampled[b], f1, level=record.level, pooled=True)
        rows, wide = _phoneme_rows(difference, resampled[a].tally, resampled[b].tally, phonemes, record.level)
        names = {"a": arms[a].arm, "b": arms[b].arm, "metric": "f1"}
        found.append({**names, "level": record.level, "level_corrected": wide, "phonemes": rows})
    return found


def confusion_differences(record: StudyRecord, arms: Sequence[ArmRecord]) -> list[dict[str, Any]]:
    """Each arm against the baseline, confusion by confusion: those that survive the correction, the largest first.
    Of a sweep none."""
    if record.sweep is not None:
        return []
    units, phonemes = units_of(record, arms), arms[0].finals[0].phonemes
    found = []
    for a, b in against_baseline(record, arms):
        cells = confusions.compare_confusions(counts_of(arms[a]), counts_of(arms[b]), units)
        rows = []
        for i in np.flatnonzero(cells.p_corrected <= 1 - record.level) if cells else ():
            assert cells
            rows.append(
                {
                    "true": phonemes[cells.true[i]],
                    "predicted": phonemes[cells.predicted[i]],
                    "rate_a": cells.rate_a[i],
                    "rate_b": cells.rate_b[i],
                    "difference": cells.rate_a[i] - cells.rate_b[i],
                    "p": cells.p[i],
                    "p_corrected": cells.p_corrected[i],
                }
            )
        rows.sort(key=lambda row: -abs(row["difference"]))
        tested = 0 if cells is None else len(cells.p)
        found.append({"a": arms[a].arm, "b": arms[b].arm, "tested": tested, "surviving": rows})
    return found


def _phoneme_rows(
    found: intervals.Difference, a: intervals.Tally, b: intervals.Tally, phonemes: list[str], level: float
) -> tuple[list[dict[str, Any]], float | None]:
    """The phonemes that occur, those first whose difference survives the correction for their number, then by size;
    and the level of the corrected intervals."""
    occurs = np.flatnonzero(a.total.true[0])
    f1_a, f1_b = (tally.total.value(f1, pooled=True)[0] for tally in (a, b))
    arrays = {k: part[occurs] for k, part in vars(found).items() if isinstance(part, np.ndarray)}
    own = dataclasses.replace(found, **arrays, sources=None)
    p_corrected = None if own.p is None else intervals.corrected(own.p)
    wide = None if p_corrected is None else intervals.selected_intervals(own, p_corrected, level)
    # a difference of F1 lies within one, however little is known of it
    ends = [None if end is None else np.clip(end, -1, 1) for end in (own.low, own.high, *(wide or (None, None))[:2])]
    rows = [
        {
            "phoneme": phonemes[i],
            "f1_a": f1_a[i],
            "f1_b": f1_b[i],
            "difference": own.difference[n],
            **{
                name: None if end is None else end[n]
                for name, end in zip(("low", "high", "low_corrected", "high_corrected"), ends, strict=True)
            },
            "p": None if own.p is None else own.p[n],
            "p_corrected": None if p_corrected is None else p_corrected[n],
            "survives": p_corrected is not None and bool(p_corrected[n] <= 1 - level),
        }
        for n, i in enumerate(occurs)
    ]
    rows.sort(key=lambda row: (not row["survives"], -abs(row["difference"])))
    return rows, None if wide is None else wide[2]
