"""A sweep: accuracy over the swept value, the differences to the baseline at each, and what each cell costs."""

from collections.abc import Sequence
from typing import Any

from harness.comparison.model import Comparison, Pair, Sweep, SweepCurve, SweepPoint
from harness.display.document import Block, Cell, Column, Columns, Figure, Group, Heading, Line, Section, Table, numbers
from harness.display.wording import (
    ABSENT,
    count,
    counted,
    interval,
    plural,
    points,
    rounded,
    seconds,
    setting,
    spread,
    value,
)
from harness.report.figures import colour, error_bars, excludes_zero, figure, percents, scatter, symbol
from harness.statistics.intervals import Verdict

_WIDE = 4
"""Resources that grow by this factor and more get a logarithmic axis."""


def section(comparison: Comparison) -> Section:
    """Sentences, curves and their tables; nothing where nothing was swept."""
    sweep = comparison.sweep
    if sweep is None:
        return Section("sweep")
    others = compared(comparison)
    figures = [accuracies(comparison, sweep), *([differences(comparison, sweep)] if others else [])]
    return Section(
        "sweep",
        f"By {setting(sweep.key)}",
        page=[Group(figures, "columns"), _table(comparison, sweep)],
        short=_printed(comparison, sweep, others),
    )


def contest(curve: SweepCurve, comparison: Comparison) -> str:
    """ladnn against ffdnn, by depth."""
    assert comparison.sweep
    return f"{curve.arm} against {comparison.baseline}, by {setting(comparison.sweep.key)}"


def outcomes(curve: SweepCurve, comparison: Comparison) -> list[str]:
    """better at 8, 16 | no difference shown at 2, 4 | failed at 32."""
    parts: dict[str, list[str]] = {}
    for point in curve.points:
        parts.setdefault(_outcome(point, comparison.baseline), []).append(value(point.value))
    return [f"{word} at {', '.join(where)}" for word, where in parts.items()]


def compared(comparison: Comparison) -> list[SweepCurve]:
    """The curves that stand against the baseline's."""
    curves = comparison.sweep.curves if comparison.sweep else ()
    return [curve for curve in curves if not curve.is_baseline and any(point.pair for point in curve.points)]


def interval_over(comparison: Comparison) -> str:
    """95 % interval over 56 speakers and the searches."""
    over = counted(comparison.units, comparison.unit)
    return f"{100 * comparison.level:g} % interval over {over} and the {plural(comparison.draw)}"


def _outcome(point: SweepPoint, baseline: str | None) -> str:
    if point.numbers is None:
        return "failed"
    if point.pair is None:
        return f"{baseline} failed"
    if point.pair.outcome is not Verdict.BETTER:
        return point.pair.verdict
    return "better" if point.pair.better == point.arm else "worse"


def _ends(pair: Pair) -> tuple[float | None, float | None]:
    return pair.ends


# In the terminal: a line for each value, a column for each arm


def _printed(comparison: Comparison, sweep: Sweep, others: Sequence[SweepCurve]) -> list[Block]:
    """Verdicts, accuracies with their differences, and what each cell costs."""
    return [
        *(Line(f"{contest(curve, comparison)}: {'; '.join(outcomes(curve, comparison))}.", strong=True)
          for curve in others),
        *_accuracies(comparison, sweep, others),
        *([Line(f"In brackets the {interval_over(comparison)}.")] if others else []),
        *(_differences(comparison, sweep, others) if len(others) > 1 else []),
        *_costs(sweep),
        *_tuning(comparison),
    ]  # fmt: skip


def _accuracies(comparison: Comparison, sweep: Sweep, others: Sequence[SweepCurve]) -> list[Block]:
    name, single = setting(sweep.key), others[0] if len(others) == 1 else None
    rows = []
    for i, where in enumerate(sweep.values):
        row: list[str | Cell] = [value(where), *(_accuracy(curve.points[i]) for curve in sweep.curves)]
        rows.append([*row, *([_difference(single.points[i])] if single else [])])
    columns: Columns = [
        name,
        *_arm_columns(sweep),
        *(numbers(f"{single.arm} - {comparison.baseline}") if single else []),
    ]
    return [
        Heading(f"Test accuracy by {name}, in percent (± standard deviation over {plural(comparison.draw)})"),
        Table(columns, rows),
    ]


def _differences(comparison: Comparison, sweep: Sweep, others: Sequence[SweepCurve]) -> list[Block]:
    rows = [
        (value(where), curve.arm, _difference(curve.points[i])) for i, where in enumerate(sweep.values)
        for curve in others
    ]  # fmt: skip
    heading = f"Points above {comparison.baseline} at the same value ({100 * comparison.level:g} % interval)"
    return [Heading(heading), Table([setting(sweep.key), "arm", *numbers("difference")], rows)]


def _accuracy(point: SweepPoint) -> str:
    return spread(point.numbers.test["accuracy"]) if point.numbers else "failed"


def _difference(point: SweepPoint) -> str | Cell:
    """Strong where it is shown."""
    pair = point.pair
    if pair is None:
        return ABSENT
    return Cell(f"{points(pair.difference)} ({interval(*_ends(pair))})", strong=excludes_zero(_ends(pair)))


def _costs(sweep: Sweep) -> list[Block]:
    """Parameters and seconds of every cell."""
    rows = [[value(where), *(_cost(curve.points[i]) for curve in sweep.curves)] for i, where in enumerate(sweep.values)]
    return [Heading("Parameters, and seconds per training"), Table([setting(sweep.key), *_arm_columns(sweep)], rows)]


def _cost(point: SweepPoint) -> str:
    own = point.numbers
    return f"{rounded(own.parameters)}, {seconds(own.seconds_training)} s" if own else ABSENT


def _arm_columns(sweep: Sweep) -> list[Column]:
    return numbers(*(curve.arm for curve in sweep.curves))


def _tuning(comparison: Comparison) -> list[Block]:
    """What was spent on each cell before its finals."""
    arms = [arm for arm in comparison.arms if arm.search]
    if not arms:
        return []
    frames = [arm.search_frames for arm in arms]
    spent = " to ".join(count(n) for n in sorted({min(frames), max(frames)}))
    trials = counted(max(arm.trials for arm in arms), "trial")
    return [Line(f"Every cell was tuned alike: {trials}, {spent} training frames each.")]


# On the page


def accuracies(comparison: Comparison, sweep: Sweep) -> Figure:
    """Mean test accuracy of each arm over the values, every seed as a dot."""
    traces = []
    for curve in sweep.curves:
        results = [(point.value, point.numbers.test["accuracy"]) for point in curve.points if point.numbers]
        failures = [point for point in curve.points if point.numbers is None]
        line, name = colour(comparison, curve.points[0].arm), curve.arm
        mark = symbol(comparison, curve.points[0].arm)
        seeds = [(where, score) for where, scores in results for score in scores.per_seed]
        traces += [
            scatter(
                x=[where for where, _ in results],
                y=percents(scores.mean for _, scores in results),
                mode="lines+markers",
                name=name,
                legendgroup=name,
                line={"color": line, "width": 2},
                marker={"symbol": mark, "size": 9},
                hovertemplate=f"{name}, %{{x}}: mean %{{y:.2f}} %<extra></extra>",
            ),
            scatter(
                x=[where for where, _ in seeds],
                y=percents(score for _, score in seeds),
                mode="markers",
                legendgroup=name,
                showlegend=False,
                marker={"color": line, "size": 6, "opacity": 0.6},
                hovertemplate=f"{name}, %{{x}}: %{{y:.2f}} %<extra></extra>",
            ),
        ]
        if failures:
            cross = scatter(
                x=[point.value for point in failures],
                y=[0] * len(failures),
                customdata=[point.failure for point in failures],
                mode="markers",
                legendgroup=name,
                showlegend=False,
                marker={"color": line, "size": 11, "symbol": "x"},
                hovertemplate=f"{name}, %{{x}}: failed, %{{customdata}}<extra></extra>",
            )
            traces.append(cross)
    return figure(
        "sweep_accuracy",
        "Test accuracy.",
        "A dot is one training, the line the mean over all; a cross is a cell that failed.",
        traces,
        height=380,
        xaxis=_axis(sweep),
        yaxis={"title": "test accuracy, %"},
    )


def differences(comparison: Comparison, sweep: Sweep) -> Figure:
    """Each arm's difference to the baseline over the values, with its interval; hollow where none is shown."""
    traces = []
    for curve in sweep.curves:
        own = [(point, point.pair) for point in curve.points if point.pair]
        if not own:
            continue
        line, ends = colour(comparison, own[0][0].arm), [_ends(pair) for _, pair in own]
        bounds = error_bars([pair.difference for _, pair in own], ends)
        marks = ["circle" if excludes_zero(of_one) else "circle-open" for of_one in ends]
        trace = scatter(
            x=[point.value for point, _ in own],
            y=percents(pair.difference for _, pair in own),
            customdata=[interval(*of_one) for of_one in ends],
            mode="lines+markers",
            name=curve.arm,
            line={"color": line, "width": 1, "dash": "dot"},
            marker={"size": 9, "symbol": marks, "line": {"width": 2, "color": line}},
            hovertemplate=f"{curve.arm}, %{{x}}: %{{y:+.2f}} points (%{{customdata}})<extra></extra>",
        )
        bar = bounds | {"thickness": 1.5, "width": 4, "color": line}
        traces.append({**trace, "error_y": bar} if bounds else trace)
    return figure(
        "sweep_difference",
        f"Points above {comparison.baseline}.",
        f"The line is the {interval_over(comparison)}. A hollow dot: no difference shown.",
        traces,
        height=380,
        showlegend=True,
        xaxis=_axis(sweep),
        yaxis={"title": f"points above {comparison.baseline}", "zeroline": True, "zerolinewidth": 2},
    )


def _axis(sweep: Sweep) -> dict[str, Any]:
    """Logarithmic where the values are numbers that grow by much; the swept values are its ticks."""
    title: dict[str, Any] = {"title": setting(sweep.key)}
    values = [v for v in sweep.values if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(values) < len(sweep.values):
        return title | {"type": "category"}
    ticks = {"tickvals": values, "ticktext": [rounded(v) if v >= 1 else value(v) for v in values]}
    return title | ticks | ({"type": "log"} if min(values) > 0 and max(values) >= _WIDE * min(values) else {})


def _table(comparison: Comparison, sweep: Sweep) -> Table:
    rows = []
    for curve in sweep.curves:
        for point in curve.points:
            row: list[str | Cell] = [value(point.value), Cell(curve.arm, colour=colour(comparison, point.arm))]
            own, pair = point.numbers, point.pair
            if own is None:
                rows.append([*row, f"failed: {point.failure}", *[ABSENT] * 5])
                continue
            row += [spread(own.test[name]) for name in ("accuracy", "macro_f1")]
            row += [rounded(own.parameters), seconds(own.seconds_training)]
            row += [points(pair.difference), interval(*_ends(pair))] if pair else [ABSENT] * 2
            rows.append(row)
    titles = ["accuracy", "macro-F1", "parameters", "seconds per training", f"above {comparison.baseline}", "interval"]
    over = plural(comparison.draw)
    caption = f"Test split, in percent, mean ± standard deviation over {over}; differences in points."
    return Table([setting(sweep.key), "arm", *numbers(*titles)], rows, caption)
