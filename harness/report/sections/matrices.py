"""Confusion matrices and their differences.

Legend: C classes.
"""

import math
from typing import Any

import numpy as np

from harness.report.figures import Comparison, Figure, by_class, finish

RATES = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0)
"""Where the colours of a confusion matrix stand: closer for small rates, since errors are small and spread out."""


def confusion(comparison: Comparison, arm: dict[str, Any]) -> Figure:
    """(C, C) share of the true phoneme's frames, on a scale that all arms share."""
    order = by_class(comparison)
    counts = _ordered(arm, order)
    figure = Figure().add_heatmap(
        z=_rates(counts).tolist(),
        x=order,
        y=order,
        customdata=counts.tolist(),
        coloraxis="coloraxis",
        hovertemplate=(
            "true <b>%{y}</b>, taken for <b>%{x}</b><br>%{z:.2%} of the frames of %{y}<br>%{customdata:,} frames"
            f"<extra>{arm['arm']}</extra>"
        ),
    )
    return _matrix(figure, comparison, order, 0.0, 1.0, arm["arm"])


def confusion_difference(
    comparison: Comparison, a: dict[str, Any], b: dict[str, Any], surviving: list[dict[str, Any]]
) -> Figure:
    """(C, C) rate of arm a less that of b; coloured and signed where the difference survives the correction."""
    order = by_class(comparison)
    counts = [_ordered(arm, order) for arm in (a, b)]
    rates = [_rates(c) for c in counts]
    difference = rates[0] - rates[1]
    is_shown = np.zeros(difference.shape, bool)
    for cell in surviving:
        is_shown[order.index(cell["true"]), order.index(cell["predicted"])] = True
    figure = Figure().add_heatmap(
        z=np.where(is_shown, difference, 0.0),
        x=order,
        y=order,
        customdata=np.stack([*rates, *counts, difference], axis=-1),
        coloraxis="coloraxis",
        hovertemplate=(
            "true <b>%{y}</b>, taken for <b>%{x}</b><br>"
            f"{a['arm']} %{{customdata[0]:.2%}} (%{{customdata[2]:,}} frames)<br>"
            f"{b['arm']} %{{customdata[1]:.2%}} (%{{customdata[3]:,}} frames)"
            "<extra>%{customdata[4]:+.2%}</extra>"
        ),
    )
    figure.update_traces(
        text=np.where(is_shown, np.where(difference > 0, "+", "-"), ""), texttemplate="%{text}", textfont={"size": 11}
    )
    limit = difference_limit(comparison)
    return _matrix(figure, comparison, order, -limit, limit, "")


def difference_limit(comparison: Comparison) -> float:
    """Where the colours of the differences end, a whole point, alike for all pairs: what 1 cell in 100 exceeds."""
    arms = {arm["arm"]: _rates(np.array(arm["confusion"]["counts"])) for arm in comparison["arms"]}
    sizes = [np.abs(arms[pair["a"]] - arms[pair["b"]]) for pair in comparison["phoneme_differences"]]
    return max(1, math.ceil(100 * np.quantile(sizes, 0.99))) / 100 if sizes else 0.01


def _matrix(figure: Figure, comparison: Comparison, order: list[str], low: float, high: float, arm: str) -> Figure:
    """Square, true phonemes down, thin lines between broad classes; `meta` tells the script whose it is."""
    classes = [comparison["broad"].get(name) for name in order]
    ends = (-0.5, len(order) - 0.5)
    lines = []
    for i in range(1, len(order)):
        if classes[i] != classes[i - 1]:
            lines.append({"x0": i - 0.5, "x1": i - 0.5, "y0": ends[0], "y1": ends[1]})
            lines.append({"y0": i - 0.5, "y1": i - 0.5, "x0": ends[0], "x1": ends[1]})
    axis = {"type": "category", "tickfont": {"size": 9}, "showgrid": False, "dtick": 1, "tickmode": "linear"}
    return finish(
        figure,
        shapes=[line | {"type": "line", "line": {"width": 0.5}, "opacity": 0.5} for line in lines],
        coloraxis={"cmin": low, "cmax": high, "showscale": False},
        xaxis=axis | {"title": "taken for", "tickangle": -90},
        yaxis=axis | {"title": "true", "autorange": "reversed"},
        margin={"l": 50, "r": 4, "t": 4, "b": 50},
        meta={"arm": arm},
    )


def _ordered(arm: dict[str, Any], order: list[str]) -> np.ndarray:
    """(C, C) counts, rows and columns in the given order."""
    labels = arm["confusion"]["labels"]
    places = [labels.index(name) for name in order]
    return np.array(arm["confusion"]["counts"])[np.ix_(places, places)]


def _rates(counts: np.ndarray) -> np.ndarray:
    """(C, C) counts -> share of each row; a row without frames is 0."""
    support = counts.sum(axis=1, keepdims=True)
    return counts / np.maximum(support, 1)
