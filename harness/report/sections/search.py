"""The search of each arm: every trial, and what mattered."""

from collections.abc import Sequence
from itertools import accumulate

from harness.comparison.arm_model import ComparedArm
from harness.comparison.model import Comparison
from harness.display.document import Columns, Figure, Group, Row, Section, Table, numbers
from harness.display.wording import count, percent, seconds, setting, value
from harness.report.figures import (
    bars,
    colour,
    downwards,
    figure,
    fill,
    percents,
    scatter,
    symbol,
    times,
    whole_numbers,
)
from harness.report.sections.arms import arm_cell


def section(comparison: Comparison) -> Section:
    """A table, and figures of every trial; nothing where nothing was searched."""
    arms = [arm for arm in comparison.arms if arm.search]
    if not arms:
        return Section("search")
    figures = [history(comparison, arms)]
    if any(arm.importances for arm in arms):
        figures.append(importances(comparison))
    # the cells of a sweep are too many to be told apart
    plots = [] if comparison.sweep else [Group(figures, "columns")]
    return Section("search", "Search", page=[_table(comparison, arms), *plots])


def _table(comparison: Comparison, arms: Sequence[ComparedArm]) -> Table:
    rows: list[Row] = [
        [
            arm_cell(comparison, arm.arm),
            *(count(sum(t.state == state for t in arm.search)) for state in ("complete", "pruned", "failed")),
            count(arm.search_frames),
            seconds(arm.search_seconds),
            percent(max((t.value or 0.0 for t in arm.search if t.state == "complete"), default=None)),
        ]
        for arm in arms
    ]
    columns: Columns = ["arm", *numbers("complete", "pruned", "failed", "frames spent", "seconds", "best, %")]
    return Table(columns, rows, "Cost of each arm's search, and its best result on validation.")


def history(comparison: Comparison, arms: Sequence[ComparedArm]) -> Figure:
    """Every trial's validation accuracy, and the best so far: crosses were pruned."""
    traces = []
    for arm in arms:
        trials = [trial for trial in arm.search if trial.value is not None]
        if not trials:
            continue
        complete = [trial for trial in trials if trial.state == "complete"]
        best: list[float] = list(accumulate((trial.value or 0.0 for trial in complete), max))
        line, own = colour(comparison, arm.arm), symbol(comparison, arm.arm)
        traces += [
            scatter(
                x=[trial.number for trial in complete],
                y=percents(best),
                mode="lines",
                showlegend=False,
                legendgroup=arm.arm,
                line={"color": line, "shape": "hv", "width": 2},
                hovertemplate=f"{arm.arm}: best %{{y:.2f}} % up to trial %{{x}}<extra></extra>",
            ),
            scatter(
                x=[trial.number for trial in trials],
                y=percents(trial.value for trial in trials),
                customdata=[
                    [trial.state, "<br>".join(f"{setting(k)} {value(v)}" for k, v in trial.settings.items())]
                    for trial in trials
                ],
                mode="markers",
                name=arm.arm,
                legendgroup=arm.arm,
                marker={
                    "color": line,
                    "symbol": [own if trial.state == "complete" else "x-thin-open" for trial in trials],
                    "size": 9,
                    "opacity": 0.8,
                },
                hovertemplate=(
                    f"{arm.arm}, trial %{{x}} (%{{customdata[0]}}): %{{y:.2f}} %<br>%{{customdata[1]}}<extra></extra>"
                ),
            ),
        ]
    return figure(
        "search_history",
        "Every trial.",
        "The line is the best so far; a cross was pruned.",
        traces,
        height=380,
        xaxis=whole_numbers(max(trial.number for arm in arms for trial in arm.search), "trial"),
        yaxis={"title": "validation accuracy, %"},
    )


def importances(comparison: Comparison) -> Figure:
    """Importance of each searched setting for the validation score (PED-ANOVA)."""
    arms = comparison.arms
    names = list(dict.fromkeys(name for arm in arms for name in arm.importances))
    names.sort(key=lambda name: -sum(arm.importances.get(name, 0) for arm in arms))
    titles = [setting(name) for name in names]
    traces = [
        bars(
            orientation="h",
            name=arm.arm,
            y=titles,
            x=[times(100, arm.importances.get(name)) for name in names],
            marker=fill(comparison, arm.arm),
            hovertemplate=f"%{{y}}, {arm.arm}: %{{x:.0f}} %<extra></extra>",
        )
        for arm in arms
        if arm.importances
    ]
    return figure(
        "importances",
        "Importance of the settings.",
        "Share of each setting in what decides a good score (PED-ANOVA), from 20 trials of an arm or more.",
        traces,
        height=max(380, 120 + len(names) * (12 + 14 * len(arms))),
        barmode="group",
        bargap=0.3,
        xaxis={"title": "importance (PED-ANOVA), %", "rangemode": "tozero"},
        yaxis=downwards(titles),
    )
