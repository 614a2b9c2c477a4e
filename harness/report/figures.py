"""What all figures of the page share: colours, second signs, axes, forests of intervals. The only importer of plotly,
which takes half a second and which only the page needs.

Figures carry no background, text or scale colours: the page's script adds those of the light or the dark theme. Arms
have the same colour everywhere, one that stands out on both, and a second sign too (symbol, pattern or place), for
those who print or see without colours.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from harness.comparison.model import Comparison
from harness.display.document import Figure, Trace
from harness.display.wording import interval, points

COLOURS = ("#3a86d9", "#d9730d", "#1f9d6c", "#a45ee5", "#d94f87", "#8a7a2e", "#0f97a8", "#7c8796")
QUIET = "#8b949e"
"""The colour of what was not shown."""
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "star", "pentagon", "hexagon", "cross")
PATTERNS = ("", "/", ".", "x", "-", "\\", "|", "+")
_SONORITY = ("vowel", "diphthong", "liquid/glide", "nasal", "fricative", "affricate", "plosive", "silence")


def script() -> str:
    """plotly.js itself: the whole of it, since plotly for Python ships no smaller part."""
    from plotly.offline import get_plotlyjs

    source: str = get_plotlyjs()
    return source


def as_json(figure: Figure) -> str:
    """What plotly.js draws; plotly for Python refuses a property that does not exist."""
    import plotly.graph_objects as go

    text: str = go.Figure(data=list(figure.traces), layout=dict(figure.layout)).to_json()
    return text


def as_plotly(figure: Figure) -> Any:
    """A `plotly.graph_objects.Figure`, in plotly's own theme."""
    import plotly.graph_objects as go

    layout = {key: value for key, value in figure.layout.items() if key != "template"}
    return go.Figure(data=list(figure.traces), layout=layout)


def figure(
    key: str,
    title: str,
    caption: str,
    traces: Sequence[Trace],
    *,
    kind: Literal["", "matrix", "phonemes"] = "",
    **layout: Any,
) -> Figure:
    """A figure with what all have in common; axes may name their title by a text."""
    for axis in ("xaxis", "yaxis"):
        layout[axis] = {"automargin": True, **layout.get(axis, {})}
        if isinstance(layout[axis].get("title"), str):
            layout[axis]["title"] = {"text": layout[axis]["title"]}
    legend = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}
    shared = {"margin": {"l": 10, "r": 12, "t": 10, "b": 10}, "legend": legend, "hovermode": "closest"}
    return Figure(key, title, caption, traces, shared | layout | {"template": "none"}, kind)


def scatter(**properties: Any) -> Trace:
    """Points or lines."""
    return {"type": "scatter"} | properties


def bars(**properties: Any) -> Trace:
    return {"type": "bar"} | properties


def heatmap(**properties: Any) -> Trace:
    return {"type": "heatmap"} | properties


def colour(comparison: Comparison, arm: str) -> str:
    """An arm's colour."""
    return COLOURS[_place(comparison, arm) % len(COLOURS)]


def symbol(comparison: Comparison, arm: str) -> str:
    """The sign of an arm's points."""
    return SYMBOLS[_place(comparison, arm) % len(SYMBOLS)]


def fill(comparison: Comparison, arm: str) -> dict[str, Any]:
    """How an arm's bars are filled."""
    shape, own = PATTERNS[_place(comparison, arm) % len(PATTERNS)], colour(comparison, arm)
    pattern = {"shape": shape, "bgcolor": own, "fgcolor": "#ffffff", "size": 6, "solidity": 0.25}
    return {"color": own, **({"pattern": pattern} if shape else {})}


def _place(comparison: Comparison, arm: str) -> int:
    if comparison.sweep:  # all cells of an arm look like it
        curves = [{point.arm for point in curve.points} for curve in comparison.sweep.curves]
        return next(place for place, cells in enumerate(curves) if arm in cells)
    return [row.arm for row in comparison.arms].index(arm)


def by_class(comparison: Comparison) -> list[str]:
    """The phonemes, broad class by broad class, from open to closed; those without a class keep their order, last."""
    broad, classes = comparison.broad, class_order(comparison)
    return sorted(comparison.phonemes, key=lambda name: classes.index(broad[name]) if name in broad else len(classes))


def class_order(comparison: Comparison) -> list[str]:
    """The broad classes, from open to closed."""
    return [*_SONORITY, *(name for name in dict.fromkeys(comparison.broad.values()) if name not in _SONORITY)]


Ends = tuple[float | None, float | None]
"""Of an interval."""


def excludes_zero(ends: Ends) -> bool:
    """Whether an interval shows a difference."""
    low, high = ends
    return low is not None and high is not None and not low <= 0 <= high


def forest(
    differences: Sequence[float],
    ends: Sequence[Ends],
    rows: Sequence[str],
    labels: Sequence[str],
    look: dict[str, str],
    *,
    is_shown: bool,
) -> list[Trace]:
    """Points with intervals, all filled (shown) or all hollow and grey (not shown); nothing of no points.

    Args:
        differences: fractions, as are the ends of their intervals.
        rows: where each stands on the y axis.
        labels: what is said first where the pointer is.
        look: color and symbol of the points that are shown.
    """
    if not differences:
        return []
    line = look["color"] if is_shown else QUIET
    texts = [
        [label, points(difference), interval(*of_one)]
        for label, difference, of_one in zip(labels, differences, ends, strict=True)
    ]
    marker = {
        "color": line,
        "size": 9,
        "symbol": look["symbol"] if is_shown else f"{look['symbol']}-open",
        "line": {"width": 2 if is_shown else 1.25, "color": line},
    }
    trace = scatter(
        x=percents(differences),
        y=rows,
        customdata=texts,
        mode="markers",
        marker=marker,
        hovertemplate="%{customdata[0]}<br>%{customdata[1]} points (%{customdata[2]})<extra></extra>",
    )
    bounds = error_bars(differences, ends)
    return [{**trace, "error_x": bounds | {"thickness": 2 if is_shown else 1.25, "width": 0, "color": line}}
            if bounds else trace]  # fmt: skip


def error_bars(differences: Sequence[float], ends: Sequence[Ends]) -> dict[str, list[float]]:
    """The intervals as plotly has them, in points; none where one of them has no interval."""
    above = [100 * (high - middle) for middle, (_, high) in zip(differences, ends, strict=True) if high is not None]
    below = [100 * (middle - low) for middle, (low, _) in zip(differences, ends, strict=True) if low is not None]
    is_whole = len(above) == len(below) == len(differences)
    return {"array": above, "arrayminus": below} if is_whole else {}


def downwards(names: Iterable[str]) -> dict[str, Any]:
    """An axis of names, the first on top, each with the same height."""
    order = list(names)
    return {
        "type": "category",
        "categoryorder": "array",
        "categoryarray": order,
        "range": [len(order) - 0.5, -0.5],
    }


def from_zero(title: str) -> dict[str, Any]:
    return {"title": title, "rangemode": "tozero", "zeroline": True, "zerolinewidth": 2}


def whole_numbers(longest: int, title: str) -> dict[str, Any]:
    return {"title": title, "dtick": 1} if longest <= 12 else {"title": title}


def percents(fractions: Iterable[float | None]) -> list[float | None]:
    return [times(100, fraction) for fraction in fractions]


def times(factor: float, value: float | None) -> float | None:
    return None if value is None else factor * float(value)
