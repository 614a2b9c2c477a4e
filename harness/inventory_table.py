"""What `harness data info` prints: a corpus in tables that fit 80 columns."""

from typing import Any

from harness.report.wording import ABSENT, count, percent
from harness.screen import Block, Heading, Line, Table


def blocks(name: str, splits: dict[str, dict[str, Any]]) -> list[Block]:
    """One table of the splits, and one of the phonemes for each labelled split."""
    rows = tuple(
        (split, *(count(facts[key]) for key in ("utterances", "speakers", "frames")), f"{facts['hours']:.2f}",
         str(facts["features"]), "no" if facts["phonemes"] is None else "yes")
        for split, facts in splits.items()
    )  # fmt: skip
    columns = ("split", ">utterances", ">speakers", ">frames", ">hours", ">features", ">labels")
    shown: list[Block] = [Heading(name), Table(columns, rows)]
    for split, facts in splits.items():
        if facts["phonemes"] is not None:
            shown += [Heading(f"{split}: phonemes; share of frames in percent, durations in ms"), _phonemes(facts)]
    return [*shown, Line("")]


def _phonemes(facts: dict[str, Any]) -> Table:
    rows = tuple(
        (row["phoneme"], count(row["frames"]), percent(row["share"]), count(row["segments"]), *_durations(row))
        for row in facts["phonemes"]
    )
    return Table(("phoneme", ">frames", ">share", ">segments", ">mean", ">median", ">5 %", ">95 %"), rows)


def _durations(row: dict[str, Any]) -> list[str]:
    values = (row[key] for key in ("mean_ms", "median_ms", "low_ms", "high_ms"))
    return [ABSENT if value is None else f"{value:.0f}" for value in values]
