"""What every form of a report has: arms with their spread, pairs with their intervals, answers to claims, what is left
of many findings, and in words what an interval is over."""

from collections.abc import Sequence
from typing import Any

from harness.comparison.claim_words import answer_line
from harness.comparison.model import Answer, Verdict
from harness.display.terminal import Block, Heading, Line, Table
from harness.display.wording import chance, counted, interval, percent, points, rounded, seconds, spread
from harness.statistics.registry import METRICS, headline


def arms(comparison: dict[str, Any]) -> tuple[str, Table]:
    """What each arm reached on test and cost, the best in each column strong; with its caption."""
    found, names = comparison["arms"], [metric.name for metric in headline()]
    columns = [[arm["test"][metric]["mean"] for arm in found] for metric in names]
    strong = {
        (row, 1 + j)
        for j, means in enumerate(columns)
        for row, mean in enumerate(means)
        if len(found) > 1 and percent(mean) == percent(max(means))
    }
    rows = tuple(
        (
            arm["arm"],
            *(spread(arm["test"][metric]) for metric in names),
            rounded(arm["parameters"]),
            seconds(arm["seconds_training"]),
        )
        for arm in found
    )
    over_seeds = " (mean ± standard deviation over seeds)" if any(len(arm["seeds"]) > 1 for arm in found) else ""
    headings = ("arm", *(f">{METRICS[metric].short}" for metric in names), ">parameters", ">seconds")
    return f"Test, in percent{over_seeds}; seconds per training", Table(headings, rows, frozenset(strong))


def differences(comparison: dict[str, Any], metrics: Sequence[str]) -> tuple[str, Table]:
    """Every two arms in some measures, a - b; with its caption."""
    rows = tuple(
        (f"{pair['a']} - {pair['b']}", *difference(pair)) for pair in comparison["pairs"] if pair["metric"] in metrics
    )
    return "Differences, in points", Table(("pair", *difference_headings(comparison)), rows)


def difference_headings(comparison: dict[str, Any]) -> tuple[str, ...]:
    return ("measure", ">difference", f">{100 * comparison['level']:g} % interval", ">chance", "better")


def difference(pair: dict[str, Any]) -> tuple[str, ...]:
    """A pair in one measure, under `difference_headings`."""
    return (
        METRICS[pair["metric"]].short,
        points(pair["difference"]),
        interval(pair["low"], pair["high"]),
        chance(pair["probability_a_better"]),
        _better(pair),
    )


def _better(pair: dict[str, Any]) -> str:
    """Which arm, if it is known."""
    words = {Verdict.NO_DIFFERENCE.value: "not shown", Verdict.EQUAL.value: "equal"}
    return "unknown" if pair["low"] is None else words.get(pair["verdict"], pair["verdict"].removesuffix(" better"))


def evidence(comparison: dict[str, Any]) -> str:
    """In brackets the 95 % interval over 8 speakers and 3 seeds, Student's t."""
    n_seeds = sorted({len(arm["seeds"]) for arm in comparison["arms"]})
    seeds = counted(n_seeds[0], "seed") if len(n_seeds) == 1 else f"{n_seeds[0]} to {n_seeds[-1]} seeds"
    units = counted(comparison["units"], comparison["unit"])
    if n_seeds == [1]:
        return f"In brackets the {100 * comparison['level']:g} % interval over {units}, for these seeds alone."
    method = ", Student's t" if any(pair["low"] is not None for pair in comparison["pairs"]) else ""
    return f"In brackets the {100 * comparison['level']:g} % interval over {units} and {seeds}{method}."


def chance_note(comparison: dict[str, Any]) -> str:
    """What the column of this name is."""
    single = all(len(arm["seeds"]) == 1 for arm in comparison["arms"])
    seeds = "as trained here" if single else "both trained with new seeds"
    return f"Chance: that the first is better for a new {comparison['unit']}, {seeds}."


def claims(comparison: dict[str, Any]) -> list[Block]:
    """The answer to each claim, and what it rests on."""
    lines: list[Block] = []
    for claim in comparison.get("claims", ()):
        rests_on = [part["sentence"] for part in claim["parts"]]
        outlook = [claim["outlook"]] if claim["outlook"] not in (None, *(p["why_not"] for p in claim["parts"])) else []
        lines += [Line(_line(claim), strong=True), *(Line(f"  {text}") for text in (*rests_on, *outlook))]
    return [Heading("Claims"), *lines] if lines else []


def corrected(comparison: dict[str, Any], pairs: list[dict[str, Any]]) -> list[Block]:
    """What is left of the findings when they are corrected for the number of pairs."""
    found = [pair for pair in pairs if pair["verdict"].endswith(" better")]
    kept = [pair for pair in found if pair["p_corrected"] <= 1 - comparison["level"]]
    if len(found) == len(kept):
        return []
    lost = "; ".join(f"{pair['a']} and {pair['b']}" for pair in found if pair not in kept)
    summary = f"Of {len(found)} shown, {len(kept)} remain when corrected for {len(pairs)} pairs"
    return [Line(f"{summary}; not that between {lost}." if len(kept) else f"{summary}.")]


def _line(claim: dict[str, Any]) -> str:
    return answer_line(claim["claim"], Answer(claim["answer"]), is_late=claim["stated_after_the_runs"])
