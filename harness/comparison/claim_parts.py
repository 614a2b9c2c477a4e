"""The parts of a claim: the quantity that each is about, its estimate, the bounds that are claimed, and their words."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.comparison.arm_model import ComparedArm
from harness.comparison.claim_model import Answer, Evidence, PartAnswer, Scale
from harness.comparison.effort import learning_speed
from harness.comparison.measures import MeasureTable, tests_of
from harness.display.wording import chance, count, counted, percent, plural, points
from harness.experiment.claims import Better, Claim, Equal, FewerFrames, Gradients, Threshold
from harness.results import ArmRecord, StudyRecord
from harness.statistics import evidence
from harness.statistics.evidence import Estimate
from harness.statistics.registry import METRICS


def number(value: float, scale: Scale) -> str:
    """0.0052 -> +0.52; 0.7741 -> 77.41; 0.3 -> 30 %; -2 -> 0.01"""
    match scale:
        case Scale.POINTS:
            return points(value)
        case Scale.PERCENT:
            return percent(value)
        case Scale.SHARE:
            return f"{100 * value:.3g} %"
        case Scale.POWER:
            return f"{10**value:.2g}"


def bounds(low: float, high: float, scale: Scale) -> str:
    """≥ 0.01; < 26.32; within ±1.00."""
    if math.isinf(high):
        return f"≥ {number(low, scale) if low else 0}"
    if math.isinf(low):
        sign = "<" if scale in (Scale.PERCENT, Scale.POWER) else "≤"
        return f"{sign} {number(high, scale) if high else 0}"
    return f"within ±{number(high, scale).lstrip('+')}" if low < 0 else f"≤ {number(high, scale)}"


def part_sentence(
    text: str,
    scale: Scale,
    value: float,
    ends: tuple[float, float] | None,
    claim: tuple[float, float],
    *,
    is_exact: bool,
) -> str:
    """What was found of a part of a claim, with its interval, and what was claimed.

    Args:
        text: with {} for the number.
        ends: of the interval; None if there is none.
        claim: that the value lies between these.
        is_exact: nothing makes it uncertain, so that there is no interval to tell.
    """
    words = text.format(number(value, scale))
    if not is_exact:
        words += f" ({' to '.join(number(end, scale) for end in ends)})" if ends else " (no interval)"
    return f"{words}; claimed {bounds(*claim, scale)}"


def answer_line(claim: str, answer: Answer, *, is_late: bool) -> str:
    """A claim and its answer: `Supported: ...`"""
    late = ", stated after the runs" if is_late else ""
    return f"{answer.value.capitalize()}{late}: {claim}"


def outlook(more: Evidence | None, parts: Sequence[PartAnswer], unit: str) -> str:
    """What would decide a claim."""
    if more is None:
        reasons = [part.why_not for part in parts if part.why_not]
        return reasons[0] if reasons else f"there is no interval: one seed or one {unit} only"
    training = "search" if more.are_searches else "seed"
    ways = [counted(n, f"more {thing}") for n, thing in ((more.units, unit), (more.seeds, training)) if n]
    if ways:
        return f"about {' or '.join(ways)} would decide"
    if more.both:
        n_units, n_seeds = more.both
        return f"about {counted(n_units, f'more {unit}')} and {counted(n_seeds, f'more {training}')} would decide"
    return f"so close to the claimed bound that {more.most:,} more {unit}s or {plural(training)} would hardly decide"


_LEAST = 1e-12
"""A ratio of gradients below it is no gradient at all."""


@dataclass(frozen=True)
class ClaimPart:
    """One thing that a claim says."""

    subject: str
    """The arm, or arms, that it is about."""
    text: str
    """What is estimated; {} stands for the number."""
    estimate: Estimate | None
    """None where it cannot be told."""
    low: float
    high: float
    """What is claimed of it: that it lies in [low, high]."""
    scale: Scale = Scale.POINTS
    why_not: str = ""
    """Why it cannot be told."""
    is_exact: bool = False
    """A count, which nothing makes uncertain."""


@dataclass(frozen=True)
class ClaimContext:
    """What claims are judged by."""

    record: StudyRecord
    arms: Mapping[str, ArmRecord]
    """Those with finals."""
    numbers: Mapping[str, ComparedArm]
    table: MeasureTable

    def missing(self, *arms: str) -> str:
        """Why nothing can be said of some arms; "" if something can."""
        missing = [arm for arm in arms if arm not in self.arms]
        failed = [arm.arm for arm in self.record.arms if arm.arm in missing and arm.failure]
        if failed:
            return f"{', '.join(failed)} could not be trained"
        return f"no finished final run of {', '.join(missing)}" if missing else ""

    def of_draws(self, arm: str, values: Sequence[float]) -> list[float]:
        """A number of each final (S,) as the means of its searches; as it is where all have one configuration."""
        shares = self.table.counts[arm].units.tally.shares
        means: list[float] = (shares @ np.asarray(values)).tolist()
        return means

    def estimate(self, metric: str, *arms: str) -> tuple[Estimate | None, str]:
        """The measure of an arm, or the difference of two; or why there is none."""
        if missing := self.missing(*arms):
            return None, missing
        if metric not in self.table.measures:
            return None, "the frames that it needs were not stored"
        difference = self.table.estimate(metric, *arms)
        return evidence.of_difference(difference, self.record.level, self.table.n_units, len(arms)), ""


def claim_parts(claim: Claim, context: ClaimContext) -> list[ClaimPart]:
    """What a claim says, one by one."""
    match claim:
        case Better() | Equal():
            return [_difference(claim, context), *_conditions(claim, context)]
        case Threshold():
            return _thresholds(claim, context)
        case FewerFrames():
            return [_fewer_frames(claim, context)]
        case Gradients():
            return _gradients(claim, context)


def _difference(claim: Better | Equal, context: ClaimContext) -> ClaimPart:
    metric = METRICS[claim.metric]
    if isinstance(claim, Equal):
        low, high = -claim.margin, claim.margin
    else:
        low, high = (-math.inf, -claim.margin) if metric.lower_is_better else (claim.margin, math.inf)
    estimate, why_not = context.estimate(claim.metric, claim.a, claim.b)
    subject, text = f"{claim.a} - {claim.b}", f"{{}} points of {metric.title}"
    return ClaimPart(subject, text, estimate, low, high, Scale.POINTS, why_not)


def _conditions(claim: Better | Equal, context: ClaimContext) -> list[ClaimPart]:
    if claim.a not in context.numbers or claim.b not in context.numbers:
        return []
    a, b = context.numbers[claim.a], context.numbers[claim.b]
    parts = []
    for most, own, rival, name in (
        (claim.parameters_at_most, a.parameters, b.parameters, "parameters"),
        (claim.flops_at_most, a.flops_per_frame, b.flops_per_frame, "FLOPs per frame"),
    ):
        if most is not None:
            exact = Estimate(own / rival, context.record.level, 0.0, (0.0,), 0.0, None, (1,))
            text = f"{{}} of the {name} of {claim.b}"
            parts.append(ClaimPart(claim.a, text, exact, 0.0, most, Scale.SHARE, is_exact=True))
    return parts


def _thresholds(claim: Threshold, context: ClaimContext) -> list[ClaimPart]:
    metric, at = METRICS[claim.metric], claim.at
    if at is None:
        assert claim.above_majority is not None
        confusion = tests_of(next(iter(context.arms.values())))[0].confusion
        at = float(confusion.sum(axis=1).max() / confusion.sum()) + claim.above_majority
    good, bad = (at, math.inf), (-math.inf, at)
    if metric.lower_is_better:
        good, bad = bad, good
    parts = []
    for names, (low, high) in ((claim.reaches, good), (claim.stays_below, bad)):
        for arm in names:
            estimate, why_not = context.estimate(claim.metric, arm)
            parts.append(ClaimPart(arm, f"{{}} % {metric.title}", estimate, low, high, Scale.PERCENT, why_not))
    return parts


def _fewer_frames(claim: FewerFrames, context: ClaimContext) -> ClaimPart:
    """Asked at a number of frames, not at an accuracy: there every seed has an answer, also one that arrives late."""
    target = f"{percent(claim.accuracy)} %" if claim.accuracy else f"where {claim.b} ends"
    subject = f"{claim.a} after {chance(claim.fraction)} of the frames of {claim.b}"
    text = f"{{}} points from {target}"
    if missing := context.missing(claim.a, claim.b):
        return ClaimPart(subject, text, None, 0.0, math.inf, why_not=missing)
    own, rivals = ([final.history for final in context.arms[arm].finals] for arm in (claim.a, claim.b))
    best = [final.history[final.best_epoch - 1] for final in context.arms[claim.b].finals]
    frames = float(np.median([epoch.frames for epoch in best]))
    if claim.accuracy:  # where the rival does not arrive, it takes more than all of its frames
        frames = learning_speed(rivals, claim.accuracy).frames.median or float(rivals[0][-1].frames)
    most = claim.fraction * frames
    early = [[epoch.validation_accuracy for epoch in history if epoch.frames <= most] for history in own]
    if not all(early):
        first = counted(own[0][0].frames, "frame")
        why_not = f"it is first scored after {first}, later than that"
        return ClaimPart(subject, text, None, 0.0, math.inf, why_not=why_not)
    groups = [context.of_draws(claim.a, [max(values) for values in early])]
    if claim.accuracy is None:
        groups.append(context.of_draws(claim.b, [epoch.validation_accuracy for epoch in best]))
    else:
        groups[0] = [value - claim.accuracy for value in groups[0]]
    estimate = evidence.of_means(groups, context.record.level)
    return ClaimPart(subject, f"{text}, {count(most)} of {count(frames)} frames", estimate, 0.0, math.inf)


def _gradients(claim: Gradients, context: ClaimContext) -> list[ClaimPart]:
    bound = math.log10(claim.ratio)
    return [
        *(_gradient(arm, claim.when, "smallest", bound, math.inf, context) for arm in claim.reaches),
        *(_gradient(arm, claim.when, "largest", -math.inf, bound, context) for arm in claim.stays_below),
    ]


def _gradient(arm: str, when: str, worst: str, low: float, high: float, context: ClaimContext) -> ClaimPart:
    """The first layer's gradient over the last's, at the start, or where it is the worst for the claim."""
    text = f"first/last gradient {{}} {'at the start' if when == 'start' else f'at its {worst}'}"
    finals = context.arms[arm].finals if arm in context.arms else ()
    ratios = [final.layers.first_to_last for final in finals if final.layers]
    why_not = context.missing(arm)
    if not why_not and len(ratios) < len(finals):
        why_not = "the runs are from an earlier version, which stored no gradients"
    elif not why_not and not all(np.isfinite(own).all() for own in ratios):
        why_not = "a gradient was not finite"
    if why_not:
        return ClaimPart(arm, text, None, low, high, Scale.POWER, why_not)
    extreme = np.min if worst == "smallest" else np.max
    each = [float(own[0] if when == "start" else extreme(own)) for own in ratios]
    logs = [math.log10(max(value, _LEAST)) for value in each]
    estimate = evidence.of_means([context.of_draws(arm, logs)], context.record.level)
    return ClaimPart(arm, text, estimate, low, high, Scale.POWER)
