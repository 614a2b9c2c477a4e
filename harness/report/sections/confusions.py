"""What is taken for what: the matrices of the arms, and the confusions in which an arm and the baseline differ."""

from typing import Any

from harness.display.wording import ABSENT, count, percent, points
from harness.report.figures import Comparison
from harness.report.markup import Cell, Page, columns, scale, table, text
from harness.report.sections import matrices


def write(page: Page, comparison: Comparison) -> None:
    arms = {arm["arm"]: arm for arm in comparison["arms"]}
    side_by_side = [
        page.figure(f"confusion_{i}", matrices.confusion(comparison, arm), f"{arm['arm']}.", kind="matrix")
        for i, arm in enumerate(comparison["arms"])
    ]
    shares = [(f"rate-{i}", f"{100 * rate:g}") for i, rate in enumerate(matrices.RATES)]
    page.section(
        "confusions",
        "Confusions",
        "<p>A row is a true phoneme: what share of its frames was taken for each phoneme, pooled over seeds. Phonemes "
        "stand by broad class, and all arms have the same colours. Pointing at a cell, or the arrow keys in a matrix, "
        "shows it in every matrix and here:</p>",
        '<p class="readout" id="readout" aria-live="polite">No cell chosen.</p>',
        scale("share of the row, %", shares),
        columns(*side_by_side),
        *_differences(page, comparison, arms),
    )


def _differences(page: Page, comparison: Comparison, arms: dict[str, Any]) -> list[str]:
    found, frequent = comparison["confusion_differences"], _most_frequent(comparison)
    if not found:
        return [frequent]
    limit = f"{100 * matrices.difference_limit(comparison):.0f}"
    tones = (("less-2", f"-{limit}"), ("less-1", ""), ("same", "0"), ("more-1", ""), ("more-2", f"+{limit}"))
    parts = ["<h3>Their difference</h3>"]
    if any(pair["surviving"] for pair in found):
        parts += [
            "<p>Blue and + where the first arm does it more often: good on the diagonal, bad elsewhere. Only cells "
            "whose difference survives the correction for their number (Benjamini-Hochberg) are coloured.</p>",
            scale("points", tones, "and beyond"),
        ]
    for i, pair in enumerate(found):
        a, b, tested = pair["a"], pair["b"], count(pair["tested"])
        if not pair["surviving"]:
            parts.append(text(f"{a} and {b}: none of {tested} confusions differs, corrected for their number."))
            continue
        drawn = page.figure(
            f"confusion_difference_{i}",
            matrices.confusion_difference(comparison, arms[a], arms[b], pair["surviving"]),
            f"{a} less {b}.",
            f"{len(pair['surviving'])} of {tested} confusions differ.",
            kind="matrix",
        )
        parts.append(columns(drawn, f"<div>{_surviving(pair)}</div>"))
    return [*parts, frequent]


def _surviving(pair: dict[str, Any]) -> str:
    shown = pair["surviving"][:20]
    rows: list[list[str | Cell]] = [
        [
            f"{row['true']} as {row['predicted']}" if row["true"] != row["predicted"] else f"{row['true']} right",
            percent(row["rate_a"]),
            percent(row["rate_b"]),
            points(row["difference"]),
            f"{row['p_corrected']:.2g}",
        ]
        for row in shown
    ]
    more = f", the {len(shown)} largest of {len(pair['surviving'])}" if len(shown) < len(pair["surviving"]) else ""
    caption = f"Confusions that differ, in percent of the true phoneme's frames{more}"
    return table(caption, ["what", f">{pair['a']}", f">{pair['b']}", ">points", ">corrected p"], rows)


def _most_frequent(comparison: Comparison) -> str:
    ranks = max(len(arm["top_confusions"]) for arm in comparison["arms"])
    rows = []
    for rank in range(ranks):
        row: list[str | Cell] = [str(rank + 1)]
        for arm in comparison["arms"]:
            top = arm["top_confusions"][rank : rank + 1]
            row += [f"{t['true']} as {t['predicted']}, {percent(t['rate'])} ({count(t['count'])})" for t in top] or [
                ABSENT
            ]
        rows.append(row)
    headings = ["rank", *(arm["arm"] for arm in comparison["arms"])]
    return table("Most frequent confusions: percent of the true phoneme's frames (frames, all seeds)", headings, rows)
