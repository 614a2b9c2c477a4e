"""What went on in the layers while the finals were trained: gradients layer by step, scales and paths by layer.

Legend: L layers, N steps.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from harness.comparison.arm_model import ComparedArm, LayerCurves
from harness.comparison.model import Comparison
from harness.display.document import Figure, Group, Line, Section
from harness.display.wording import setting, value
from harness.report.figures import colour, figure, heatmap, scatter, symbol, whole_numbers

_TINY = 1e-12
Quantity = Literal["gradient", "scale", "path_ratio"]


def section(comparison: Comparison) -> Section:
    """A map of gradients for each arm, and lines by layer of all."""
    arms = [replace(arm, layers=_of_one_depth(arm)) for arm in comparison.arms if arm.layers]
    if not arms:
        return Section("layers")
    ends = _extremes(arms)
    about = (
        "Measured on the same training frames at each step; geometric means over seeds. Layer 1 sees the "
        "window, the last one gives the logits."
    )
    if comparison.n_searches > 1:
        about += " Of the finals that have the layers of the first search's."
    cells, caption = _of_last_value(comparison, arms)
    lines = [by_layer(comparison, cells, "scale", ("layers_scale", "Scale of a layer's output.", caption))]
    if any(np.isfinite(_mean(arm, "path_ratio")).any() for arm in cells):
        words = ("layers_paths", "Linear over non-linear part.", caption)
        lines.append(by_layer(comparison, cells, "path_ratio", words))
    maps = [gradients(arm, ends) for arm in arms]
    return Section("layers", "Layers", page=[Line(about), Group(maps, "columns"), Group(lines, "columns")])


def _of_last_value(comparison: Comparison, arms: Sequence[ComparedArm]) -> tuple[Sequence[ComparedArm], str]:
    """Of a sweep the cells at the last value that has any, for lines of all would hide each other; and the caption."""
    caption, sweep = "Dotted at the start, solid at the end.", comparison.sweep
    if sweep is None:
        return arms, caption
    values = {point.arm: point.value for curve in sweep.curves for point in curve.points}
    last = next(v for v in reversed(sweep.values) if any(values[arm.arm] == v for arm in arms))
    cells = [arm for arm in arms if values[arm.arm] == last]
    return cells, f"{caption} At {setting(sweep.key)} {value(last)} only."


def gradients(arm: ComparedArm, ends: tuple[float, float]) -> Figure:
    """Layer by step, decadic logarithm of the gradient norm; `ends` of the colours, alike for all arms."""
    norms = np.log10(np.maximum(_mean(arm, "gradient"), _TINY))
    n_layers = norms.shape[1]
    cells = heatmap(
        z=norms.T.round(3).tolist(),
        x=[str(step) for step in arm.layers[0].steps][: len(norms)],
        y=[str(i + 1) for i in range(n_layers)],
        zmin=ends[0],
        zmax=ends[1],
        colorscale="Viridis",
        colorbar={"title": {"text": "log₁₀"}, "thickness": 10},
        hovertemplate="layer %{y}, after %{x} updates<br>10^%{z:.2f}<extra></extra>",
    )
    return figure(
        f"gradients_{arm.arm}",
        f"{arm.arm}.",
        "Gradient norm of each layer.",
        [cells],
        height=max(220, min(480, 120 + 16 * n_layers)),
        xaxis={"title": "updates", "type": "category"},
        yaxis={"title": "layer", "type": "category"},
    )


def by_layer(
    comparison: Comparison, arms: Sequence[ComparedArm], quantity: Quantity, words: tuple[str, str, str]
) -> Figure:
    """A quantity of each layer, at the start and at the end.

    Args:
        words: key, title and caption.
    """
    traces = []
    for arm in arms:
        means = _mean(arm, quantity)
        for row, dash in ((0, "dot"), (-1, "solid")):
            layers = [i for i in range(means.shape[1]) if np.isfinite(means[row, i]) and means[row, i] > 0]
            line = scatter(
                x=[i + 1 for i in layers],
                y=[float(means[row, i]) for i in layers],
                mode="lines+markers",
                name=arm.arm,
                legendgroup=arm.arm,
                showlegend=dash == "solid" and bool(layers),
                line={"color": colour(comparison, arm.arm), "dash": dash},
                marker={"symbol": symbol(comparison, arm.arm), "size": 6},
                hovertemplate=f"{arm.arm}, layer %{{x}}<br>%{{y:.3g}}<extra></extra>",
            )
            traces.append(line)
    longest = max(_mean(arm, quantity).shape[1] for arm in arms)
    return figure(
        *words,
        traces,
        height=320,
        xaxis=whole_numbers(longest, "layer"),
        yaxis={"type": "log", "exponentformat": "power"},
    )


def _of_one_depth(arm: ComparedArm) -> tuple[LayerCurves, ...]:
    """The finals with the same layers as the first: several searches may have chosen several depths."""
    return tuple(run for run in arm.layers if run.names == arm.layers[0].names)


def _extremes(arms: Sequence[ComparedArm]) -> tuple[float, float]:
    values = np.concatenate([_mean(arm, "gradient").ravel() for arm in arms])
    logs = np.log10(np.maximum(values[np.isfinite(values)], _TINY))
    return (float(logs.min()), float(logs.max())) if len(logs) else (0.0, 1.0)


def _mean(arm: ComparedArm, quantity: Quantity) -> np.ndarray:
    """(N, L) over seeds, geometric; of the steps that all have."""
    runs = [np.array(getattr(run, quantity), float) for run in arm.layers]
    shortest = min(len(run) for run in runs)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean: np.ndarray = np.exp(np.mean([np.log(run[:shortest]) for run in runs], axis=0))
    return mean
