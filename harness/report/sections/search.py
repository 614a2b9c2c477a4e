"""The search of each arm: every trial, and what mattered."""

from itertools import accumulate

from harness.display.wording import count, percent, seconds, setting, value
from harness.report.figures import (
    Comparison,
    Figure,
    bar,
    colour,
    downwards,
    finish,
    percents,
    symbol,
    times,
    whole_numbers,
)
from harness.report.markup import Cell, Page, columns, table
from harness.report.sections.arms import arm_cell


def write(page: Page, comparison: Comparison) -> None:
    arms = [arm for arm in comparison["arms"] if arm["search"]]
    if not arms:
        return
    rows: list[list[str | Cell]] = [
        [
            arm_cell(comparison, arm["arm"]),
            *(count(sum(t["state"] == state for t in arm["search"])) for state in ("complete", "pruned", "failed")),
            count(arm["search_frames"]),
            seconds(arm["search_seconds"]),
            percent(max((t["value"] for t in arm["search"] if t["state"] == "complete"), default=None)),
        ]
        for arm in arms
    ]
    headings = ["arm", ">complete", ">pruned", ">failed", ">frames spent", ">seconds", ">best, %"]
    page.section(
        "search",
        "Search",
        table("What the search spent on each arm, and what it found on validation.", headings, rows),
        ""
        if comparison.get("sweep")  # too many cells to be told apart
        else columns(
            page.figure(
                "search_history",
                history(comparison),
                "Every trial.",
                "The line is the best so far; a cross was pruned.",
            ),
            page.figure(
                "importances",
                importances(comparison),
                "What mattered.",
                "Each setting's share in the variance of the trials' scores (fANOVA).",
            )
            if any(arm["importances"] for arm in arms)
            else "",
        ),
    )


def history(comparison: Comparison) -> Figure:
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
        line = colour(comparison, arm["arm"])
        own = symbol(comparison, arm["arm"])
        figure.add_scatter(
            x=[trial["number"] for trial in complete],
            y=percents(best),
            mode="lines",
            showlegend=False,
            legendgroup=arm["arm"],
            line={"color": line, "shape": "hv", "width": 2},
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
            marker={
                "color": line,
                "symbol": [own if trial["state"] == "complete" else "x-thin-open" for trial in trials],
                "size": 9,
                "opacity": 0.8,
            },
            hovertemplate=(
                f"{arm['arm']}, trial %{{x}} (%{{customdata[0]}}): %{{y:.2f}} %<br>%{{customdata[1]}}<extra></extra>"
            ),
        )
    return finish(figure, height=380, xaxis=whole_numbers(longest, "trial"), yaxis={"title": "validation accuracy, %"})


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
            marker=bar(comparison, arm["arm"]),
            hovertemplate=f"%{{y}}, {arm['arm']}: %{{x:.0f}} %<extra></extra>",
        )
    return finish(
        figure,
        height=max(380, 120 + len(names) * (12 + 14 * len(comparison["arms"]))),
        barmode="group",
        bargap=0.3,
        xaxis={"title": "share of the variance, %", "rangemode": "tozero"},
        yaxis=downwards([setting(name) for name in names]),
    )
