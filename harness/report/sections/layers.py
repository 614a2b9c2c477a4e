"""What went on in the layers while the finals were trained: gradients layer by step, scales and paths by layer."""

from typing import Any

import numpy as np

from harness.display.wording import setting, value
from harness.report.figures import Comparison, Figure, colour, finish, symbol, whole_numbers
from harness.report.markup import Page, columns

_TINY = 1e-12


def write(page: Page, comparison: Comparison) -> None:
    arms = [arm for arm in comparison["arms"] if arm.get("layers")]
    if not arms:
        return
    ends = _extremes(arms)
    maps = [
        page.figure(f"gradients_{arm['arm']}", gradients(arm, ends), f"{arm['arm']}.", "Gradient norm of each layer.")
        for arm in arms
    ]
    told = _ENDS
    if sweep := comparison.get("sweep"):  # lines of all its cells would hide each other
        values = {point["arm"]: point["value"] for curve in sweep["curves"] for point in curve["points"]}
        last = next(v for v in reversed(sweep["values"]) if any(values[arm["arm"]] == v for arm in arms))
        arms = [arm for arm in arms if values[arm["arm"]] == last]
        told += f" At {setting(sweep['key'])} {value(last)} only."
    has_paths = any(np.isfinite(_mean(arm, "path_ratio")).any() for arm in arms)
    page.section(
        "layers",
        "Layers",
        "<p>Seen on the same few training frames, after so many updates; geometric means over seeds. Layer 1 sees the "
        "window, the last one gives the logits.</p>",
        columns(*maps),
        columns(
            page.figure("layers_scale", by_layer(comparison, arms, "scale"), "Scale of a layer's output.", told),
            page.figure("layers_paths", by_layer(comparison, arms, "path_ratio"), "Linear over non-linear path.", told)
            if has_paths
            else "",
        ),
    )


_ENDS = "At the start dotted, at the end solid."


def gradients(arm: dict[str, Any], ends: tuple[float, float]) -> Figure:
    """Layer by step, decadic logarithm of the gradient norm; `ends` of the colours, alike for all arms."""
    seen, figure = np.log10(np.maximum(_mean(arm, "gradient"), _TINY)), Figure()
    steps = [str(step) for step in arm["layers"][0]["steps"]]
    n_layers = seen.shape[1]
    figure.add_heatmap(
        z=seen.T.round(3).tolist(),
        x=steps[: len(seen)],
        y=[str(i + 1) for i in range(n_layers)],
        zmin=ends[0],
        zmax=ends[1],
        colorscale="Viridis",
        colorbar={"title": {"text": "log₁₀"}, "thickness": 10},
        hovertemplate="layer %{y}, after %{x} updates<br>10^%{z:.2f}<extra></extra>",
    )
    return finish(
        figure,
        height=max(220, min(480, 120 + 16 * n_layers)),
        xaxis={"title": "updates", "type": "category"},
        yaxis={"title": "layer", "type": "category"},
    )


def by_layer(comparison: Comparison, arms: list[dict[str, Any]], name: str) -> Figure:
    """A quantity of each layer, at the start and at the end."""
    figure = Figure()
    for arm in arms:
        seen = _mean(arm, name)
        for row, dash in ((0, "dot"), (-1, "solid")):
            layers = [i for i in range(seen.shape[1]) if np.isfinite(seen[row, i]) and seen[row, i] > 0]
            figure.add_scatter(
                x=[i + 1 for i in layers],
                y=[float(seen[row, i]) for i in layers],
                mode="lines+markers",
                name=arm["arm"],
                legendgroup=arm["arm"],
                showlegend=dash == "solid" and bool(layers),
                line={"color": colour(comparison, arm["arm"]), "dash": dash},
                marker={"symbol": symbol(comparison, arm["arm"]), "size": 6},
                hovertemplate=f"{arm['arm']}, layer %{{x}}<br>%{{y:.3g}}<extra></extra>",
            )
    longest = max(_mean(arm, name).shape[1] for arm in arms)
    return finish(
        figure, height=320, xaxis=whole_numbers(longest, "layer"), yaxis={"type": "log", "exponentformat": "power"}
    )


def _extremes(arms: list[dict[str, Any]]) -> tuple[float, float]:
    values = np.concatenate([_mean(arm, "gradient").ravel() for arm in arms])
    logs = np.log10(np.maximum(values[np.isfinite(values)], _TINY))
    return (float(logs.min()), float(logs.max())) if len(logs) else (0.0, 1.0)


def _mean(arm: dict[str, Any], name: str) -> np.ndarray:
    """(N, L) over seeds, geometric; of the steps that all have."""
    runs = [np.array(run[name], float) for run in arm["layers"]]
    shortest = min(len(run) for run in runs)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.exp(np.mean([np.log(run[:shortest]) for run in runs], axis=0))
