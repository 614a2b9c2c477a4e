"""The figures of the page, made with plotly, of which this is the only importer. Numbers come from the comparison.

Figures carry no background, text or scale colours: the page's script adds those of the light or the dark theme. Arms
have the same colour everywhere, one that stands out on both, and differ in a second sign too (dash, symbol or place).

Legend: C classes.
"""

import math
from itertools import accumulate
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from harness.report.wording import METRICS, interval, points, setting

Comparison = dict[str, Any]

COLOURS = ("#3a86d9", "#d9730d", "#1f9d6c", "#a45ee5", "#d94f87", "#8a7a2e", "#0f97a8", "#7c8796")
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "star", "pentagon", "hexagon", "cross")
RATES = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0)
"""Where the colours of a confusion matrix stand: closer for small rates, since errors are small and spread out."""

_SONORITY = ("vowel", "diphthong", "liquid/glide", "nasal", "fricative", "affricate", "plosive", "silence")


def script() -> str:
    """plotly.js itself."""
    return get_plotlyjs()


def colour(comparison: Comparison, arm: str) -> str:
    """An arm's colour."""
    return COLOURS[_place(comparison, arm) % len(COLOURS)]


def _symbol(comparison: Comparison, arm: str) -> str:
    return SYMBOLS[_place(comparison, arm) % len(SYMBOLS)]


def _place(comparison: Comparison, arm: str) -> int:
    return [row["arm"] for row in comparison["arms"]].index(arm)


def seeds(comparison: Comparison) -> go.Figure:
    """Test accuracy of every seed, and each arm's mean as a bar across."""
    figure = go.Figure()
    for arm in comparison["arms"]:
        scores = arm["test"]["accuracy"]
        figure.add_scatter(
            x=_percent(scores["per_seed"]),
            y=[arm["arm"]] * len(arm["seeds"]),
            customdata=arm["seeds"],
            mode="markers",
            marker={"color": colour(comparison, arm["arm"]), "size": 10, "opacity": 0.75},
            hovertemplate="%{y}, seed %{customdata}: %{x:.2f} %<extra></extra>",
        )
        figure.add_scatter(
            x=[100 * scores["mean"]],
            y=[arm["arm"]],
            mode="markers",
            marker={
                "symbol": "line-ns-open",
                "size": 26,
                "line": {"width": 3},
                "color": colour(comparison, arm["arm"]),
            },
            hovertemplate="%{y}, mean: %{x:.2f} %<extra></extra>",
        )
    return _finish(
        figure,
        height=70 + 40 * len(comparison["arms"]),
        showlegend=False,
        xaxis={"title": "test accuracy, %"},
        yaxis=_downwards(len(comparison["arms"])),
    )


def differences(comparison: Comparison) -> go.Figure:
    """A forest: each arm's difference to the baseline in each metric, with its interval; filled where it is shown."""
    figure = go.Figure()
    arms = list(dict.fromkeys(pair["a"] for pair in comparison["pairs"]))
    for arm in arms:
        pairs = [pair for pair in comparison["pairs"] if pair["a"] == arm]
        metrics = [METRICS[pair["metric"]] for pair in pairs]
        _forest(
            figure,
            pairs,
            metrics if len(arms) == 1 else [metrics, [arm] * len(pairs)],
            [f"{METRICS[pair['metric']]}: {pair['verdict']}" for pair in pairs],
            colour(comparison, arm),
        )
    n_rows = len(comparison["pairs"])
    return _finish(
        figure,
        height=80 + 30 * n_rows,
        showlegend=False,
        xaxis=_from_zero(f"points above {comparison['baseline']}"),
        yaxis=_downwards(n_rows, two_levels=len(arms) > 1),
    )


def phoneme_bars(comparison: Comparison) -> go.Figure:
    """F1 of every phoneme and arm."""
    support = {row["phoneme"]: row["support"] for row in comparison["arms"][0]["phonemes"]}
    order = [name for name in by_class(comparison) if support[name]]
    rows = _rows(comparison, order)
    figure = go.Figure()
    for arm in comparison["arms"]:
        of_phoneme = {row["phoneme"]: row for row in arm["phonemes"]}
        figure.add_bar(
            orientation="h",
            name=arm["arm"],
            y=rows,
            x=_percent([of_phoneme[name]["f1"] for name in order]),
            customdata=[
                [
                    100 * of_phoneme[name]["precision"],
                    100 * of_phoneme[name]["recall"],
                    of_phoneme[name]["support"],
                    name,
                ]
                for name in order
            ],
            marker={"color": colour(comparison, arm["arm"])},
            hovertemplate=(
                "<b>%{customdata[3]}</b>, " + arm["arm"] + ": F1 %{x:.2f} %<br>precision %{customdata[0]:.2f} %, "
                "recall %{customdata[1]:.2f} %<br>%{customdata[2]:,} frames<extra></extra>"
            ),
        )
    return _finish(
        figure,
        height=_phoneme_height(comparison),
        barmode="group",
        bargap=0.3,
        xaxis={"title": "F1, %", "range": [0, 100], "side": "top", "automargin": False},
        yaxis=_downwards(len(order), two_levels=bool(comparison["broad"])),
        margin=_PHONEME_MARGIN,
        legend={"orientation": "h", "x": 0, "y": 0, "yanchor": "top", "traceorder": "normal"},
    )


def phoneme_differences(comparison: Comparison, found: dict[str, Any]) -> go.Figure:
    """A forest over phonemes for one pair; filled where the difference survives the correction for their number."""
    of_phoneme = {row["phoneme"]: row for row in found["phonemes"]}
    order = [name for name in by_class(comparison) if name in of_phoneme]
    figure = go.Figure()
    _forest(
        figure,
        [of_phoneme[name] for name in order],
        _rows(comparison, order),
        [f"{name}: {'shown' if of_phoneme[name]['survives'] else 'not shown'}" for name in order],
        colour(comparison, found["a"]),
    )
    return _finish(
        figure,
        height=_phoneme_height(comparison),
        showlegend=False,
        xaxis=_from_zero(f"points of F1, {found['a']} above {found['b']}") | {"side": "top", "automargin": False},
        yaxis=_downwards(len(order), two_levels=bool(comparison["broad"])),
        margin=_PHONEME_MARGIN,
    )


def confusion(comparison: Comparison, arm: dict[str, Any]) -> go.Figure:
    """(C, C) share of the true phoneme's frames, on a scale that all arms share."""
    order = by_class(comparison)
    counts = _ordered(arm, order)
    figure = go.Figure(
        go.Heatmap(
            z=_rates(counts),
            x=order,
            y=order,
            customdata=counts,
            coloraxis="coloraxis",
            hovertemplate=(
                "true <b>%{y}</b>, taken for <b>%{x}</b><br>%{z:.2%} of the frames of %{y}<br>%{customdata:,} frames"
                f"<extra>{arm['arm']}</extra>"
            ),
        )
    )
    return _matrix(figure, comparison, order, 0.0, 1.0)


def confusion_difference(comparison: Comparison, a: dict[str, Any], b: dict[str, Any]) -> go.Figure:
    """(C, C) rate of arm a less rate of arm b."""
    order = by_class(comparison)
    counts = [_ordered(arm, order) for arm in (a, b)]
    rates = [_rates(c) for c in counts]
    figure = go.Figure(
        go.Heatmap(
            z=rates[0] - rates[1],
            x=order,
            y=order,
            customdata=np.stack([*rates, *counts], axis=-1),
            coloraxis="coloraxis",
            hovertemplate=(
                "true <b>%{y}</b>, taken for <b>%{x}</b><br>"
                f"{a['arm']} %{{customdata[0]:.2%}} (%{{customdata[2]:,}} frames)<br>"
                f"{b['arm']} %{{customdata[1]:.2%}} (%{{customdata[3]:,}} frames)"
                "<extra>%{z:+.2%}</extra>"
            ),
        )
    )
    limit = difference_limit(comparison)
    return _matrix(figure, comparison, order, -limit, limit)


def difference_limit(comparison: Comparison) -> float:
    """Where the colours of the differences end, a whole point, alike for all pairs: what 1 cell in 100 exceeds."""
    arms = {arm["arm"]: _rates(np.array(arm["confusion"]["counts"])) for arm in comparison["arms"]}
    sizes = [np.abs(arms[pair["a"]] - arms[pair["b"]]) for pair in comparison["phoneme_differences"]]
    return max(1, math.ceil(100 * np.quantile(sizes, 0.99))) / 100 if sizes else 0.01


def curves(comparison: Comparison, measure: str) -> go.Figure:
    """Learning curves of the finals, "accuracy" or "loss": validation solid, training dotted, a dot where kept."""
    figure = go.Figure()
    scale = 100 if measure == "accuracy" else 1
    unit = " %" if measure == "accuracy" else ""
    for arm in comparison["arms"]:
        for i, history in enumerate(arm["history"]):
            epochs = history["epochs"]
            for part, dash in (("train", "dot"), ("validation", "solid")):
                figure.add_scatter(
                    x=[epoch["epoch"] for epoch in epochs],
                    y=[_times(scale, epoch[f"{part}_{measure}"]) for epoch in epochs],
                    mode="lines+markers" if part == "validation" else "lines",
                    name=arm["arm"],
                    legendgroup=arm["arm"],
                    showlegend=i == 0 and part == "validation",
                    line={"color": colour(comparison, arm["arm"]), "dash": dash, "width": 1.5},
                    marker={
                        "symbol": _symbol(comparison, arm["arm"]),
                        "size": [9 if epoch["epoch"] == history["best_epoch"] else 0 for epoch in epochs],
                    },
                    opacity=0.8,
                    hovertemplate=(
                        f"{arm['arm']}, seed {history['seed']}, epoch %{{x}}<br>{part} {measure} %{{y:.4~g}}{unit}"
                        "<extra></extra>"
                    ),
                )
    title = "accuracy, %" if measure == "accuracy" else "cross-entropy, nats"
    return _finish(figure, height=380, xaxis=_whole_numbers(_longest(comparison), "epoch"), yaxis={"title": title})


def search(comparison: Comparison) -> go.Figure:
    """Every trial's validation accuracy, and the best so far: crosses were pruned."""
    figure = go.Figure()
    longest = 0
    for arm in comparison["arms"]:
        trials = [trial for trial in arm["search"] if trial["value"] is not None]
        longest = max(longest, *(trial["number"] for trial in arm["search"]), 0) if arm["search"] else longest
        if not trials:
            continue
        complete = [trial for trial in trials if trial["state"] == "complete"]
        best = list(accumulate((trial["value"] for trial in complete), max))
        line = {"color": colour(comparison, arm["arm"]), "shape": "hv", "width": 2}
        figure.add_scatter(
            x=[trial["number"] for trial in complete],
            y=_percent(best),
            mode="lines",
            name=arm["arm"],
            legendgroup=arm["arm"],
            line=line,
            hovertemplate=f"{arm['arm']}: best %{{y:.2f}} % up to trial %{{x}}<extra></extra>",
        )
        figure.add_scatter(
            x=[trial["number"] for trial in trials],
            y=_percent([trial["value"] for trial in trials]),
            customdata=[
                [trial["state"], "<br>".join(f"{setting(k)} {_short(v)}" for k, v in trial["settings"].items())]
                for trial in trials
            ],
            mode="markers",
            name=arm["arm"],
            legendgroup=arm["arm"],
            showlegend=False,
            marker={
                "color": colour(comparison, arm["arm"]),
                "symbol": [
                    _symbol(comparison, arm["arm"]) if trial["state"] == "complete" else "x-thin-open"
                    for trial in trials
                ],
                "size": 8,
                "opacity": 0.7,
            },
            hovertemplate=(
                f"{arm['arm']}, trial %{{x}} (%{{customdata[0]}}): %{{y:.2f}} %<br>%{{customdata[1]}}<extra></extra>"
            ),
        )
    return _finish(
        figure,
        height=380,
        xaxis=_whole_numbers(longest, "trial"),
        yaxis={"title": "validation accuracy, %"},
    )


def importances(comparison: Comparison) -> go.Figure:
    """Share of each searched setting in the variance of the validation score."""
    names = list(dict.fromkeys(name for arm in comparison["arms"] for name in arm["importances"]))
    names.sort(key=lambda name: -sum(arm["importances"].get(name, 0) for arm in comparison["arms"]))
    figure = go.Figure()
    for arm in comparison["arms"]:
        if not arm["importances"]:
            continue
        figure.add_bar(
            orientation="h",
            name=arm["arm"],
            y=[setting(name) for name in names],
            x=[_times(100, arm["importances"].get(name)) for name in names],
            marker={"color": colour(comparison, arm["arm"])},
            hovertemplate=f"%{{y}}, {arm['arm']}: %{{x:.0f}} %<extra></extra>",
        )
    return _finish(
        figure,
        height=max(380, 120 + len(names) * (12 + 14 * len(comparison["arms"]))),
        barmode="group",
        bargap=0.3,
        xaxis={"title": "share of the variance of the validation score, %", "rangemode": "tozero"},
        yaxis=_downwards(len(names)),
    )


def by_class(comparison: Comparison) -> list[str]:
    """The phonemes, broad class by broad class, from open to closed; those without a class keep their order, last."""
    broad = comparison["broad"]
    classes = [*_SONORITY, *(name for name in dict.fromkeys(broad.values()) if name not in _SONORITY)]
    return sorted(
        comparison["phonemes"], key=lambda name: classes.index(broad[name]) if name in broad else len(classes)
    )


def _forest(figure: go.Figure, found: list[dict], rows: list[Any], labels: list[str], line: str) -> None:
    """Points with intervals; hollow where the interval covers zero or the correction takes the finding back."""
    shown = [row["survives"] if "survives" in row else _excludes_zero(row) for row in found]
    no_interval = [row["low"] is None for row in found]
    figure.add_scatter(
        x=_percent([row["difference"] for row in found]),
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


def _rows(comparison: Comparison, names: list[str]) -> list[Any]:
    """Labels of phonemes on two levels, broad class and phoneme; on one where no class is known."""
    broad = comparison["broad"]
    return [[broad.get(name, "other") for name in names], names] if broad else names


def _downwards(n_rows: int, *, two_levels: bool = False) -> dict[str, Any]:
    """An axis of names, the first on top, each with the same height."""
    return {"type": "multicategory" if two_levels else "category", "range": [n_rows - 0.5, -0.5], "dividerwidth": 1}


def _from_zero(title: str) -> dict[str, Any]:
    return {"title": title, "rangemode": "tozero", "zeroline": True, "zerolinewidth": 2}


_PHONEME_MARGIN = {"l": 10, "r": 12, "t": 50, "b": 40}


def _phoneme_height(comparison: Comparison) -> int:
    return 90 + len(comparison["phonemes"]) * (10 + 6 * max(2, len(comparison["arms"])))


def _matrix(figure: go.Figure, comparison: Comparison, order: list[str], low: float, high: float) -> go.Figure:
    """Square, true phonemes down, thin lines between broad classes."""
    classes = [comparison["broad"].get(name) for name in order]
    ends = (-0.5, len(order) - 0.5)
    lines = []
    for i in range(1, len(order)):
        if classes[i] != classes[i - 1]:
            lines.append({"x0": i - 0.5, "x1": i - 0.5, "y0": ends[0], "y1": ends[1]})
            lines.append({"y0": i - 0.5, "y1": i - 0.5, "x0": ends[0], "x1": ends[1]})
    axis = {"type": "category", "tickfont": {"size": 9}, "showgrid": False, "dtick": 1, "tickmode": "linear"}
    return _finish(
        figure,
        shapes=[line | {"type": "line", "line": {"width": 0.5}, "opacity": 0.5} for line in lines],
        coloraxis={"cmin": low, "cmax": high, "showscale": False},
        xaxis=axis | {"title": "taken for", "tickangle": -90},
        yaxis=axis | {"title": "true", "autorange": "reversed"},
        margin={"l": 50, "r": 4, "t": 4, "b": 50},
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


def _longest(comparison: Comparison) -> int:
    return max((len(history["epochs"]) for arm in comparison["arms"] for history in arm["history"]), default=1)


def _whole_numbers(longest: int, title: str) -> dict[str, Any]:
    return {"title": title, "dtick": 1} if longest <= 20 else {"title": title}


def _percent(fractions: Any) -> list[float | None]:
    return [_times(100, fraction) for fraction in fractions]


def _times(scale: float, value: float | None) -> float | None:
    return None if value is None else scale * float(value)


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _finish(figure: go.Figure, **layout: Any) -> go.Figure:
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
