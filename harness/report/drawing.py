"""The figures of the page for a paper: the same traces, drawn by matplotlib as PDF and SVG, without a browser.

What is drawn is what the sections use of plotly: points and lines, bars, and heat maps, with error bars, bands, notes
and axes of names, numbers and logarithms. Sizes are those of print: 160 mm wide, text of 8 points, fonts embedded.
"""

import html
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MultipleLocator

from harness.comparison.model import Comparison
from harness.display.document import Figure, Section, Trace
from harness.files import replacing, write_text
from harness.report.paste import about, label, latex_text

FORMATS = ("pdf", "svg")
_WIDTH = 6.3  # inches, of the text of a page with one column
_TALLEST = 8.5
_PIXEL = 0.01  # inches of a figure's height, for each pixel on the page
_DASHES = {"dot": ":", "dash": "--", "solid": "-"}
_SYMBOLS = {
    "circle": "o", "diamond": "D", "square": "s", "triangle-up": "^", "star": "*", "pentagon": "p", "hexagon": "h",
    "cross": "P", "x": "X", "x-thin": "x", "line-ns": "|",
}  # fmt: skip
_HATCHES = {"/": "////", ".": "....", "x": "xxxx", "-": "----", "\\": "\\\\\\\\", "|": "||||", "+": "++++"}
_STYLE: Any = {
    "font.size": 8,
    "axes.labelsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#d0d4da",
    "grid.linewidth": 0.5,
    "hatch.color": "white",
    "hatch.linewidth": 0.5,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "pdf.fonttype": 42,  # publishers refuse type 3
    "svg.hashsalt": "harness",  # the same figure gives the same bytes
}


def drawn(figure: Figure) -> dict[str, bytes]:
    """Format -> the file's content; the same figure gives the same bytes."""
    files: dict[str, bytes] = {}
    with mpl.rc_context(_STYLE):
        canvas = draw(figure)
        canvas.draw_without_rendering()  # once for both: the layout
        canvas.set_layout_engine("none")
        for form in FORMATS:
            content = io.BytesIO()
            canvas.savefig(content, format=form, metadata={"CreationDate" if form == "pdf" else "Date": None})
            files[form] = content.getvalue()
    return files


def draw(figure: Figure) -> Canvas:
    """The figure on a canvas of matplotlib's."""
    height = _WIDTH if figure.kind == "matrix" else min(_TALLEST, _PIXEL * figure.layout.get("height", 400))
    canvas = Canvas(figsize=(_WIDTH, height), layout="constrained")
    axes = canvas.add_subplot()
    across, along = _Axis(figure, "x"), _Axis(figure, "y")
    bars = [trace for trace in figure.traces if trace["type"] == "bar"]
    for trace in figure.traces:
        if trace["type"] == "heatmap":
            _heatmap(canvas, axes, trace, figure, across, along)
        elif trace["type"] == "bar":
            _bars(axes, trace, (bars.index(trace), len(bars)), figure, across, along)
        else:
            _points(axes, trace, across, along)
    for shape in figure.layout.get("shapes", ()):
        line = {"color": "black", "alpha": shape.get("opacity", 1), "linewidth": shape["line"]["width"]}
        axes.plot([shape["x0"], shape["x1"]], [shape["y0"], shape["y1"]], **line)
    for note in figure.layout.get("annotations", ()):
        _note(axes, note, across, along)
    if figure.layout.get("annotations"):
        axes.margins(y=0.15)
    across.finish(axes)
    along.finish(axes)
    names, handles = _legend(axes)
    if figure.layout.get("showlegend", True) and names:
        canvas.legend(handles, names, loc="outside upper left", ncols=min(len(names), 5))
    return canvas


class _Axis:
    """An axis as the layout of a figure has it.

    Args:
        which: x or y.
    """

    def __init__(self, figure: Figure, which: Literal["x", "y"]) -> None:
        self.which = which
        self.layout: Mapping[str, Any] = figure.layout.get(f"{which}axis", {})
        values = [value for trace in figure.traces for value in trace[which] if value is not None]
        named = self.layout.get("type") == "category" or any(isinstance(value, str) for value in values)
        order = [*self.layout.get("categoryarray", ()), *values] if named else []
        self.places = {name: place for place, name in enumerate(dict.fromkeys(map(str, order)))}

    def of(self, values: Iterable[Any]) -> np.ndarray:
        """(N,) where the values lie; NaN for None."""
        if self.places:
            return np.array(
                [np.nan if value is None else self.places.get(str(value), value) for value in values], float
            )
        return np.array([np.nan if value is None else value for value in values], float)

    def finish(self, axes: Axes) -> None:
        """Title, ends, ticks and grid, once everything is drawn."""
        own, layout = (axes.xaxis if self.which == "x" else axes.yaxis), self.layout
        title = layout.get("title", {}).get("text", "")
        axes.set(**{f"{self.which}label": text(title)})
        is_log = layout.get("type") == "log"
        if is_log:
            axes.set(**{f"{self.which}scale": "log"})
        low, high = axes.get_xlim() if self.which == "x" else axes.get_ylim()
        if layout.get("rangemode") == "tozero":
            low, high = min(low, 0), max(high, 0)
        low, high = layout.get("range", (low, high))
        if layout.get("autorange") == "reversed":
            low, high = len(self.places) - 0.5, -0.5
        axes.set(**{f"{self.which}lim": (10**low, 10**high) if is_log and "range" in layout else (low, high)})
        if layout.get("zeroline"):
            (axes.axvline if self.which == "x" else axes.axhline)(0, color="black", linewidth=0.8, zorder=0.5)
        if self.places:
            own.set_ticks(list(self.places.values()), [text(name) for name in self.places])
        elif layout.get("dtick"):
            own.set_major_locator(MultipleLocator(layout["dtick"]))
        is_dense = len(self.places) > 20
        axes.tick_params(axis=self.which, labelsize=5 if is_dense else 8, length=0 if self.places else 2.5)
        if self.which == "x":
            angle = layout.get("tickangle", 0)
            axes.tick_params(axis="x", labelrotation=-angle)
            if layout.get("side") == "top":
                axes.xaxis.tick_top()
                axes.xaxis.set_label_position("top")
        own.grid(layout.get("showgrid", True))


def _points(axes: Axes, trace: Trace, across: _Axis, along: _Axis) -> None:
    x, y = across.of(trace["x"]), along.of(trace["y"])
    line, marker, mode = trace.get("line", {}), trace.get("marker", {}), trace.get("mode", "lines+markers")
    colour = marker.get("color") if "lines" not in mode else line.get("color", marker.get("color"))
    if trace.get("fill") == "toself":
        axes.fill(x, y, facecolor=colour, alpha=0.18, linewidth=0)
        return
    for which in ("x", "y"):
        bars = trace.get(f"error_{which}")
        if bars and "array" in bars:
            above, below = np.array(bars["array"], float), np.array(bars.get("arrayminus", bars["array"]), float)
            sizes: Any = {f"{which}err": np.abs([below, above])}
            axes.errorbar(
                x, y, **sizes, fmt="none", ecolor=bars.get("color", colour), elinewidth=bars.get("thickness", 1) * 0.75
            )
    label = text(trace["name"]) if trace.get("name") and trace.get("showlegend", True) else "_"
    look: Any = {"color": colour, "alpha": trace.get("opacity", marker.get("opacity", 1))}
    symbols = marker.get("symbol", "circle")
    if "lines" in mode:
        look["linewidth"] = 0.75 * line.get("width", 2)
        look["linestyle"] = _DASHES.get(line.get("dash", "solid"), "-")
        look["drawstyle"] = "steps-post" if line.get("shape") == "hv" else None
        has_one = "markers" in mode and isinstance(symbols, str)
        axes.plot(x, y, label=label, **look, **(_marker(symbols, marker) if has_one else {}))
        if has_one or "markers" not in mode:
            return
        label = "_"
    each = np.array([symbols] * len(x) if isinstance(symbols, str) else symbols)
    for symbol in dict.fromkeys(each.tolist()):
        own: Any = {"linestyle": "none", "label": label if symbol == each[0] else "_"}
        axes.plot(x[each == symbol], y[each == symbol], **look | own, **_marker(symbol, marker))


def _marker(symbol: str, marker: Mapping[str, Any]) -> dict[str, Any]:
    """Of plotly's sign; its size in pixels becomes points of print."""
    size = marker.get("size", 6)
    size = float(np.max(size)) if np.ndim(size) else size
    look: dict[str, Any] = {"marker": _SYMBOLS.get(symbol.removesuffix("-open"), "o"), "markersize": 0.6 * size}
    if symbol.endswith("-open"):
        look |= {"markerfacecolor": "white", "markeredgewidth": 0.75 * marker.get("line", {}).get("width", 1.25)}
    return look


def _bars(axes: Axes, trace: Trace, place: tuple[int, int], figure: Figure, across: _Axis, along: _Axis) -> None:
    """Beside those of the other traces.

    Args:
        place: of the trace among those with bars, and how many there are.
    """
    number, n_bars = place
    is_flat = trace.get("orientation") == "h"
    names, values = (along, across) if is_flat else (across, along)
    at, size = (names.of(trace["y" if is_flat else "x"]), values.of(trace["x" if is_flat else "y"]))
    step = float(np.min(np.diff(np.unique(at)))) if len(np.unique(at)) > 1 else 1.0
    width = step * (1 - figure.layout.get("bargap", 0.2)) / n_bars
    at = at + (number - (n_bars - 1) / 2) * width
    fill = trace["marker"]
    look: Any = {
        "color": fill["color"],
        "hatch": _HATCHES.get(fill.get("pattern", {}).get("shape", "")),
        "linewidth": 0,
    }
    label = text(trace.get("name", "_"))
    if is_flat:
        axes.barh(at, size, height=width, label=label, **look)
    else:
        axes.bar(at, size, width=width, label=label, **look)


def _heatmap(canvas: Canvas, axes: Axes, trace: Trace, figure: Figure, across: _Axis, along: _Axis) -> None:
    values = np.array([[np.nan if value is None else value for value in row] for row in trace["z"]], float)
    shared = figure.layout.get("coloraxis", {})
    low, high = trace.get("zmin", shared.get("cmin")), trace.get("zmax", shared.get("cmax"))
    scale = "viridis" if "colorscale" in trace else "RdBu" if low is not None and low < 0 else "Blues"
    x, y = across.of(trace["x"]), along.of(trace["y"])
    drawn = axes.pcolormesh(x, y, values, cmap=scale, vmin=low, vmax=high, shading="nearest", rasterized=True)
    if "colorbar" in trace:
        canvas.colorbar(drawn, ax=axes, label=text(trace["colorbar"]["title"]["text"]))
    for row, line in zip(y, trace.get("text", ()) if "texttemplate" in trace else (), strict=False):
        for column, words in zip(x, line, strict=True):
            if words:
                axes.text(column, row, text(words), ha="center", va="center", fontsize=5)


def _note(axes: Axes, note: Mapping[str, Any], across: _Axis, along: _Axis) -> None:
    """Words beside a point; their offset is in pixels, downwards."""
    x, y = across.of([note["x"]])[0], along.of([note["y"]])[0]
    axes.annotate(
        text(note["text"]),
        (x, y),
        xytext=(0.75 * note.get("ax", 0), -0.75 * note.get("ay", 0)),
        textcoords="offset points",
        ha=note.get("xanchor", "center"),
        va="center",
        fontsize=7,
        arrowprops={"arrowstyle": "-", "linewidth": 0.5, "color": note.get("arrowcolor", "black")},
    )


def _legend(axes: Axes) -> tuple[Sequence[str], Sequence[Any]]:
    """Each name once."""
    handles, names = axes.get_legend_handles_labels()
    once = dict(zip(reversed(names), reversed(handles), strict=True))
    return list(reversed(once)), [once[name] for name in reversed(once)]


def text(words: str) -> str:
    """Plotly's text as matplotlib has it: line breaks, no tags, and no formulas between dollars."""
    lines = re.sub(r"<br\s*/?>", "\n", words)
    return html.unescape(re.sub(r"</?[a-z]+>", "", lines)).replace("$", r"\$")


def write(comparison: Comparison, chosen: Iterable[tuple[Section, Figure]], folder: Path) -> list[Path]:
    """Write figures into a folder, and `figures.tex`, which shows each with its caption and label; gives the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written, shown = [], [f"% {comparison.study}: every figure of its report; wants \\usepackage{{graphicx}}"]
    for section, figure in chosen:
        name = figure.key.replace("_", "-")
        for form, content in drawn(figure).items():
            written.append(folder / f"{name}.{form}")
            with replacing(written[-1]) as temporary:
                temporary.write_bytes(content)
        caption = " ".join(filter(None, (f"{section.title}: {figure.title}", figure.caption, about(comparison))))
        shown.append(
            f"\\begin{{figure}}\n  \\centering\n  \\includegraphics[width=\\linewidth]{{{name}.pdf}}\n"
            f"  \\caption{{{latex_text(caption)}}}\n  \\label{{fig:{label(comparison.study, name)}}}\n\\end{{figure}}"
        )
    written.append(folder / "figures.tex")
    write_text(written[-1], "\n\n".join(shown) + "\n")
    return written
