"""The numbers of pairs of arms: every two of them in every measure.

Legend: F frames, U utterances, C classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from harness.comparison.frames import FrameResults
from harness.display.wording import sentence
from harness.results import ArmRecord, RunResult, StudyRecord
from harness.statistics import intervals
from harness.statistics.intervals import probability_better
from harness.statistics.metrics import LOWER_IS_BETTER, Metric, accuracy, headline

_COSTS = ("parameters", "flops_per_frame", "seconds_training", "trials", "search_frames", "search_seconds")


@dataclass(frozen=True)
class Measure:
    """Something that arms are compared by, with what is needed of each arm."""

    name: str
    metric: Metric
    arms: Sequence[intervals.Resampled]
    frames: np.ndarray | None
    """(F,) bool, which frames it is about; None where it is not about frames."""


def pairs(
    record: StudyRecord,
    arms: Sequence[ArmRecord],
    numbers: Sequence[dict[str, Any]],
    kept: FrameResults | None,
    measured: Sequence[Measure],
) -> list[dict[str, Any]]:
    """Every two arms in every measure: the baseline's pairs first, with it as b, then the others in the file's order.
    Of a sweep, each arm and the baseline at the same value.

    Args:
        numbers: of each arm, for what it cost.
        measured: `measures` of the same.
    """
    kinds = [[_kinds(final) for final in arm.finals] for arm in arms]
    n_classes, order = len(arms[0].finals[0].phonemes), _order(record, arms)
    found: dict[tuple[int, int], list[dict[str, Any]]] = {pair: [] for pair in order}
    for measure in measured:
        influences = [
            intervals.influence([frames[measure.frames] for frames in seeds], n_classes, measure.metric)
            if measure.frames is not None
            else None
            for seeds in kinds
        ]
        rows = [_pair(record, (arms[a], arms[b]), measure, (a, b), (influences[a], influences[b])) for a, b in order]
        known = [row["p"] for row in rows if row["p"] is not None]
        p_corrected = iter(intervals.corrected(np.array(known)).tolist() if known else ())
        for pair, row in zip(order, rows, strict=True):
            found[pair].append(row | {"p_corrected": None if row["p"] is None else next(p_corrected)})
    shared = {
        (a, b): {
            "cost": {name: [numbers[a][name], numbers[b][name]] for name in _COSTS},
            **({"disagreement": _disagreement(kept, arms[a].arm, arms[b].arm)} if kept else {}),
        }
        for a, b in order
    }
    return [row | shared[pair] for pair in order for row in found[pair]]


def units_of(record: StudyRecord, arms: Sequence[ArmRecord]) -> Sequence[str]:
    """(U,) what is resampled as a whole: the speaker of each utterance, or itself."""
    test = arms[0].finals[0].test
    assert test
    return test.speakers if record.unit == "speaker" else test.utterances


def counts_of(arm: ArmRecord) -> list[np.ndarray]:
    """(U, C, C) of each seed."""
    return [final.test.counts for final in arm.finals if final.test]


def against_baseline(record: StudyRecord, arms: Sequence[ArmRecord]) -> list[tuple[int, int]]:
    """Places of each other arm and its rival: the baseline, in a sweep at its value; none where that is not there."""
    places = {arm.arm: place for place, arm in enumerate(arms)}
    found = [(a, places.get(record.compared_with(arm.arm) or "")) for a, arm in enumerate(arms)]
    return [(a, b) for a, b in found if b is not None and a != b]


def _order(record: StudyRecord, arms: Sequence[ArmRecord]) -> list[tuple[int, int]]:
    first = against_baseline(record, arms)
    if record.sweep is not None:  # what differs in two things at once answers nothing
        return first
    others = [(a, b) for a, b in combinations(range(len(arms)), 2) if (a, b) not in first and (b, a) not in first]
    return first + others


def measures(record: StudyRecord, arms: Sequence[ArmRecord], kept: FrameResults | None) -> list[Measure]:
    """All that arms are compared by."""
    units = units_of(record, arms)

    def resampled(tallies: list[intervals.Tally]) -> list[intervals.Resampled]:
        return intervals.resample(tallies, record.resamples)

    phonemes = arms[0].finals[0].phonemes
    counts = resampled([intervals.Tally.of(counts_of(arm), units) for arm in arms])
    whole = np.ones(counts[0].tally.total.true.sum(dtype=int), bool)
    found = [Measure(name, metric, counts, whole) for name, metric in headline(phonemes).items()]
    if kept is None:
        return found
    errors = [
        intervals.Tally.of_shares([f.edits.total for f in finals], finals[0].edits.true, units)
        for finals in kept.arms.values()
    ]
    found.append(Measure("phone_error_rate", accuracy, resampled(errors), None))
    for name, frames in (("accuracy_at_boundaries", kept.is_near), ("accuracy_away", ~kept.is_near)):
        if frames.any():
            whole = kept.per_utterance(frames)
            right = [
                intervals.Tally.of_shares([kept.per_utterance(frames & f.correct) for f in finals], whole, units)
                for finals in kept.arms.values()
            ]
            found.append(Measure(name, accuracy, resampled(right), frames))
    return found


def _pair(
    record: StudyRecord,
    arms: tuple[ArmRecord, ArmRecord],
    measure: Measure,
    places: tuple[int, int],
    influences: tuple[np.ndarray | None, np.ndarray | None],
) -> dict[str, Any]:
    a, b = arms
    first, second = (measure.arms[i] for i in places)
    found = intervals.paired_difference(first, second, measure.metric, level=record.level)
    naive = None
    if influences[0] is not None and influences[1] is not None:
        naive = intervals.naive_se(influences[0] - influences[1])
    lower_is_better = measure.name in LOWER_IS_BETTER
    higher = probability_better(first.tally, second.tally, measure.metric)
    clustered = _number(found.clustered_se)
    pair = {
        "a": a.arm,
        "b": b.arm,
        "metric": measure.name,
        "difference": _number(found.difference),
        "low": _number(found.low),
        "high": _number(found.high),
        "level": record.level,
        "margin": record.margin,
        "unit": record.unit,
        "units": first.tally.n_units,
        "seeds": [len(a.finals), len(b.finals)],
        "naive_se": naive,
        "clustered_se": clustered,
        "se_ratio": clustered / naive if clustered is not None and naive else None,
        "se": _number(found.se),
        "freedom": _number(found.degrees_of_freedom),
        "p": _number(found.p),
        "probability_a_better": None if higher is None else 1 - higher if lower_is_better else higher,
        "verdict": intervals.verdict(
            a.arm, b.arm, found, record.unit, margin=record.margin, lower_is_better=lower_is_better
        ),
    }
    return pair | {"sentence": sentence(pair)}


def _number(value: np.ndarray | None) -> float | None:
    return None if value is None else float(value)


def _disagreement(kept: FrameResults, a: str, b: str) -> dict[str, float]:
    """Shares of frames that one arm has right and the other wrong, over all pairs of their seeds."""
    right = [np.mean([final.correct for final in kept.arms[arm]], axis=0) for arm in (a, b)]
    return {
        "only_a_right": float((right[0] * (1 - right[1])).mean()),
        "only_b_right": float((right[1] * (1 - right[0])).mean()),
    }


def _kinds(final: RunResult) -> np.ndarray:
    """(F,) true * C + predicted of each test frame; without predictions, in the order of the counts."""
    test = final.test
    assert test
    if test.predicted is None or test.truth is None:
        return np.repeat(np.arange(test.confusion.size), test.confusion.ravel())
    return test.truth.astype(np.uint16) * np.uint16(len(final.phonemes)) + test.predicted
