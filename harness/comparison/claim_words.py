"""How the answer to a claim is said."""

import math
from collections.abc import Mapping
from typing import Any, Literal

from harness.display.wording import counted, percent, points

Scale = Literal["points", "percent", "share", "power"]
"""Differences of fractions; fractions; ratios in percent; decadic logarithms of ratios."""


def number(value: float, scale: Scale) -> str:
    """0.0052 -> +0.52; 0.7741 -> 77.41; 0.3 -> 30 %; -2 -> 0.01"""
    match scale:
        case "points":
            return points(value)
        case "percent":
            return percent(value)
        case "share":
            return f"{100 * value:.3g} %"
        case "power":
            return f"{10**value:.2g}"


def bounds(low: float, high: float, scale: Scale) -> str:
    """≥ 0.01; < 26.32; within ±1.00."""
    if math.isinf(high):
        return f"≥ {number(low, scale) if low else 0}"
    if math.isinf(low):
        return f"{'<' if scale in ('percent', 'power') else '≤'} {number(high, scale) if high else 0}"
    return f"within ±{number(high, scale).lstrip('+')}" if low < 0 else f"≤ {number(high, scale)}"


def said(what: str, row: Mapping[str, Any], *, is_exact: bool) -> str:
    """What was found of a part of a claim, with its interval, and what was claimed."""
    scale: Scale = row["scale"]
    found, claimed = what.format(number(row["value"], scale)), bounds(row["at_least"], row["at_most"], scale)
    if not is_exact:
        ends = None if row["low"] is None else [number(row[end], scale) for end in ("low", "high")]
        found += f" ({' to '.join(ends)})" if ends else " (no interval)"
    return f"{found}; claimed {claimed}"


def answered(entry: Mapping[str, Any]) -> str:
    """A claim and its answer: `Supported: ...`"""
    late = ", stated after the runs" if entry["stated_after_the_runs"] else ""
    return f"{entry['answer'].capitalize()}{late}: {entry['claim']}"


def more(entry: Mapping[str, Any], unit: str) -> str:
    """What would decide it."""
    needed = entry["more"]
    if needed is None:
        reasons = [row["why_not"] for row in entry["parts"] if row["why_not"]]
        return reasons[0] if reasons else f"there is no interval: one seed or one {unit} only"
    ways = [counted(needed[key], f"more {thing}") for key, thing in (("units", unit), ("seeds", "seed")) if needed[key]]
    if ways:
        return f"about {' or '.join(ways)} would decide"
    if needed["both"]:
        n_units, n_seeds = needed["both"]
        return f"about {counted(n_units, f'more {unit}')} and {counted(n_seeds, 'more seed')} would decide"
    return f"so near to what is claimed that {needed['most']:,} more {unit}s or seeds would hardly decide"
