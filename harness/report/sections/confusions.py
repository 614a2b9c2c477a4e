"""Confusions: the matrices of the arms, and the single confusions in which an arm and the baseline differ.

Legend: C classes.
"""

import math
from collections.abc import Sequence

import numpy as np

from harness.comparison.arm_model import ComparedArm
from harness.comparison.model import Comparison, ConfusionDifferences
from harness.display.document import (
    Block,
    ColourScale,
    Figure,
    Group,
    Heading,
    Line,
    PageBlock,
    Readout,
    Section,
    Table,
    Trace,
    numbers,
)
from harness.display.wording import ABSENT, count, percent, points
from harness.report.figures import by_class, figure, heatmap
from harness.report.sections import confusions

RATES = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0)
"""Where the colours of a confusion matrix stand: closer for small rates, since errors are small and spread out."""


def confusion(comparison: Comparison, arm: ComparedArm, key: str) -> Figure:
    """(C, C) share of the true phoneme's frames, on a scale that all arms share."""
    order = by_class(comparison)
    counts = _ordered(arm, order)
    trace = heatmap(
        z=_rates(counts).tolist(),
        x=order,
        y=order,
        customdata=counts.tolist(),
        coloraxis="coloraxis",
        hovertemplate=(
            "true <b>%{y}</b>, taken for <b>%{x}</b><br>%{z:.2%} of the frames of %{y}<br>%{customdata:,} frames"
            f"<extra>{arm.arm}</extra>"
        ),
    )
    return _matrix(comparison, (key, f"{arm.arm}.", ""), trace, order, (0.0, 1.0), arm.arm)


def confusion_difference(comparison: Comparison, pair: ConfusionDifferences, key: str) -> Figure:
    """(C, C) rate of arm a less that of b; coloured and signed where the difference survives the correction."""
    order = by_class(comparison)
    counts = [_ordered(comparison.arm(name), order) for name in (pair.a, pair.b)]
    rates = [_rates(of_arm) for of_arm in counts]
    difference = rates[0] - rates[1]
    is_shown = np.zeros(difference.shape, bool)
    for cell in pair.surviving:
        is_shown[order.index(cell.true), order.index(cell.predicted)] = True
    trace = heatmap(
        z=np.where(is_shown, difference, 0.0),
        x=order,
        y=order,
        customdata=np.stack([*rates, *counts, difference], axis=-1),
        coloraxis="coloraxis",
        hovertemplate=(
            "true <b>%{y}</b>, taken for <b>%{x}</b><br>"
            f"{pair.a} %{{customdata[0]:.2%}} (%{{customdata[2]:,}} frames)<br>"
            f"{pair.b} %{{customdata[1]:.2%}} (%{{customdata[3]:,}} frames)"
            "<extra>%{customdata[4]:+.2%}</extra>"
        ),
        text=np.where(is_shown, np.where(difference > 0, "+", "-"), ""),
        texttemplate="%{text}",
        textfont={"size": 11},
    )
    limit = difference_limit(comparison)
    caption = f"{len(pair.surviving)} of {pair.tested:,} confusions differ."
    return _matrix(comparison, (key, f"{pair.a} less {pair.b}.", caption), trace, order, (-limit, limit), "")


def difference_limit(comparison: Comparison) -> float:
    """Where the colours of the differences end, a whole point, alike for all pairs: what 1 cell in 100 exceeds."""
    rates = {arm.arm: _rates(np.array(arm.confusion.counts)) for arm in comparison.arms}
    sizes = [np.abs(rates[pair.a] - rates[pair.b]) for pair in comparison.phoneme_differences]
    return max(1, math.ceil(100 * np.quantile(sizes, 0.99))) / 100 if sizes else 0.01


def _matrix(
    comparison: Comparison,
    words: tuple[str, str, str],
    trace: Trace,
    order: Sequence[str],
    ends: tuple[float, float],
    arm: str,
) -> Figure:
    """Square, true phonemes down, thin lines between broad classes; `meta` tells the script whose it is.

    Args:
        words: key, title and caption.
        ends: of the colours.
    """
    classes = [comparison.broad.get(name) for name in order]
    low, high = -0.5, len(order) - 0.5
    lines = []
    for i in range(1, len(order)):
        if classes[i] != classes[i - 1]:
            lines.append({"x0": i - 0.5, "x1": i - 0.5, "y0": low, "y1": high})
            lines.append({"y0": i - 0.5, "y1": i - 0.5, "x0": low, "x1": high})
    axis = {"type": "category", "tickfont": {"size": 9}, "showgrid": False, "dtick": 1, "tickmode": "linear"}
    return figure(
        *words,
        [trace],
        kind="matrix",
        shapes=[line | {"type": "line", "line": {"width": 0.5}, "opacity": 0.5} for line in lines],
        coloraxis={"cmin": ends[0], "cmax": ends[1], "showscale": False},
        xaxis=axis | {"title": "taken for", "tickangle": -90},
        yaxis=axis | {"title": "true", "autorange": "reversed"},
        margin={"l": 50, "r": 4, "t": 4, "b": 50},
        meta={"arm": arm},
    )


def _ordered(arm: ComparedArm, order: Sequence[str]) -> np.ndarray:
    """(C, C) counts, rows and columns in the given order."""
    places = [arm.confusion.labels.index(name) for name in order]
    return np.array(arm.confusion.counts)[np.ix_(places, places)]


def _rates(counts: np.ndarray) -> np.ndarray:
    """(C, C) counts -> share of each row; a row without frames is 0."""
    rates: np.ndarray = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return rates


_N_ERRORS = 4
_N_CELLS = 8
_N_ROWS = 20


def section(comparison: Comparison) -> Section:
    """Matrices side by side, and those of the differences; in the terminal the largest of both, with --all."""
    figures = [confusions.confusion(comparison, arm, f"confusion_{i}") for i, arm in enumerate(comparison.arms)]
    shares = [(f"rate-{i}", f"{100 * rate:g}") for i, rate in enumerate(confusions.RATES)]
    about = (
        "A row is a true phoneme: what share of its frames was taken for each phoneme, pooled over seeds. Phonemes "
        "stand by broad class, and all arms have the same colours. Pointing at a cell, or the arrow keys in a matrix, "
        "shows it in every matrix and here:"
    )
    pairs = comparison.confusion_differences
    return Section(
        "confusions",
        "Confusions",
        page=[
            Line(about),
            Readout("No cell selected."),
            ColourScale("share of the row, %", shares),
            Group(figures, "columns"),
            *(_differences(comparison) if pairs else []),
            _every_error(comparison),
        ],
        long=[*_frequent(comparison), *(block for pair in pairs for block in _cells(pair))],
    )


# In the terminal


def _frequent(comparison: Comparison) -> list[Block]:
    rows = []
    for arm in comparison.arms:
        errors = [f"{e.true} as {e.predicted} {100 * e.rate:.1f}" for e in arm.top_confusions[:_N_ERRORS]]
        rows.append([arm.arm, *errors, *[""] * (_N_ERRORS - len(errors))])
    heading = Heading("Most frequent confusions, in percent of the true phoneme's frames")
    return [heading, Table(["arm", "1st", "2nd", "3rd", "4th"], rows)]


def _cells(pair: ConfusionDifferences) -> list[Block]:
    """The confusions that differ, of those that were tested."""
    differ = f"{len(pair.surviving)} of {count(pair.tested)} differ when corrected"
    heading = Heading(f"Cells of the confusion matrix, {pair.a} - {pair.b}: {differ}")
    cells = pair.surviving[:_N_CELLS]
    if not cells:
        return [heading]
    rows = [
        (f"{cell.true} as {cell.predicted}", percent(cell.rate_a), percent(cell.rate_b), points(cell.difference))
        for cell in cells
    ]
    note = Line("A phoneme as itself: the share of its frames that are right.")
    return [
        heading,
        Table(["true as predicted", *numbers(pair.a, pair.b, "difference")], rows),
        *([note] if any(cell.true == cell.predicted for cell in cells) else []),
    ]


# On the page


def _differences(comparison: Comparison) -> list[PageBlock]:
    pairs = comparison.confusion_differences
    limit = f"{100 * confusions.difference_limit(comparison):.0f}"
    tones = (("less-2", f"-{limit}"), ("less-1", ""), ("same", "0"), ("more-1", ""), ("more-2", f"+{limit}"))
    about = (
        "Blue and + where the first arm does it more often: good on the diagonal, bad elsewhere. Only cells whose "
        "difference survives the correction for multiple comparisons (Benjamini-Hochberg) are coloured."
    )
    legend: list[PageBlock] = [Line(about), ColourScale("points", tones, "and beyond")]
    return [
        Heading("Their difference"),
        *(legend if any(pair.surviving for pair in pairs) else []),
        *(_difference(comparison, pair, f"confusion_difference_{i}") for i, pair in enumerate(pairs)),
    ]


def _difference(comparison: Comparison, pair: ConfusionDifferences, key: str) -> PageBlock:
    if not pair.surviving:
        tested = count(pair.tested)
        return Line(f"{pair.a} and {pair.b}: none of {tested} confusions differs after correction.")
    matrix = confusions.confusion_difference(comparison, pair, key)
    return Group([matrix, Group([_surviving(pair)])], "columns")


def _surviving(pair: ConfusionDifferences) -> Table:
    cells = pair.surviving[:_N_ROWS]
    rows = [
        (
            f"{row.true} as {row.predicted}" if row.true != row.predicted else f"{row.true} right",
            percent(row.rate_a),
            percent(row.rate_b),
            points(row.difference),
            f"{row.p_corrected:.2g}",
        )
        for row in cells
    ]
    more = f", the {len(cells)} largest of {len(pair.surviving)}" if len(cells) < len(pair.surviving) else ""
    caption = f"Confusions that differ, in percent of the true phoneme's frames{more}"
    return Table(["what", *numbers(pair.a, pair.b, "points", "corrected p")], rows, caption)


def _every_error(comparison: Comparison) -> Table:
    rows = []
    for rank in range(max(len(arm.top_confusions) for arm in comparison.arms)):
        row = [str(rank + 1)]
        for arm in comparison.arms:
            errors = arm.top_confusions[rank : rank + 1]
            row += [f"{e.true} as {e.predicted}, {percent(e.rate)} ({count(e.count)})" for e in errors] or [ABSENT]
        rows.append(row)
    caption = "Most frequent confusions: percent of the true phoneme's frames (frames, all seeds)"
    return Table(["rank", *(arm.arm for arm in comparison.arms)], rows, caption)
