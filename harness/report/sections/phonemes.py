"""Phoneme by phoneme: F1 of every arm, and where an arm and the baseline differ. One table orders both figures."""

from collections.abc import Sequence
from typing import Any

from harness.comparison.model import Comparison, PhonemeDifferences
from harness.display.document import (
    Block,
    Cell,
    Column,
    Columns,
    Figure,
    Folded,
    Group,
    Heading,
    Line,
    Section,
    Table,
    TableTools,
    Trace,
    numbers,
)
from harness.display.wording import ABSENT, count, interval, percent, points
from harness.report.figures import bars, by_class, colour, downwards, figure, fill, forest, from_zero, percents, symbol

_KEY = "phoneme-table"
_MARGIN = {"l": 10, "r": 12, "t": 50, "b": 30}
_N_NAMES = 5
_N_ROWS = 6


def section(comparison: Comparison) -> Section:
    """Figures that one table orders; in the terminal the phonemes that differ most, with --all."""
    pairs = comparison.phoneme_differences
    forests = [differences(comparison, pair, f"phoneme_difference_{i}") for i, pair in enumerate(pairs)]
    return Section(
        "phonemes",
        "Phonemes",
        page=[
            _tools(comparison),
            Group([f1(comparison), *forests], "columns"),
            Folded("All phonemes as a table", [_table(comparison)]),
        ],
        long=[block for pair in pairs for block in _differing_most(comparison, pair)],
    )


def survivors(comparison: Comparison) -> Section:
    """In the terminal, the phonemes whose difference survives the correction: a line for each pair."""
    lines = []
    for pair in comparison.phoneme_differences:
        rows = [row for row in pair.phonemes if row.survives]
        names = ", ".join(f"{row.phoneme} {100 * row.difference:+.1f}" for row in rows[:_N_NAMES])
        more = f" and {len(rows) - _N_NAMES} more" if len(rows) > _N_NAMES else ""
        lines.append(Line(f"{pair.a} - {pair.b}: {names or 'none'}{more}"))
    if not lines:
        return Section("survivors")
    n = len(comparison.phoneme_differences[0].phonemes)
    return Section(
        "survivors", short=[Heading(f"Phonemes that differ in F1, in points, corrected for being {n}"), *lines]
    )


def _differing_most(comparison: Comparison, pair: PhonemeDifferences) -> list[Block]:
    rows = [
        (
            row.phoneme,
            comparison.broad.get(row.phoneme, ""),
            percent(row.f1_a),
            percent(row.f1_b),
            points(row.difference),
            interval(row.low, row.high),
            "yes" if row.survives else "no",
        )
        for row in pair.phonemes[:_N_ROWS]
    ]
    n, n_surviving = len(pair.phonemes), sum(row.survives for row in pair.phonemes)
    columns: Columns = ["phoneme", "class", *numbers(pair.a, pair.b, "difference", "interval alone"), "shown"]
    return [
        Heading(f"Phonemes that differ most in F1: {pair.a} - {pair.b}, in points"),
        Table(columns, rows),
        Line(f"Significant, listed first: {n_surviving} of {n} (Benjamini-Hochberg correction)."),
    ]


def _tools(comparison: Comparison) -> TableTools:
    """What orders and filters the table, and with it the figures."""
    orders = [("class", "broad class"), ("0", "name"), ("2", "frames"), ("3", f"F1 of {comparison.arms[0].arm}")]
    first = 3 + 3 * len(comparison.arms)
    orders += [
        (str(first + 3 * i), f"difference {pair.a} - {pair.b}") for i, pair in enumerate(comparison.phoneme_differences)
    ]
    return TableTools(_KEY, orders, example="vowel, or S Z SH", rows="phonemes or broad classes")


def _table(comparison: Comparison) -> Table:
    arms = [{row.phoneme: row for row in arm.phonemes} for arm in comparison.arms]
    of_pairs = [{row.phoneme: row for row in pair.phonemes} for pair in comparison.phoneme_differences]
    columns: list[str | Column] = ["phoneme", "class", *numbers("frames")]
    columns += numbers(*(f"{arm.arm} {part}" for arm in comparison.arms for part in ("F1", "precision", "recall")))
    for pair in comparison.phoneme_differences:
        columns += [*numbers(f"{pair.a} above {pair.b}", "corrected interval"), "shown"]
    rows = []
    for name in by_class(comparison):
        support = arms[0][name].support // len(comparison.arms[0].seeds)
        row: list[str | Cell] = [name, comparison.broad.get(name, ""), Cell(count(support), sort=support)]
        row += [percent(part) for arm in arms for part in (arm[name].f1, arm[name].precision, arm[name].recall)]
        for rows_of_pair in of_pairs:
            own = rows_of_pair.get(name)
            if own is None:
                row += [Cell(ABSENT, sort=0), Cell(ABSENT, sort=0), "no"]
                continue
            low, high = own.low_corrected, own.high_corrected
            wide = Cell(interval(low, high), sort=0 if low is None else low)
            row += [points(own.difference), wide, "yes" if own.survives else "no"]
        rows.append(row)
    caption = "In percent and points, pooled over seeds; frames of one seed. Headings sort, and order the figures."
    return Table(columns, rows, caption, _KEY)


def f1(comparison: Comparison) -> Figure:
    """The F1 of every phoneme that occurs, a bar for each arm."""
    support = {row.phoneme: row.support for row in comparison.arms[0].phonemes}
    order = [name for name in by_class(comparison) if support[name]]
    traces = []
    for arm in comparison.arms:
        rows = {row.phoneme: row for row in arm.phonemes}
        parts = [[100 * rows[n].precision, 100 * rows[n].recall, rows[n].support] for n in order]
        bar = bars(
            orientation="h",
            name=arm.arm,
            y=order,
            x=percents(rows[name].f1 for name in order),
            customdata=parts,
            marker=fill(comparison, arm.arm),
            hovertemplate=(
                f"<b>%{{y}}</b>, {arm.arm}: F1 %{{x:.2f}} %<br>precision %{{customdata[0]:.2f}} %, "
                "recall %{customdata[1]:.2f} %<br>%{customdata[2]:,} frames<extra></extra>"
            ),
        )
        traces.append(bar)
    return _rows(
        comparison,
        ("phoneme_f1", "F1 of each phoneme.", "Pooled over seeds."),
        traces,
        order,
        {"title": "F1, %", "range": [0, 100]},
        barmode="group",
        bargap=0.3,
        legend={"orientation": "h", "x": 0, "y": 0, "yanchor": "top", "traceorder": "normal"},
    )


def differences(comparison: Comparison, pair: PhonemeDifferences, key: str) -> Figure:
    """A forest over phonemes for one pair; what survives the correction in the colour and sign of the better arm."""
    rows = {row.phoneme: row for row in pair.phonemes}
    order = [name for name in by_class(comparison) if name in rows]
    traces: list[Trace] = []
    for arm, is_shown in ((pair.a, True), (pair.b, True), (pair.a, False)):
        better = [
            rows[name]
            for name in order
            if rows[name].survives == is_shown and (not is_shown or (rows[name].difference > 0) == (arm == pair.a))
        ]
        names = [row.phoneme for row in better]
        labels = [f"<b>{name}</b>: {f'{arm} better' if is_shown else 'no difference shown'}" for name in names]
        look = {"color": colour(comparison, arm), "symbol": symbol(comparison, arm) if is_shown else "circle"}
        ends = [(row.low_corrected, row.high_corrected) for row in better]
        traces += forest([row.difference for row in better], ends, names, labels, look, is_shown=is_shown)
    x = from_zero(f"points of F1, {pair.a} above {pair.b}") | {"range": _range(pair)}
    words = (key, f"{pair.a} above {pair.b}.", _about(pair))
    return _rows(comparison, words, traces, order, x, showlegend=False)


def _about(pair: PhonemeDifferences) -> str:
    if pair.level_corrected is None:
        return "Without intervals, because they cannot be computed."
    n = sum(row.survives for row in pair.phonemes)
    return (
        f"{n} of {len(pair.phonemes)} phonemes differ, corrected for their number (Benjamini-Hochberg): filled, in the "
        f"better arm's colour and sign. Lines are intervals of {100 * pair.level_corrected:.4g} %, which exclude zero "
        "exactly there."
    )


def _range(pair: PhonemeDifferences) -> list[float]:
    """All points, and the lines of those that are shown; lines of phonemes of which little is known run out of it."""
    ends = [abs(row.difference) for row in pair.phonemes]
    ends += [abs(end or 0) for row in pair.phonemes if row.survives for end in (row.low_corrected, row.high_corrected)]
    limit = 100 * min(1.0, 1.5 * max(ends, default=1.0) or 1.0)
    return [-limit, limit]


def _rows(
    comparison: Comparison,
    words: tuple[str, str, str],
    traces: Sequence[Trace],
    order: list[str],
    x: dict[str, Any],
    **layout: Any,
) -> Figure:
    """A row per phoneme, as high in all figures; `meta` tells the script what it may order anew.

    Args:
        words: key, title and caption.
    """
    row = 10 + 6 * max(2, len(comparison.arms))
    return figure(
        *words,
        traces,
        kind="phonemes",
        height=_MARGIN["t"] + _MARGIN["b"] + 10 + len(order) * row,
        xaxis=x | {"side": "top", "automargin": False},
        yaxis=downwards(order),
        margin=_MARGIN,
        meta={"classes": {name: comparison.broad.get(name, "") for name in order}, "row": row},
        **layout,
    )
