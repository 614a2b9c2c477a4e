"""The arms at equal tuning effort: what the best of so many random trials scores."""

from collections.abc import Sequence

from harness.comparison.arm_model import BestOfTrials, ComparedArm
from harness.comparison.model import Comparison
from harness.display.document import Block, Figure, Group, Heading, Line, Section, Table, numbers
from harness.display.wording import ABSENT, counted, percent, rounded
from harness.report.figures import colour, figure, percents, scatter, symbol, whole_numbers

_ROWS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)
"""Numbers of trials that have a row."""
_N_COLUMNS = 5


def section(comparison: Comparison) -> Section:
    """Curves and their table; nothing where nothing was searched."""
    arms = [arm for arm in comparison.arms if arm.effort.curve]
    if not arms:
        return Section("budget")
    page = [Group([effort(comparison, arms), Group([_table(arms)])], "columns")]
    return Section("budget", "Budget", page=page, long=_printed(comparison, arms))


def _printed(comparison: Comparison, arms: Sequence[ComparedArm]) -> list[Block]:
    longest = max(arm.effort.random_trials for arm in arms)
    steps = sorted({2**i for i in range(longest.bit_length()) if 2**i <= longest} | {longest})[-_N_COLUMNS:]
    rows = []
    for arm in arms:
        curve = arm.effort.curve
        best = [percent(curve[k - 1].expected) if k <= len(curve) else ABSENT for k in steps]
        low, high = ("..." if end is None else percent(end) for end in (curve[-1].low, curve[-1].high))
        rows.append([arm.arm, *best, f"{low} to {high}"])
    columns = numbers(*map(str, steps), f"{100 * comparison.level:g} % band of the last")
    return [
        Heading("Expected best validation accuracy by number of random trials, in percent"),
        Table(["arm", *columns], rows),
        Line("The band is for the median; it is open where trials are too few to bound it."),
    ]


def effort(comparison: Comparison, arms: Sequence[ComparedArm]) -> Figure:
    """Expected best of k random trials, and the band of the median best; an end that no trial bounds is not drawn."""
    traces = []
    for arm in arms:
        curve = arm.effort.curve
        line = colour(comparison, arm.arm)
        with_band = [row for row in curve if row.low is not None and row.high is not None]
        if with_band:
            ks = [row.trials for row in with_band]
            band = scatter(
                x=ks + ks[::-1],
                y=percents([*(row.high for row in with_band), *(row.low for row in reversed(with_band))]),
                mode="lines",
                fill="toself",
                fillcolor=f"rgba({', '.join(str(int(line[i : i + 2], 16)) for i in (1, 3, 5))}, 0.18)",
                line={"color": line, "width": 0.75, "dash": "dot"},
                legendgroup=arm.arm,
                showlegend=False,
                hoverinfo="skip",
            )
            traces.append(band)
        expected = scatter(
            x=[row.trials for row in curve],
            y=percents(row.expected for row in curve),
            customdata=[[percent(row.median), _band(row)] for row in curve],
            mode="lines+markers",
            name=arm.arm,
            legendgroup=arm.arm,
            line={"color": line, "width": 2},
            marker={"symbol": symbol(comparison, arm.arm), "size": 8},
            hovertemplate=(
                f"{arm.arm}, best of %{{x}}: expected %{{y:.2f}} %<br>median %{{customdata[0]}} (%{{customdata[1]}})"
                "<extra></extra>"
            ),
        )
        traces.append(expected)
    level = f"{100 * comparison.level:g} %"
    return figure(
        "effort",
        "The best of so many trials.",
        f"Expected validation accuracy. Shaded: {level} band of the median, where there are enough trials.",
        traces,
        height=400,
        xaxis=whole_numbers(max(len(arm.effort.curve) for arm in arms), "random trials"),
        yaxis={"title": "validation accuracy, %"},
    )


def _band(row: BestOfTrials) -> str:
    low, high = (None if end is None else percent(end) for end in (row.low, row.high))
    if low and high:
        return f"{low} to {high}"
    return f"{low} and more" if low else f"{high} and less" if high else "unbounded"


def _table(arms: Sequence[ComparedArm]) -> Table:
    trials = "; ".join(
        f"{arm.arm}: {counted(arm.effort.random_trials, 'random trial')} of "
        f"{rounded(arm.effort.frames_per_trial or 0)} frames each"
        for arm in arms
    )
    longest = max(len(arm.effort.curve) for arm in arms)
    rows = []
    for k in [*(k for k in _ROWS if k < longest), longest]:
        row = [str(k)]
        for arm in arms:
            best = arm.effort.curve[k - 1] if k <= len(arm.effort.curve) else None
            row += [percent(best.expected), _band(best)] if best else ["", ""]
        rows.append(row)
    columns = numbers(*(f"{arm.arm}, {what}" for arm in arms for what in ("expected, %", "median within")))
    caption = f"Only random trials count, not those proposed from earlier results ({trials})."
    return Table(["trials", *columns], rows, caption)
