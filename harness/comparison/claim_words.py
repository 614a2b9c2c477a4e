"""The words of an answer to a claim."""

import math
from collections.abc import Sequence

from harness.comparison.model import Answer, Evidence, PartAnswer, Scale
from harness.display.wording import counted, percent, points


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
    ways = [counted(n, f"more {thing}") for n, thing in ((more.units, unit), (more.seeds, "seed")) if n]
    if ways:
        return f"about {' or '.join(ways)} would decide"
    if more.both:
        n_units, n_seeds = more.both
        return f"about {counted(n_units, f'more {unit}')} and {counted(n_seeds, 'more seed')} would decide"
    return f"so near to what is claimed that {more.most:,} more {unit}s or seeds would hardly decide"
