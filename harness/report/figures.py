"""What all figures of the page share: colours, second signs, axes, forests of intervals. The only importer of plotly.

Figures carry no background, text or scale colours: the page's script adds those of the light or the dark theme. Arms
have the same colour everywhere, one that stands out on both, and a second sign too (symbol, pattern or place), for
those who print or see without colours.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from harness.display.wording import interval, points

Comparison = dict[str, Any]
Figure: TypeAlias = go.Figure

COLOURS = ("#3a86d9", "#d9730d", "#1f9d6c", "#a45ee5", "#d94f87", "#8a7a2e", "#0f97a8", "#7c8796")
QUIET = "#8b949e"
"""Of what was not shown."""
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "star", "pentagon", "hexagon", "cross")
PATTERNS = ("", "/", ".", "x", "-", "\\", "|", "+")
_SONORITY = ("vowel", "diphthong", "liquid/glide", "nasal", "fricative", "affricate", "plosive", "silence")


def script() -> str:
    """plotly.js itself: the whole of it, since plotly for Python ships no smaller part."""
    return get_plotlyjs()


def colour(comparison: Comparison, arm: str) -> str:
    """An arm's colour."""
    return COLOURS[_place(comparison, arm) % len(COLOURS)]


def symbol(comparison: Comparison, arm: str) -> str:
    """Of an arm's points."""
    return SYMBOLS[_place(comparison, arm) % len(SYMBOLS)]


def bar(comparison: Comparison, arm: str) -> dict[str, Any]:
    """How an arm's bars are filled."""
    shape, fill = PATTERNS[_place(comparison, arm) % len(PATTERNS)], colour(comparison, arm)
    pattern = {"shape": shape, "bgcolor": fill, "fgcolor": "#ffffff", "size": 6, "solidity": 0.25}
    return {"color": fill, **({"pattern": pattern} if shape else {})}


def _place(comparison: Comparison, arm: str) -> int:
    if comparison.get("sweep"):  # all cells of an arm look like it
        return [curve["arm"] for curve in comparison["sweep"]["curves"]].index(arm.partition("@")[0])
    return [row["arm"] for row in comparison["arms"]].index(arm)


def by_class(comparison: Comparison) -> list[str]:
    """The phonemes, broad class by broad class, from open to closed; those without a class keep their order, last."""
    broad, classes = comparison["broad"], class_order(comparison)
    return sorted(
        comparison["phonemes"], key=lambda name: classes.index(broad[name]) if name in broad else len(classes)
    )


def class_order(comparison: Comparison) -> list[str]:
    """The broad classes, from open to closed."""
    return [*_SONORITY, *(name for name in dict.fromkeys(comparison["broad"].values()) if name not in _SONORITY)]


def forest(
    figure: Figure,
    found: Sequence[dict[str, Any]],
    rows: Sequence[Any],
    labels: Sequence[str],
    look: dict[str, str],
    *,
    is_shown: bool,
    corrected: bool = False,
) -> None:
    """Points with intervals, all filled (shown) or all hollow and grey (not shown).

    Args:
        rows: where each stands on the y axis.
        labels: what the pointer is told of each first.
        look: color and symbol of the points that are shown.
        corrected: the intervals are those corrected for the number of rows.
    """
    if not found:
        return
    low, high = ("low_corrected", "high_corrected") if corrected else ("low", "high")
    line = look["color"] if is_shown else QUIET
    has_interval = all(row[low] is not None for row in found)
    figure.add_scatter(
        x=percents([row["difference"] for row in found]),
        y=rows,
        customdata=[
            [label, points(row["difference"]), interval(row[low], row[high])]
            for label, row in zip(labels, found, strict=True)
        ],
        mode="markers",
        error_x={
            "array": [100 * (row[high] - row["difference"]) for row in found],
            "arrayminus": [100 * (row["difference"] - row[low]) for row in found],
            "thickness": 2 if is_shown else 1.25,
            "width": 0,
            "color": line,
        }
        if has_interval
        else None,
        marker={
            "color": line,
            "size": 9,
            "symbol": look["symbol"] if is_shown else f"{look['symbol']}-open",
            "line": {"width": 2 if is_shown else 1.25, "color": line},
        },
        hovertemplate="%{customdata[0]}<br>%{customdata[1]} points (%{customdata[2]})<extra></extra>",
    )


def downwards(names: Sequence[Any]) -> dict[str, Any]:
    """An axis of names, the first on top, each with the same height."""
    return {
        "type": "category",
        "categoryorder": "array",
        "categoryarray": list(names),
        "range": [len(names) - 0.5, -0.5],
    }


def from_zero(title: str) -> dict[str, Any]:
    return {"title": title, "rangemode": "tozero", "zeroline": True, "zerolinewidth": 2}


def whole_numbers(longest: int, title: str) -> dict[str, Any]:
    return {"title": title, "dtick": 1} if longest <= 12 else {"title": title}


def percents(fractions: Any) -> list[float | None]:
    return [times(100, fraction) for fraction in fractions]


def times(scale: float, value: float | None) -> float | None:
    return None if value is None else scale * float(value)


def finish(figure: Figure, **layout: Any) -> Figure:
    """The figure with what all have in common; axes may name their title by a text."""
    for axis in ("xaxis", "yaxis"):
        layout[axis] = {"automargin": True, **layout.get(axis, {})}
        if isinstance(layout[axis].get("title"), str):
            layout[axis]["title"] = {"text": layout[axis]["title"]}
    legend = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}
    figure.update_layout(
        **{"margin": {"l": 10, "r": 12, "t": 10, "b": 10}, "legend": legend, "hovermode": "closest"} | layout,
        template="none",
    )
    return figure
