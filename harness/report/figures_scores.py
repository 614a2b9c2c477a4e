"""Scores and their differences, of arms and of phonemes."""

from typing import Any

from harness.report.figures import (
    Comparison,
    Figure,
    by_class,
    colour,
    downwards,
    finish,
    forest,
    from_zero,
    percents,
    rows_of,
)
from harness.report.wording import METRICS

_PHONEME_MARGIN = {"l": 10, "r": 12, "t": 50, "b": 40}


def seeds(comparison: Comparison) -> Figure:
    """Test accuracy of every seed, and each arm's mean as a bar across."""
    figure = Figure()
    for arm in comparison["arms"]:
        scores = arm["test"]["accuracy"]
        figure.add_scatter(
            x=percents(scores["per_seed"]),
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
    return finish(
        figure,
        height=70 + 40 * len(comparison["arms"]),
        showlegend=False,
        xaxis={"title": "test accuracy, %"},
        yaxis=downwards(len(comparison["arms"])),
    )


def differences(comparison: Comparison) -> Figure:
    """A forest: each arm's difference to the baseline in each metric, with its interval; filled where it is shown."""
    figure = Figure()
    against = [pair for pair in comparison["pairs"] if pair["b"] == comparison["baseline"]]
    arms = list(dict.fromkeys(pair["a"] for pair in against))
    for arm in arms:
        pairs = [pair for pair in against if pair["a"] == arm]
        metrics = [METRICS[pair["metric"]] for pair in pairs]
        forest(
            figure,
            pairs,
            metrics if len(arms) == 1 else [metrics, [arm] * len(pairs)],
            [f"{METRICS[pair['metric']]}: {pair['verdict']}" for pair in pairs],
            colour(comparison, arm),
        )
    n_rows = len(against)
    return finish(
        figure,
        height=80 + 30 * n_rows,
        showlegend=False,
        xaxis=from_zero(f"points above {comparison['baseline']}"),
        yaxis=downwards(n_rows, two_levels=len(arms) > 1),
    )


def phoneme_bars(comparison: Comparison) -> Figure:
    """F1 of every phoneme and arm."""
    support = {row["phoneme"]: row["support"] for row in comparison["arms"][0]["phonemes"]}
    order = [name for name in by_class(comparison) if support[name]]
    rows = rows_of(comparison, order)
    figure = Figure()
    for arm in comparison["arms"]:
        of_phoneme = {row["phoneme"]: row for row in arm["phonemes"]}
        figure.add_bar(
            orientation="h",
            name=arm["arm"],
            y=rows,
            x=percents([of_phoneme[name]["f1"] for name in order]),
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
    return finish(
        figure,
        height=_phoneme_height(comparison),
        barmode="group",
        bargap=0.3,
        xaxis={"title": "F1, %", "range": [0, 100], "side": "top", "automargin": False},
        yaxis=downwards(len(order), two_levels=bool(comparison["broad"])),
        margin=_PHONEME_MARGIN,
        legend={"orientation": "h", "x": 0, "y": 0, "yanchor": "top", "traceorder": "normal"},
    )


def phoneme_differences(comparison: Comparison, found: dict[str, Any]) -> Figure:
    """A forest over phonemes for one pair; filled where the difference survives the correction for their number."""
    of_phoneme = {row["phoneme"]: row for row in found["phonemes"]}
    order = [name for name in by_class(comparison) if name in of_phoneme]
    figure = Figure()
    forest(
        figure,
        [of_phoneme[name] for name in order],
        rows_of(comparison, order),
        [f"{name}: {'shown' if of_phoneme[name]['survives'] else 'not shown'}" for name in order],
        colour(comparison, found["a"]),
    )
    return finish(
        figure,
        height=_phoneme_height(comparison),
        showlegend=False,
        xaxis=from_zero(f"points of F1, {found['a']} above {found['b']}") | {"side": "top", "automargin": False},
        yaxis=downwards(len(order), two_levels=bool(comparison["broad"])),
        margin=_PHONEME_MARGIN,
    )


def _phoneme_height(comparison: Comparison) -> int:
    return 90 + len(comparison["phonemes"]) * (10 + 6 * max(2, len(comparison["arms"])))
