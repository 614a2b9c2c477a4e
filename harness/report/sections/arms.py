"""What each arm reached, cost and chose."""

from typing import Any

from harness.display.wording import ABSENT, count, rounded, seconds, setting, spread, value
from harness.report.figures import Comparison, Figure, colour, downwards, finish, percents, symbol
from harness.report.markup import Cell, Page, table
from harness.statistics.registry import display_order


def write(page: Page, comparison: Comparison) -> None:
    each = page.figure(
        "each_seed",
        seeds(comparison),
        "Each seed.",
        "A point is one training with its own seed, the stroke the arm's mean.",
    )
    kind = "beside" if len(comparison["arms"]) <= 2 else ""  # more arms take the whole width
    parts = f"<div>{_measures(comparison)}</div><div>{_chosen(comparison)}{each}</div>"
    page.section("arms", "Arms", f'<div class="{kind}">{parts}</div>')


def arm_cell(comparison: Comparison, arm: str) -> Cell:
    """An arm's name with its colour."""
    return Cell(arm, colour=colour(comparison, arm))


def headings(comparison: Comparison) -> list[str | Cell]:
    """A first column without a name, and one of numbers for each arm."""
    return ["", *(Cell(f">{arm['arm']}", colour=colour(comparison, arm["arm"])) for arm in comparison["arms"])]


def _measures(comparison: Comparison) -> str:
    """A row per measure, a column per arm; the best in bold."""
    arms = comparison["arms"]
    rows: list[list[str | Cell]] = []
    for metric in display_order():
        name = metric.name
        if name not in arms[0]["test"]:
            continue
        shown = _nats if name == "log_loss" else spread
        best = (min if metric.lower_is_better else max)(
            (arm["test"][name] for arm in arms), key=lambda values: values["mean"]
        )
        unit = ("nats" if name == "log_loss" else "%") + (" (less is better)" if metric.lower_is_better else "")
        texts = [shown(arm["test"][name]) for arm in arms]
        is_best = [len(arms) > 1 and text.split()[0] == shown(best).split()[0] for text in texts]  # as shown
        cells = [Cell(text, best=yes) for text, yes in zip(texts, is_best, strict=True)]
        rows.append([f"{metric.title}, {unit}", *cells])
    rows += [
        ["accuracy on validation, %", *(spread(arm["validation"]["accuracy"]) for arm in arms)],
        ["parameters", *(count(arm["parameters"]) for arm in arms)],
        ["FLOPs per frame", *(rounded(arm["flops_per_frame"]) for arm in arms)],
        ["seconds of a training", *(seconds(arm["seconds_training"]) for arm in arms)],
        ["frames per second in training", *(rounded(arm["frames_per_second"]) for arm in arms)],
    ]
    caption = "On the test split where nothing else is said: mean ± standard deviation over seeds. Best in bold."
    return table(caption, headings(comparison), rows)


def _chosen(comparison: Comparison) -> str:
    """Which settings the search gave each arm, a row per setting."""
    arms = comparison["arms"]
    names = list(dict.fromkeys(name for arm in arms for name in arm["chosen"]))
    rows: list[list[str | Cell]] = [
        [setting(name), *(value(arm["chosen"].get(name, ABSENT)) for arm in arms)] for name in names
    ]
    return table("What the search chose for each arm, on the validation split.", headings(comparison), rows)


def _nats(values: dict[str, Any]) -> str:
    return f"{values['mean']:.3f}" + (f" ± {values['std']:.3f}" if values["std"] is not None else "")


def seeds(comparison: Comparison) -> Figure:
    """Test accuracy of every seed, and each arm's mean as a bar across."""
    figure = Figure()
    for arm in comparison["arms"]:
        scores = arm["test"]["accuracy"]
        line = colour(comparison, arm["arm"])
        figure.add_scatter(
            x=percents(scores["per_seed"]),
            y=[arm["arm"]] * len(arm["seeds"]),
            customdata=arm["seeds"],
            mode="markers",
            marker={"color": line, "symbol": symbol(comparison, arm["arm"]), "size": 10, "opacity": 0.8},
            hovertemplate="%{y}, seed %{customdata}: %{x:.2f} %<extra></extra>",
        )
        figure.add_scatter(
            x=[100 * scores["mean"]],
            y=[arm["arm"]],
            mode="markers",
            marker={"symbol": "line-ns-open", "size": 26, "line": {"width": 3}, "color": line},
            hovertemplate="%{y}, mean: %{x:.2f} %<extra></extra>",
        )
    return finish(
        figure,
        height=75 + 40 * len(comparison["arms"]),
        showlegend=False,
        xaxis={"title": "test accuracy, %"},
        yaxis=downwards([arm["arm"] for arm in comparison["arms"]]),
    )
