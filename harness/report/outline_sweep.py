"""A sweep in the terminal: a line for each value, a column for each arm, and the differences at each value."""

from typing import Any

from harness.display.terminal import Block, Heading, Line, Table
from harness.display.wording import ABSENT, count, counted, interval, points, rounded, seconds, setting, spread, value
from harness.statistics.intervals import Verdict


def blocks(comparison: dict[str, Any]) -> list[Block]:
    """Verdicts, accuracies with their differences, and what each cell costs."""
    sweep = comparison["sweep"]
    others = compared(comparison)
    shown: list[Block] = [Line(sentence(curve, comparison), strong=True) for curve in others]
    shown += _accuracies(comparison, others)
    if others:
        shown.append(
            Line(f"In brackets the interval over {counted(comparison['units'], comparison['unit'])} and seeds.")
        )
    if len(others) > 1:
        shown += _differences(comparison, others)
    return [*shown, *_costs(sweep), *_tuning(comparison)]


def sentence(curve: dict[str, Any], comparison: dict[str, Any]) -> str:
    """ladnn against ffdnn, by depth: better at 8, 16; no difference shown at 2, 4; not trained at 32."""
    return f"{contest(curve, comparison)}: {'; '.join(outcomes(curve, comparison))}."


def contest(curve: dict[str, Any], comparison: dict[str, Any]) -> str:
    """ladnn against ffdnn, by depth."""
    return f"{curve['arm']} against {comparison['baseline']}, by {setting(comparison['sweep']['key'])}"


def outcomes(curve: dict[str, Any], comparison: dict[str, Any]) -> list[str]:
    """better at 8, 16 | no difference shown at 2, 4 | failed at 32."""
    parts: dict[str, list[str]] = {}
    for point in curve["points"]:
        parts.setdefault(_outcome(point, curve["arm"], comparison["baseline"]), []).append(value(point["value"]))
    return [f"{word} at {', '.join(where)}" for word, where in parts.items()]


def compared(comparison: dict[str, Any]) -> list[dict[str, Any]]:
    """The curves that stand against the baseline's."""
    return [curve for curve in comparison["sweep"]["curves"] if _is_compared(curve)]


def _outcome(point: dict[str, Any], arm: str, baseline: str) -> str:
    if point["state"] == "failed":
        return "failed"
    if "verdict" not in point:
        return f"{baseline} failed"
    word = point["verdict"]
    if word in (Verdict.NO_DIFFERENCE.value, Verdict.EQUAL.value) or point["low"] is None:
        return str(word)
    return "better" if word == f"{point['arm']} better" else "worse"


def _is_compared(curve: dict[str, Any]) -> bool:
    return not curve["is_baseline"] and any("difference" in point for point in curve["points"])


def _accuracies(comparison: dict[str, Any], others: list[dict[str, Any]]) -> list[Block]:
    sweep, single = comparison["sweep"], others[0] if len(others) == 1 else None
    rows: list[tuple[str, ...]] = []
    strong: set[tuple[int, int]] = set()
    for i, of_value in enumerate(zip(*(curve["points"] for curve in sweep["curves"]), strict=True)):
        cells = [value(of_value[0]["value"])]
        cells += [spread(p["test"]["accuracy"]) if p["state"] == "complete" else "failed" for p in of_value]
        if single:
            cells.append(_told(single["points"][i]))
            strong |= {(i, len(cells) - 1)} if _is_shown(single["points"][i]) else set()
        rows.append(tuple(cells))
    headings = [setting(sweep["key"]), *(f">{curve['arm']}" for curve in sweep["curves"])]
    headings += [f">{single['arm']} - {comparison['baseline']}"] if single else []
    return [
        Heading(f"Test accuracy by {setting(sweep['key'])}, in percent (± standard deviation over seeds)"),
        Table(tuple(headings), tuple(rows), frozenset(strong)),
    ]


def _differences(comparison: dict[str, Any], others: list[dict[str, Any]]) -> list[Block]:
    rows: list[tuple[str, ...]] = []
    strong: set[tuple[int, int]] = set()
    for i, where in enumerate(comparison["sweep"]["values"]):
        for curve in others:
            strong |= {(len(rows), 2)} if _is_shown(curve["points"][i]) else set()
            rows.append((value(where), curve["arm"], _told(curve["points"][i])))
    heading = f"Points above {comparison['baseline']} at the same value ({100 * comparison['level']:g} % interval)"
    headings = (setting(comparison["sweep"]["key"]), "arm", ">difference")
    return [Heading(heading), Table(headings, tuple(rows), frozenset(strong))]


def _told(point: dict[str, Any]) -> str:
    if point.get("difference") is None:
        return ABSENT
    return f"{points(point['difference'])} ({interval(point['low'], point['high'])})"


def _is_shown(point: dict[str, Any]) -> bool:
    return point.get("low") is not None and not point["low"] <= 0 <= point["high"]


def _tuning(comparison: dict[str, Any]) -> list[Block]:
    """What was spent on each cell before its finals."""
    arms = [arm for arm in comparison["arms"] if arm["search"]]
    if not arms:
        return []
    trials, frames = ({arm[key] for arm in arms} for key in ("trials", "search_frames"))
    told = " to ".join(count(n) for n in sorted({min(frames), max(frames)}))
    return [Line(f"Every cell was tuned alike: {counted(max(trials), 'trial')}, {told} training frames each.")]


def _costs(sweep: dict[str, Any]) -> list[Block]:
    """Parameters and seconds of every cell."""
    rows = []
    for of_value in zip(*(curve["points"] for curve in sweep["curves"]), strict=True):
        cells = [value(of_value[0]["value"])]
        for p in of_value:
            is_complete = p["state"] == "complete"
            cells.append(f"{rounded(p['parameters'])}, {seconds(p['seconds_training'])} s" if is_complete else ABSENT)
        rows.append(tuple(cells))
    headings = (setting(sweep["key"]), *(f">{curve['arm']}" for curve in sweep["curves"]))
    return [Heading("Parameters, and seconds per training"), Table(headings, tuple(rows))]
