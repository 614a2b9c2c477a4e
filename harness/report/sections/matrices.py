"""Confusion matrices and their differences, as figures.

Legend: C classes.
"""

import math
from collections.abc import Sequence

import numpy as np

from harness.comparison.arm_model import ComparedArm
from harness.comparison.model import Comparison, ConfusionDifferences
from harness.display.document import Figure, Trace
from harness.report.figures import by_class, figure, heatmap

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
