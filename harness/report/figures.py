"""What all figures of the page share: colours, axes, forests of intervals. The only importer of plotly.

Figures carry no background, text or scale colours: the page's script adds those of the light or the dark theme. Arms
have the same colour everywhere, one that stands out on both, and differ in a second sign too (dash, symbol or place).
"""

from typing import Any

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from harness.report.wording import interval, points

Comparison = dict[str, Any]
Figure = go.Figure

COLOURS = ("#3a86d9", "#d9730d", "#1f9d6c", "#a45ee5", "#d94f87", "#8a7a2e", "#0f97a8", "#7c8796")
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "star", "pentagon", "hexagon", "cross")
_SONORITY = ("vowel", "diphthong", "liquid/glide", "nasal", "fricative", "affricate", "plosive", "silence")


def script() -> str:
    """plotly.js itself."""
    return get_plotlyjs()


def colour(comparison: Comparison, arm: str) -> str:
    """An arm's colour."""
    return COLOURS[_place(comparison, arm) % len(COLOURS)]


def symbol(comparison: Comparison, arm: str) -> str:
    return SYMBOLS[_place(comparison, arm) % len(SYMBOLS)]


def _place(comparison: Comparison, arm: str) -> int:
    return [row["arm"] for row in comparison["arms"]].index(arm)


def by_class(comparison: Comparison) -> list[str]:
    """The phonemes, broad class by broad class, from open to closed; those without a class keep their order, last."""
    broad = comparison["broad"]
    classes = [*_SONORITY, *(name for name in dict.fromkeys(broad.values()) if name not in _SONORITY)]
    return sorted(
        comparison["phonemes"], key=lambda name: classes.index(broad[name]) if name in broad else len(classes)
    )


def forest(figure: go.Figure, found: list[dict], rows: list[Any], labels: list[str], line: str) -> None:
    """Points with intervals; hollow where the interval covers zero or the correction takes the finding back."""
    shown = [row["survives"] if "survives" in row else _excludes_zero(row) for row in found]
    no_interval = [row["low"] is None for row in found]
    figure.add_scatter(
        x=percents([row["difference"] for row in found]),
        y=rows,
        customdata=[
            [label, points(row["difference"]), interval(row["low"], row["high"])]
            for label, row in zip(labels, found, strict=True)
        ],
        mode="markers",
        error_x=None
        if any(no_interval)
        else {
            "array": [100 * (row["high"] - row["difference"]) for row in found],
            "arrayminus": [100 * (row["difference"] - row["low"]) for row in found],
            "thickness": 1.5,
            "width": 0,
        },
        marker={
            "color": line,
            "size": 9,
            "symbol": ["circle" if yes else "circle-open" for yes in shown],
            "line": {"width": 2, "color": line},
        },
        hovertemplate="%{customdata[0]}<br>%{customdata[1]} points (%{customdata[2]})<extra></extra>",
    )


def _excludes_zero(row: dict[str, Any]) -> bool:
    return row["low"] is not None and not row["low"] <= 0 <= row["high"]


def rows_of(comparison: Comparison, names: list[str]) -> list[Any]:
    """Labels of phonemes on two levels, broad class and phoneme; on one where no class is known."""
    broad = comparison["broad"]
    return [[broad.get(name, "other") for name in names], names] if broad else names


def downwards(n_rows: int, *, two_levels: bool = False) -> dict[str, Any]:
    """An axis of names, the first on top, each with the same height."""
    return {"type": "multicategory" if two_levels else "category", "range": [n_rows - 0.5, -0.5], "dividerwidth": 1}


def from_zero(title: str) -> dict[str, Any]:
    return {"title": title, "rangemode": "tozero", "zeroline": True, "zerolinewidth": 2}


def whole_numbers(longest: int, title: str) -> dict[str, Any]:
    return {"title": title, "dtick": 1} if longest <= 20 else {"title": title}


def percents(fractions: Any) -> list[float | None]:
    return [times(100, fraction) for fraction in fractions]


def times(scale: float, value: float | None) -> float | None:
    return None if value is None else scale * float(value)


def finish(figure: go.Figure, **layout: Any) -> go.Figure:
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
