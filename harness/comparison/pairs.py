"""The pairs of arms: every two of them in every measure.

Legend: F frames, C classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from harness.comparison.arm_model import ComparedArm
from harness.comparison.frames import FrameResults
from harness.comparison.measures import ComparedMeasure, MeasureTable
from harness.comparison.model import Cost, Disagreement, Pair
from harness.display.wording import interval, percent, points
from harness.results import StudyRecord
from harness.statistics import intervals
from harness.statistics.families import FamilyMember, family
from harness.statistics.intervals import Difference, Verdict
from harness.statistics.metrics import Metric, accuracy
from harness.statistics.superiority import probability_better

Names = tuple[str, str]
"""Of arm a and arm b."""


def pairs(record: StudyRecord, numbers: Sequence[ComparedArm], table: MeasureTable) -> tuple[Pair, ...]:
    """Every two arms in every measure: the baseline's pairs first, with it as b, then the others in the file's order.
    Of a sweep, each arm and the baseline at the same value.

    Args:
        numbers: of each arm, for what it cost.
    """
    order = _order(record, table)
    cost = {pair: _cost(*(_numbers_of(numbers, name) for name in pair)) for pair in order}
    searches = {arm.arm: len(arm.searches) or (1 if arm.search else 0) for arm in numbers}
    disagreement = {pair: _disagreement(table.frames, *pair) if table.frames else None for pair in order}
    rows: dict[Names, list[Pair]] = {pair: [] for pair in order}
    for measure in table.measures.values():
        p = {pair: _number(table.estimate(measure.metric.name, *pair).p) for pair in order}
        p_corrected = _corrected(p)
        influences = _influences(measure, table)
        members = _family(record, table, order) if measure.metric.name == "accuracy" else {}
        for pair in order:
            rows[pair].append(
                _pair(
                    record,
                    table,
                    measure,
                    pair,
                    influences,
                    p_corrected[pair],
                    cost[pair],
                    disagreement[pair],
                    members.get(pair),
                    (searches[pair[0]], searches[pair[1]]),
                )
            )
    return tuple(row for pair in order for row in rows[pair])


def against_baseline(record: StudyRecord, table: MeasureTable) -> list[Names]:
    """Each other arm and its rival: the baseline, in a sweep at its value; none where that has no finals."""
    rivals = [(name, record.compared_with(name)) for name in table.counts]
    return [(a, b) for a, b in rivals if b is not None and b in table.counts and a != b]


def _order(record: StudyRecord, table: MeasureTable) -> list[Names]:
    first = against_baseline(record, table)
    if record.sweep is not None:  # what differs in two things at once answers nothing
        return first
    every = combinations(table.counts, 2)
    return first + [(a, b) for a, b in every if (a, b) not in first and (b, a) not in first]


def _pair(
    record: StudyRecord,
    table: MeasureTable,
    measure: ComparedMeasure,
    names: Names,
    influences: Mapping[str, np.ndarray] | None,
    p_corrected: float | None,
    cost: Cost,
    disagreement: Disagreement | None,
    member: FamilyMember | None,
    searches: tuple[int, int],
) -> Pair:
    a, b = names
    metric, estimate = measure.metric, table.estimate(measure.metric.name, a, b)
    difference, low, high = _number(estimate.difference), _number(estimate.low), _number(estimate.high)
    assert difference is not None
    naive = intervals.naive_se(influences[a] - influences[b]) if influences else None
    clustered = _number(estimate.clustered_se)
    higher = probability_better(measure.arms[a].tally, measure.arms[b].tally, measure.function)
    alone = intervals.verdict(a, b, estimate, margin=record.margin, lower_is_better=metric.lower_is_better)
    outcome, better, ends = *alone, (low, high)
    if member:
        ends = (member.low, member.high)
        judged = replace(estimate, low=np.array(ends[0]), high=np.array(ends[1]))
        outcome, better = _headline(a, b, judged, member, record)
    return Pair(
        a=a,
        b=b,
        metric=metric.name,
        difference=difference,
        unit_mean=_unit_mean(measure, a, b),
        low=low,
        high=high,
        level=record.level,
        margin=record.margin,
        unit=record.unit,
        units=table.n_units,
        seeds=(table.n_seeds(a), table.n_seeds(b)),
        searches=searches,
        are_paired=bool(estimate.sources and estimate.sources.draws.are_paired),
        naive_se=naive,
        clustered_se=clustered,
        se_ratio=clustered / naive if clustered is not None and naive else None,
        se=_number(estimate.se),
        **_parts(estimate),
        freedom=_number(estimate.degrees_of_freedom),
        p=_number(estimate.p),
        probability_a_better=None if higher is None else 1 - higher if metric.lower_is_better else higher,
        verdict=_in_words(outcome, better, record.unit),
        sentence=_sentence(names, metric, (difference, *ends), outcome, record),
        p_corrected=p_corrected,
        p_family=member.p if member else None,
        low_simultaneous=member.low if member else None,
        high_simultaneous=member.high if member else None,
        is_planned=is_planned(record, names),
        cost=cost,
        disagreement=disagreement,
        outcome=outcome,
        better=better,
        alone=alone,
    )


def is_planned(record: StudyRecord, names: Names) -> bool:
    """Whether a pair is among those that the file names, in either order; all are where it names none."""
    return not record.pairs or any(set(names) == set(pair) for pair in record.pairs)


def _family(record: StudyRecord, table: MeasureTable, order: Sequence[Names]) -> dict[Names, FamilyMember]:
    """The planned pairs in accuracy, judged together; none where there is no interval."""
    planned = [pair for pair in order if is_planned(record, pair)]
    estimates = {pair: table.estimate("accuracy", *pair) for pair in planned}
    if any(estimate.p is None for estimate in estimates.values()):
        return {}
    return dict(zip(planned, family(list(estimates.values()), record.level, least=record.looks.pairs), strict=True))


def _headline(
    a: str, b: str, judged: Difference, member: FamilyMember, record: StudyRecord
) -> tuple[Verdict, str | None]:
    """The verdict of one of a family: a simultaneous interval that ends at zero is of a difference that is shown."""
    outcome, better = intervals.verdict(a, b, judged, margin=record.margin)
    if outcome is Verdict.NO_DIFFERENCE and member.p <= 1 - record.level:
        return Verdict.BETTER, a if judged.difference > 0 else b
    return outcome, better


def _parts(estimate: Difference) -> dict[str, float | None]:
    """What of the standard error comes from where; None where there is no interval."""
    if estimate.sources is None:
        return {"draws_se": None, "seeds_se": None, "effective_units": None}
    draws = estimate.sources.draws
    within = float(draws.within)
    return {
        "draws_se": float(np.sqrt(sum(float(v) for v in draws.variances))) if max(draws.freedoms) > 0 else None,
        "seeds_se": float(np.sqrt(within)) if draws.are_searches and within > 0 else None,
        "effective_units": float(estimate.sources.effective_units),
    }


def _unit_mean(measure: ComparedMeasure, a: str, b: str) -> float | None:
    """The difference with every unit counting the same."""
    if measure.function is not accuracy:  # of measures of classes a unit alone says nothing: it lacks classes
        return None
    means = [measure.arms[arm].tally.of_draws(measure.function).mean() for arm in (a, b)]
    return float(means[0] - means[1])


def _in_words(outcome: Verdict, better: str | None, unit: str) -> str:
    if outcome is Verdict.NO_INTERVAL:
        return f"{outcome.value}: one {unit} only"
    return f"{better} {outcome.value}" if better else outcome.value


def _sentence(
    names: Names,
    metric: Metric,
    numbers: tuple[float, float | None, float | None],
    outcome: Verdict,
    record: StudyRecord,
) -> str:
    """What a pair says, in words: who is better, by how much, within what interval."""
    (a, b), (difference, low, high) = names, numbers
    by = f"{points(difference)} points of {metric.title}"
    if low is None or high is None:
        return f"{a} and {b} differ by {by}; {_in_words(outcome, None, record.unit)}."
    if outcome is Verdict.EQUAL:
        within = f"within {100 * record.margin:g}"
        return f"{a} and {b} are practically equal: {by} ({interval(low, high)}), {within}."
    if outcome is Verdict.NO_DIFFERENCE:
        return f"No difference shown between {a} and {b}: {by} ({interval(low, high)})."
    if (difference < 0) != metric.lower_is_better:
        a, b = b, a
    size, near, far = percent(abs(difference)), *sorted((abs(low), abs(high)))
    return f"{a} is better than {b} by {size} points of {metric.title} ({percent(near)} to {percent(far)})."


def _influences(measure: ComparedMeasure, table: MeasureTable) -> dict[str, np.ndarray] | None:
    """Arm -> (F,) what each frame adds to the measure; None where it is not about frames."""
    frames, n_classes = measure.frames, len(table.phonemes)
    if frames is None:
        return None
    return {
        arm: intervals.influence([kinds[frames] for kinds in counts.kinds], n_classes, measure.function)
        for arm, counts in table.counts.items()
    }


def _corrected(p: Mapping[Names, float | None]) -> dict[Names, float | None]:
    """p-values of one measure, corrected for their number."""
    values = {pair: value for pair, value in p.items() if value is not None}
    corrected = intervals.corrected(np.array(list(values.values()))).tolist() if values else []
    return dict.fromkeys(p) | dict(zip(values, corrected, strict=True))


def _numbers_of(numbers: Sequence[ComparedArm], name: str) -> ComparedArm:
    return next(arm for arm in numbers if arm.arm == name)


def _cost(a: ComparedArm, b: ComparedArm) -> Cost:
    return Cost(
        parameters=(a.mean_parameters, b.mean_parameters),
        flops_per_frame=(a.mean_flops_per_frame, b.mean_flops_per_frame),
        seconds_training=(a.seconds_training, b.seconds_training),
        trials=(a.trials, b.trials),
        search_frames=(a.search_frames, b.search_frames),
        search_seconds=(a.search_seconds, b.search_seconds),
    )


def _disagreement(results: FrameResults, a: str, b: str) -> Disagreement:
    right = [np.mean([final.correct for final in results.arms[arm]], axis=0) for arm in (a, b)]
    return Disagreement(
        only_a_right=float((right[0] * (1 - right[1])).mean()),
        only_b_right=float((right[1] * (1 - right[0])).mean()),
    )


def _number(value: np.ndarray | None) -> float | None:
    return None if value is None else float(value)
