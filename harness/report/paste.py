"""The report in short, as blocks to paste elsewhere: verdicts, arms with their spread, pairs, and what to know."""

from typing import Any

from harness.display.terminal import Block, Heading, Line
from harness.display.wording import NOTHING_TO_COMPARE
from harness.report import tables
from harness.statistics.registry import headline


def blocks(comparison: dict[str, Any], *, everything: bool = False) -> list[Block]:
    """The report of a comparison for `markdown` and `latex`.

    Args:
        everything: pairs in every measure, not in the main ones alone.
    """
    metrics = (
        tuple(dict.fromkeys(p["metric"] for p in comparison["pairs"]))
        if everything
        else tuple(metric.name for metric in headline())
    )
    arms = tables.arms(comparison)
    told: list[Block] = [Heading(f"{comparison['study']}: {comparison['question']}")]
    if comparison["pairs"]:
        told += [Line(sentence, strong=True) for sentence in comparison["verdicts"]]
        told.append(Line(tables.evidence(comparison)))
        told += tables.corrected(comparison, [pair for pair in comparison["pairs"] if pair["metric"] == "accuracy"])
    else:
        told.append(Line(NOTHING_TO_COMPARE))
    told += [*tables.claims(comparison), Heading(arms[0]), arms[1]]
    if comparison["pairs"]:
        heading, table = tables.differences(comparison, metrics)
        told += [Heading(heading), table, Line(tables.chance_note(comparison))]
    if comparison["notes"]:
        told += [Heading("Notes"), *map(Line, comparison["notes"])]
    return told
