"""How the finals learnt, and how the search went before them."""

from itertools import accumulate

from harness.report.figures import Comparison, Figure, colour, downwards, finish, percents, symbol, times, whole_numbers
from harness.report.wording import setting, value


def curves(comparison: Comparison, measure: str) -> Figure:
    """Learning curves of the finals, "accuracy" or "loss": validation solid, training dotted, a dot where kept."""
    figure = Figure()
    scale = 100 if measure == "accuracy" else 1
    unit = " %" if measure == "accuracy" else ""
    for arm in comparison["arms"]:
        for i, history in enumerate(arm["history"]):
            epochs = history["epochs"]
            for part, dash in (("train", "dot"), ("validation", "solid")):
                figure.add_scatter(
                    x=[epoch["epoch"] for epoch in epochs],
                    y=[times(scale, epoch[f"{part}_{measure}"]) for epoch in epochs],
                    mode="lines+markers" if part == "validation" else "lines",
                    name=arm["arm"],
                    legendgroup=arm["arm"],
                    showlegend=i == 0 and part == "validation",
                    line={"color": colour(comparison, arm["arm"]), "dash": dash, "width": 1.5},
                    marker={
                        "symbol": symbol(comparison, arm["arm"]),
                        "size": [9 if epoch["epoch"] == history["best_epoch"] else 0 for epoch in epochs],
                    },
                    opacity=0.8,
                    hovertemplate=(
                        f"{arm['arm']}, seed {history['seed']}, epoch %{{x}}<br>{part} {measure} %{{y:.4~g}}{unit}"
                        "<extra></extra>"
                    ),
                )
    title = "accuracy, %" if measure == "accuracy" else "cross-entropy, nats"
    return finish(figure, height=380, xaxis=whole_numbers(_longest(comparison), "epoch"), yaxis={"title": title})


def search(comparison: Comparison) -> Figure:
    """Every trial's validation accuracy, and the best so far: crosses were pruned."""
    figure = Figure()
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
            y=percents(best),
            mode="lines",
            name=arm["arm"],
            legendgroup=arm["arm"],
            line=line,
            hovertemplate=f"{arm['arm']}: best %{{y:.2f}} % up to trial %{{x}}<extra></extra>",
        )
        figure.add_scatter(
            x=[trial["number"] for trial in trials],
            y=percents([trial["value"] for trial in trials]),
            customdata=[
                [trial["state"], "<br>".join(f"{setting(k)} {value(v)}" for k, v in trial["settings"].items())]
                for trial in trials
            ],
            mode="markers",
            name=arm["arm"],
            legendgroup=arm["arm"],
            showlegend=False,
            marker={
                "color": colour(comparison, arm["arm"]),
                "symbol": [
                    symbol(comparison, arm["arm"]) if trial["state"] == "complete" else "x-thin-open"
                    for trial in trials
                ],
                "size": 8,
                "opacity": 0.7,
            },
            hovertemplate=(
                f"{arm['arm']}, trial %{{x}} (%{{customdata[0]}}): %{{y:.2f}} %<br>%{{customdata[1]}}<extra></extra>"
            ),
        )
    return finish(
        figure,
        height=380,
        xaxis=whole_numbers(longest, "trial"),
        yaxis={"title": "validation accuracy, %"},
    )


def importances(comparison: Comparison) -> Figure:
    """Share of each searched setting in the variance of the validation score."""
    names = list(dict.fromkeys(name for arm in comparison["arms"] for name in arm["importances"]))
    names.sort(key=lambda name: -sum(arm["importances"].get(name, 0) for arm in comparison["arms"]))
    figure = Figure()
    for arm in comparison["arms"]:
        if not arm["importances"]:
            continue
        figure.add_bar(
            orientation="h",
            name=arm["arm"],
            y=[setting(name) for name in names],
            x=[times(100, arm["importances"].get(name)) for name in names],
            marker={"color": colour(comparison, arm["arm"])},
            hovertemplate=f"%{{y}}, {arm['arm']}: %{{x:.0f}} %<extra></extra>",
        )
    return finish(
        figure,
        height=max(380, 120 + len(names) * (12 + 14 * len(comparison["arms"]))),
        barmode="group",
        bargap=0.3,
        xaxis={"title": "share of the variance of the validation score, %", "rangemode": "tozero"},
        yaxis=downwards(len(names)),
    )


def _longest(comparison: Comparison) -> int:
    return max((len(history["epochs"]) for arm in comparison["arms"] for history in arm["history"]), default=1)
