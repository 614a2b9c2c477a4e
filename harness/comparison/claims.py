"""What a study says of the claims that its file states: supported, refuted or undecided, with the numbers.

A claim may have several parts. All must be supported for it to be, and one that is refuted refutes it. A part is
supported where its interval lies within what is claimed, refuted where it lies outside, else undecided. A part of n
refutes the claim if the interval with 1 / n of the error rate lies outside: else one of many would do so by chance.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.comparison.arm_model import ComparedArm
from harness.comparison.claim_model import Answer, ClaimAnswer, Evidence, PartAnswer
from harness.comparison.claim_parts import ClaimContext, ClaimPart, answer_line, claim_parts, outlook, part_sentence
from harness.comparison.json_form import Json
from harness.comparison.measures import MeasureTable
from harness.experiment.claims import from_json
from harness.results import ArmRecord, StudyRecord
from harness.statistics import evidence


def claims(
    record: StudyRecord, arms: Sequence[ArmRecord], numbers: Sequence[ComparedArm], table: MeasureTable
) -> tuple[ClaimAnswer, ...]:
    """The claims of a record, answered.

    Args:
        numbers: of each arm.
    """
    context = ClaimContext(
        record, {arm.arm: arm for arm in arms}, {compared.arm: compared for compared in numbers}, table
    )
    return tuple(_answer(claim, context) for claim in record.claims)


def _answer(stated: Mapping[str, Json], context: ClaimContext) -> ClaimAnswer:
    claim = from_json({k: v for k, v in stated.items() if k != "is_late"})
    unit, is_late = context.record.unit, bool(stated.get("is_late"))
    parts = claim_parts(claim, context)
    answers = tuple(_part_answer(part, len(parts)) for part in parts)
    each = {part.answer for part in answers}
    answer = next((one for one in (Answer.REFUTED, Answer.UNDECIDED) if one in each), Answer.SUPPORTED)
    more = _evidence(parts, answers) if answer is Answer.UNDECIDED else None
    what_next = outlook(more, answers, unit) if answer is Answer.UNDECIDED else None
    line = answer_line(claim.claim, answer, is_late=is_late)
    return ClaimAnswer(
        claim=claim.claim,
        kind=str(stated["kind"]),
        settings={k: v for k, v in stated.items() if k not in ("kind", "claim", "is_late")},
        answer=answer,
        parts=answers,
        more=more,
        stated_after_the_runs=is_late,
        level=context.record.level,
        outlook=what_next,
        sentence=f"{line}; {what_next}" if what_next else line,
    )


def _is_refuted(part: ClaimPart, n_parts: int) -> bool:
    """Whether a part is refuted, and with it a claim of so many: by Holm's procedure with 1 / n of the error rate."""
    assert part.estimate is not None
    stricter = replace(part.estimate, level=1 - (1 - part.estimate.level) / n_parts)
    return evidence.within(stricter, part.low, part.high) is False


def _part_answer(part: ClaimPart, n_parts: int) -> PartAnswer:
    ends: tuple[float, float] | None = None
    value: float | None = None
    answer, sentence = Answer.UNDECIDED, f"{part.subject}: {part.why_not}"
    if part.estimate is not None:
        value, half = part.estimate.value, 0.0 if part.is_exact else part.estimate.half
        if part.is_exact or part.estimate.is_known:
            ends = (value - half, value + half)
        is_within = (
            part.low <= value <= part.high if part.is_exact else evidence.within(part.estimate, part.low, part.high)
        )
        if is_within is not None:
            answer = Answer.SUPPORTED if is_within else Answer.REFUTED
            if answer is Answer.REFUTED and not part.is_exact and not _is_refuted(part, n_parts):
                answer = Answer.UNDECIDED
        claim = (part.low, part.high)
        sentence = part_sentence(f"{part.subject}: {part.text}", part.scale, value, ends, claim, is_exact=part.is_exact)
    return PartAnswer(
        scale=part.scale,
        at_least=part.low,
        at_most=part.high,
        why_not=part.why_not,
        value=value,
        low=ends[0] if ends else None,
        high=ends[1] if ends else None,
        answer=answer,
        sentence=sentence,
    )


def _evidence(parts: Sequence[ClaimPart], answers: Sequence[PartAnswer]) -> Evidence | None:
    """How much more would decide all that is open; None where that cannot be told."""
    needs = []
    for part, answer in zip(parts, answers, strict=True):
        if answer.answer is Answer.UNDECIDED:
            if part.estimate is None or not part.estimate.is_known:
                return None
            needs.append(evidence.needed(part.estimate, part.low, part.high))
    units = _largest([need.units for need in needs])
    seeds = _largest([need.seeds for need in needs])
    each = [(n.units, 0) if n.units else (0, n.seeds) if n.seeds else n.both for n in needs]
    both = [pair for pair in each if pair]
    has_both = units is None and seeds is None and len(both) == len(each)
    return Evidence(
        units=units,
        seeds=seeds,
        are_searches=any(part.estimate is not None and part.estimate.are_searches for part in parts),
        both=(max(pair[0] or 0 for pair in both), max(pair[1] or 0 for pair in both)) if has_both else None,
        power=evidence.POWER,
        most=evidence.MOST,
    )


def _largest(numbers: Sequence[int | None]) -> int | None:
    finite = [n for n in numbers if n is not None]
    return max(finite) if len(finite) == len(numbers) else None
