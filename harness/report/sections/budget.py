"""The arms at equal tuning effort: what the best of so many random trials scores."""

from typing import Any

from harness.display.wording import counted, percent, rounded
from harness.report.figures import Comparison, Figure, colour, finish, percents, symbol, whole_numbers
from harness.report.markup import Cell, Page, columns, table


def write(page: Page, comparison: Comparison) -> None:
    arms = _searched(comparison)
    if not arms:
        return
    level = f"{100 * comparison['level']:g} %"
    page.section(
        "budget",
        "Budget",
        columns(
            page.figure(
                "effort",
                effort(comparison),
                "The best of so many trials.",
                f"Expected validation accuracy. Shaded: {level} band of the median, where the trials bound it.",
            ),
            f"<div>{_table(comparison)}</div>",
        ),
    )


def _searched(comparison: Comparison) -> list[dict[str, Any]]:
    return [arm for arm in comparison["arms"] if arm.get("effort", {}).get("curve")]


def effort(comparison: Comparison) -> Figure:
    """Expected best of k random trials, and the band of the median best; an end that no trial bounds is not drawn."""
    figure = Figure()
    longest = 1
    for arm in _searched(comparison):
        curve = arm["effort"]["curve"]
        longest = max(longest, len(curve))
        line = colour(comparison, arm["arm"])
        bounded = [row for row in curve if row["low"] is not None and row["high"] is not None]
        if bounded:
            ks = [row["trials"] for row in bounded]
            figure.add_scatter(
                x=ks + ks[::-1],
                y=percents([row["high"] for row in bounded] + [row["low"] for row in reversed(bounded)]),
                mode="lines",
                fill="toself",
                fillcolor=f"rgba({', '.join(str(int(line[i : i + 2], 16)) for i in (1, 3, 5))}, 0.18)",
                line={"color": line, "width": 0.75, "dash": "dot"},
                legendgroup=arm["arm"],
                showlegend=False,
                hoverinfo="skip",
            )
        figure.add_scatter(
            x=[row["trials"] for row in curve],
            y=percents([row["expected"] for row in curve]),
            customdata=[[percent(row["median"]), _band(row)] for row in curve],
            mode="lines+markers",
            name=arm["arm"],
            legendgroup=arm["arm"],
            line={"color": line, "width": 2},
            marker={"symbol": symbol(comparison, arm["arm"]), "size": 8},
            hovertemplate=(
                f"{arm['arm']}, best of %{{x}}: expected %{{y:.2f}} %<br>median %{{customdata[0]}} (%{{customdata[1]}})"
                "<extra></extra>"
            ),
        )
    return finish(
        figure,
        height=400,
        xaxis=whole_numbers(longest, "random trials"),
        yaxis={"title": "validation accuracy, %"},
    )


def _band(row: dict[str, Any]) -> str:
    ends = [None if row[end] is None else percent(row[end]) for end in ("low", "high")]
    if ends == [None, None]:
        return "unbounded"
    if None in ends:
        return f"{ends[0]} and more" if ends[0] else f"{ends[1]} and less"
    return f"{ends[0]} to {ends[1]}"


def _table(comparison: Comparison) -> str:
    arms = _searched(comparison)
    drawn = "; ".join(
        f"{arm['arm']}: {counted(arm['effort']['random_trials'], 'random trial')} of "
        f"{rounded(arm['effort']['frames_per_trial'])} frames each"
        for arm in arms
    )
    longest = max(len(arm["effort"]["curve"]) for arm in arms)
    ks = [k for k in (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128) if k < longest] + [longest]
    rows: list[list[str | Cell]] = []
    for k in ks:
        row: list[str | Cell] = [str(k)]
        for arm in arms:
            found = arm["effort"]["curve"][k - 1] if k <= len(arm["effort"]["curve"]) else None
            row += [percent(found["expected"]), _band(found)] if found else ["", ""]
        rows.append(row)
    headings = ["trials"]
    headings += [f">{arm['arm']}, {what}" for arm in arms for what in ("expected, %", "median within")]
    caption = f"Only trials drawn at random count, not those proposed from earlier ones ({drawn})."
    return table(caption, headings, rows)
