"""What a study says of the claims that its file states: supported, refuted or undecided, with the numbers.

A claim may have several parts. All must be supported for it to be, and one that is refuted refutes it. A part is
supported where its interval lies within what is claimed, refuted where it lies outside, else undecided.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.comparison.claim_words import Scale, answered, more, said
from harness.comparison.effort import speed
from harness.comparison.pairs import Measure
from harness.display.wording import METRICS, chance, count, counted, percent
from harness.experiment.claims import Better, Claim, Equal, FewerFrames, Gradients, Threshold, from_json
from harness.results import ArmRecord, StudyRecord
from harness.statistics import evidence, intervals
from harness.statistics.evidence import Estimate
from harness.statistics.metrics import LOWER_IS_BETTER

_LEAST = 1e-12
"""A ratio of gradients below it is no gradient at all."""


@dataclass(frozen=True)
class ClaimPart:
    """One thing that a claim says."""

    what: str
    """What is estimated; {} stands for the number."""
    estimate: Estimate | None
    """None where it cannot be told."""
    low: float
    high: float
    """What is claimed of it: that it lies in [low, high]."""
    scale: Scale = "points"
    why_not: str = ""
    """Why it cannot be told."""
    is_exact: bool = False
    """A count, which nothing makes uncertain."""


@dataclass(frozen=True)
class ClaimContext:
    """What claims are judged by."""

    record: StudyRecord
    arms: Mapping[str, ArmRecord]
    numbers: Mapping[str, dict[str, Any]]
    measures: Mapping[str, Measure]
    places: Mapping[str, int]
    """Of each arm in a measure."""


def claims(
    record: StudyRecord, arms: Sequence[ArmRecord], numbers: Sequence[dict[str, Any]], measures: Sequence[Measure]
) -> list[dict[str, Any]]:
    """`claims` in `comparison.json`: an entry each.

    Args:
        numbers: of each arm.
    """
    names = [arm.arm for arm in arms]
    known = ClaimContext(
        record,
        dict(zip(names, arms, strict=True)),
        dict(zip(names, numbers, strict=True)),
        {measure.name: measure for measure in measures},
        {name: i for i, name in enumerate(names)},
    )
    return [_judged(given, known) for given in record.claims]


def _judged(given: Mapping[str, Any], known: ClaimContext) -> dict[str, Any]:
    stated = {k: v for k, v in given.items() if k != "is_late"}
    claim = from_json(stated)
    parts = _parts(claim, known)
    rows = [_row(part, known) for part in parts]
    answers = [row["answer"] for row in rows]
    answer = "refuted" if "refuted" in answers else "undecided" if "undecided" in answers else "supported"
    needed = _needed(parts, rows) if answer == "undecided" else None
    entry = {
        "claim": claim.claim,
        "kind": stated["kind"],
        "settings": {k: v for k, v in stated.items() if k not in ("kind", "claim")},
        "answer": answer,
        "parts": rows,
        "more": needed,
        "stated_after_the_runs": bool(given.get("is_late")),
        "level": known.record.level,
    }
    outlook = more(entry, known.record.unit) if answer == "undecided" else None
    return entry | {"outlook": outlook, "sentence": answered(entry) + (f"; {outlook}" if outlook else "")}


def _row(part: ClaimPart, known: ClaimContext) -> dict[str, Any]:
    row: dict[str, Any] = {"scale": part.scale, "at_least": part.low, "at_most": part.high, "why_not": part.why_not}
    if part.estimate is None:
        row |= {"value": None, "low": None, "high": None, "answer": "undecided"}
        return row | {"sentence": f"{part.what.partition(':')[0]}: {part.why_not}"}
    estimate, value = part.estimate, part.estimate.value
    if part.is_exact:
        is_within: bool | None = part.low <= value <= part.high
    else:
        is_within = evidence.within(estimate, part.low, part.high)
    half = 0.0 if part.is_exact else estimate.half if estimate.is_known else None
    low, high = (None, None) if half is None else (value - half, value + half)
    answer = "undecided" if is_within is None else "supported" if is_within else "refuted"
    row |= {"value": value, "low": low, "high": high, "answer": answer}
    return row | {"sentence": said(part.what, row, is_exact=part.is_exact)}


def _needed(parts: Sequence[ClaimPart], rows: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """How much more evidence would decide all that is open; None where that cannot be told."""
    found = []
    for part, row in zip(parts, rows, strict=True):
        if row["answer"] == "undecided":
            if part.estimate is None or not part.estimate.is_known:
                return None
            found.append(evidence.needed(part.estimate, part.low, part.high))
    units = _largest([n.units for n in found])
    seeds = _largest([n.seeds for n in found])
    each = [(n.units, 0) if n.units else (0, n.seeds) if n.seeds else n.both for n in found]
    both = [pair for pair in each if pair]
    return {
        "units": units,
        "seeds": seeds,
        "both": [max(pair[i] or 0 for pair in both) for i in (0, 1)]
        if units is None and seeds is None and len(both) == len(each)
        else None,
        "power": evidence.POWER,
        "most": evidence.MOST,
    }


def _largest(numbers: Sequence[int | None]) -> int | None:
    known = [n for n in numbers if n is not None]
    return max(known) if len(known) == len(numbers) else None


def _parts(claim: Claim, known: ClaimContext) -> list[ClaimPart]:
    match claim:
        case Better() | Equal():
            return [_difference(claim, known), *_conditions(claim, known)]
        case Threshold():
            return _thresholds(claim, known)
        case FewerFrames():
            return [_fewer_frames(claim, known)]
        case Gradients():
            return _gradients(claim, known)


def _difference(claim: Better | Equal, known: ClaimContext) -> ClaimPart:
    lower_is_better = claim.metric in LOWER_IS_BETTER
    if isinstance(claim, Equal):
        low, high = -claim.margin, claim.margin
    else:
        low, high = (-math.inf, -claim.margin) if lower_is_better else (claim.margin, math.inf)
    what = f"{claim.a} - {claim.b}: {{}} points of {METRICS[claim.metric]}"
    estimate, why_not = _of_measure(claim.metric, known, claim.a, claim.b)
    return ClaimPart(what, estimate, low, high, "points", why_not)


def _conditions(claim: Better | Equal, known: ClaimContext) -> list[ClaimPart]:
    found = []
    for most, key, name in (
        (claim.parameters_at_most, "parameters", "parameters"),
        (claim.flops_at_most, "flops_per_frame", "FLOPs per frame"),
    ):
        if most is not None and claim.a in known.numbers and claim.b in known.numbers:
            ratio = known.numbers[claim.a][key] / known.numbers[claim.b][key]
            what = f"{claim.a}: {{}} of the {name} of {claim.b}"
            exact = Estimate(ratio, known.record.level, 0.0, (0.0,), 0.0, None, (1,))
            found.append(ClaimPart(what, exact, 0.0, most, "share", is_exact=True))
    return found


def _of_measure(metric: str, known: ClaimContext, *arms: str) -> tuple[Estimate | None, str]:
    """The measure of an arm, or the difference of two; or why there is none."""
    if missing := _missing(known, *arms):
        return None, missing
    if metric not in known.measures:
        return None, "the frames that it needs were not kept"
    measure, level = known.measures[metric], known.record.level
    seen = [measure.arms[known.places[arm]] for arm in arms]
    if len(seen) == 2:
        found = intervals.paired_difference(seen[0], seen[1], measure.metric, level=level)
    else:
        found = intervals.one_arm_interval(seen[0], measure.metric, level=level)
    n_seeds = [one.tally.n_seeds for one in seen]
    return evidence.of_difference(found, level, seen[0].tally.n_units, n_seeds), ""


def _missing(known: ClaimContext, *arms: str) -> str:
    missing = [arm for arm in arms if arm not in known.arms]
    failed = [arm.arm for arm in known.record.arms if arm.arm in missing and arm.failure]
    if failed:
        return f"{', '.join(failed)} could not be trained"
    return f"no finished final run of {', '.join(missing)}" if missing else ""


def _thresholds(claim: Threshold, known: ClaimContext) -> list[ClaimPart]:
    at, name = claim.at, METRICS[claim.metric]
    if at is None:
        assert claim.above_majority is not None
        test = next(iter(known.arms.values())).finals[0].test
        assert test
        at = float(test.confusion.sum(axis=1).max() / test.confusion.sum()) + claim.above_majority
    good, bad = (at, math.inf), (-math.inf, at)
    if claim.metric in LOWER_IS_BETTER:
        good, bad = bad, good
    found = []
    for names, (low, high) in ((claim.reaches, good), (claim.stays_below, bad)):
        for arm in names:
            estimate, why_not = _of_measure(claim.metric, known, arm)
            found.append(ClaimPart(f"{arm}: {{}} % {name}", estimate, low, high, "percent", why_not))
    return found


def _fewer_frames(claim: FewerFrames, known: ClaimContext) -> ClaimPart:
    """Asked at a number of frames, not at an accuracy: there every seed has an answer, also one that arrives late."""
    target = f"{percent(claim.accuracy)} %" if claim.accuracy else f"where {claim.b} ends"
    what = f"{claim.a} after {chance(claim.fraction)} of the frames of {claim.b}: {{}} points from {target}"
    if missing := _missing(known, claim.a, claim.b):
        return ClaimPart(what, None, 0.0, math.inf, "points", missing)
    mine, rivals = ([final.history for final in known.arms[arm].finals] for arm in (claim.a, claim.b))
    kept = [final.history[final.best_epoch - 1] for final in known.arms[claim.b].finals]
    frames = float(np.median([epoch.frames for epoch in kept]))
    if claim.accuracy:  # where the rival does not arrive, it takes more than all of its frames
        frames = speed(rivals, claim.accuracy)["frames"]["median"] or float(rivals[0][-1].frames)
    allowed = claim.fraction * frames
    seen = [[e.validation_accuracy for e in history if e.frames <= allowed] for history in mine]
    if not all(seen):
        first = counted(mine[0][0].frames, "frame")
        return ClaimPart(what, None, 0.0, math.inf, "points", f"it is first scored after {first}, later than that")
    groups = [[max(values) for values in seen]]
    if claim.accuracy is None:
        groups.append([epoch.validation_accuracy for epoch in kept])
    else:
        groups[0] = [value - claim.accuracy for value in groups[0]]
    estimate = evidence.of_means(groups, known.record.level)
    return ClaimPart(f"{what}, {count(allowed)} of {count(frames)} frames", estimate, 0.0, math.inf, "points")


def _gradients(claim: Gradients, known: ClaimContext) -> list[ClaimPart]:
    bound, found = math.log10(claim.ratio), []
    at_worst = {"reaches": np.min, "stays_below": np.max}
    for key, low, high in (("reaches", bound, math.inf), ("stays_below", -math.inf, bound)):
        for arm in getattr(claim, key):
            when = "at the start"
            if claim.when == "throughout":
                when = f"at its {'smallest' if key == 'reaches' else 'largest'}"
            what = f"{arm}: first/last gradient {{}} {when}"
            ratios = [f.layers.first_to_last for f in known.arms[arm].finals if f.layers] if arm in known.arms else []
            why_not = _missing(known, arm)
            if not why_not and len(ratios) < len(known.arms[arm].finals):
                why_not = "the runs are of an earlier version, which kept no gradients"
            elif not why_not and not all(np.isfinite(seen).all() for seen in ratios):
                why_not = "a gradient was not finite"
            if why_not:
                found.append(ClaimPart(what, None, low, high, "power", why_not))
                continue
            each = [float(seen[0] if claim.when == "start" else at_worst[key](seen)) for seen in ratios]
            logs = [math.log10(max(value, _LEAST)) for value in each]
            found.append(ClaimPart(what, evidence.of_means([logs], known.record.level), low, high, "power"))
    return found
