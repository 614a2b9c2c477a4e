"""Phoneme by phoneme: F1 of every arm, and where an arm and the baseline differ. One table orders both figures."""

from html import escape
from typing import Any

from harness.display.wording import ABSENT, count, interval, percent, points
from harness.report.figures import (
    Comparison,
    Figure,
    bar,
    by_class,
    colour,
    downwards,
    finish,
    forest,
    from_zero,
    percents,
    symbol,
)
from harness.report.markup import Cell, Page, columns, folded, table

_MARGIN = {"l": 10, "r": 12, "t": 50, "b": 30}


def write(page: Page, comparison: Comparison) -> None:
    bars = page.figure("phoneme_f1", f1(comparison), "F1 of each phoneme.", "Pooled over seeds.", kind="phonemes")
    forests = [
        page.figure(
            f"phoneme_difference_{i}",
            differences(comparison, found),
            f"{found['a']} above {found['b']}.",
            _said(found),
            kind="phonemes",
        )
        for i, found in enumerate(comparison["phoneme_differences"])
    ]
    page.section(
        "phonemes",
        "Phonemes",
        _tools(comparison),
        columns(bars, *forests),
        folded("All phonemes as a table", _table(comparison)),
    )


def _said(found: dict[str, Any]) -> str:
    n = sum(row["survives"] for row in found["phonemes"])
    of = f"{n} of {len(found['phonemes'])} phonemes differ"
    if found["level_corrected"] is None:
        return "Without intervals: none can be had."
    return (
        f"{of}, corrected for their number (Benjamini-Hochberg): filled, in the better arm's colour and sign. Lines "
        f"are intervals of {100 * found['level_corrected']:.4g} %, which exclude zero exactly there."
    )


def _tools(comparison: Comparison) -> str:
    """What orders and filters the table, and with it the figures."""
    orders = [("class", "broad class"), ("0", "name"), ("2", "frames"), ("3", f"F1 of {comparison['arms'][0]['arm']}")]
    first = 3 + 3 * len(comparison["arms"])
    orders += [
        (str(first + 3 * i), f"difference {found['a']} - {found['b']}")
        for i, found in enumerate(comparison["phoneme_differences"])
    ]
    options = "".join(f'<option value="{place}">{escape(name)}</option>' for place, name in orders)
    return (
        '<p class="filter"><label for="order">Order by</label>'
        f'<select id="order" data-table="phoneme-table">{options}</select>'
        '<label for="find">Show only</label>'
        '<input id="find" type="search" placeholder="vowel, or S Z SH" aria-controls="phoneme-table">'
        '<span class="soft">phonemes or broad classes</span></p>'
    )


def _table(comparison: Comparison) -> str:
    arms = [{row["phoneme"]: row for row in arm["phonemes"]} for arm in comparison["arms"]]
    pairs = [{row["phoneme"]: row for row in found["phonemes"]} for found in comparison["phoneme_differences"]]
    headings = ["phoneme", "class", ">frames"]
    headings += [f">{arm['arm']} {part}" for arm in comparison["arms"] for part in ("F1", "precision", "recall")]
    for found in comparison["phoneme_differences"]:
        headings += [f">{found['a']} above {found['b']}", ">corrected interval", "shown"]
    rows: list[list[str | Cell]] = []
    for name in by_class(comparison):
        support = arms[0][name]["support"] // len(comparison["arms"][0]["seeds"])
        row: list[str | Cell] = [name, comparison["broad"].get(name, ""), Cell(count(support), sort=support)]
        row += [percent(arm[name][part]) for arm in arms for part in ("f1", "precision", "recall")]
        for pair in pairs:
            if name in pair:
                low, high = pair[name]["low_corrected"], pair[name]["high_corrected"]
                row += [
                    points(pair[name]["difference"]),
                    Cell(interval(low, high), sort=0 if low is None else low),
                    "yes" if pair[name]["survives"] else "no",
                ]
            else:
                row += [Cell(ABSENT, sort=0), Cell(ABSENT, sort=0), "no"]
        rows.append(row)
    caption = "In percent and points, pooled over seeds; frames of one seed. Headings sort, and order the figures."
    return table(caption, headings, rows, key="phoneme-table")


def f1(comparison: Comparison) -> Figure:
    """Of every phoneme that occurs, and every arm."""
    support = {row["phoneme"]: row["support"] for row in comparison["arms"][0]["phonemes"]}
    order = [name for name in by_class(comparison) if support[name]]
    figure = Figure()
    for arm in comparison["arms"]:
        rows = {row["phoneme"]: row for row in arm["phonemes"]}
        parts = [[100 * rows[n]["precision"], 100 * rows[n]["recall"], rows[n]["support"]] for n in order]
        figure.add_bar(
            orientation="h",
            name=arm["arm"],
            y=order,
            x=percents([rows[name]["f1"] for name in order]),
            customdata=parts,
            marker=bar(comparison, arm["arm"]),
            hovertemplate=(
                "<b>%{y}</b>, " + arm["arm"] + ": F1 %{x:.2f} %<br>precision %{customdata[0]:.2f} %, "
                "recall %{customdata[1]:.2f} %<br>%{customdata[2]:,} frames<extra></extra>"
            ),
        )
    legend = {"orientation": "h", "x": 0, "y": 0, "yanchor": "top", "traceorder": "normal"}
    x = {"title": "F1, %", "range": [0, 100]}
    return _rows(comparison, figure, order, x, barmode="group", bargap=0.3, legend=legend)


def differences(comparison: Comparison, found: dict[str, Any]) -> Figure:
    """A forest over phonemes for one pair; what survives the correction in the colour and sign of the better arm."""
    rows = {row["phoneme"]: row for row in found["phonemes"]}
    order = [name for name in by_class(comparison) if name in rows]
    figure = Figure()
    for arm, is_shown in ((found["a"], True), (found["b"], True), (found["a"], False)):
        better = [
            rows[name]
            for name in order
            if rows[name]["survives"] == is_shown
            and (not is_shown or (rows[name]["difference"] > 0) == (arm == found["a"]))
        ]
        names = [row["phoneme"] for row in better]
        labels = [f"<b>{name}</b>: {f'{arm} better' if is_shown else 'no difference shown'}" for name in names]
        look = {"color": colour(comparison, arm), "symbol": symbol(comparison, arm) if is_shown else "circle"}
        forest(figure, better, names, labels, look, is_shown=is_shown, corrected=True)
    x = from_zero(f"points of F1, {found['a']} above {found['b']}") | {"range": _range(found)}
    return _rows(comparison, figure, order, x, showlegend=False)


def _range(found: dict[str, Any]) -> list[float]:
    """All points, and the lines of those that are shown; lines of phonemes of which little is known run out of it."""
    rows = found["phonemes"]
    ends = [row["difference"] for row in rows]
    ends += [row[end] for row in rows if row["survives"] for end in ("low_corrected", "high_corrected")]
    limit = 100 * min(1.0, 1.5 * max(map(abs, ends), default=1.0) or 1.0)
    return [-limit, limit]


def _rows(comparison: Comparison, figure: Figure, order: list[str], x: dict[str, Any], **layout: Any) -> Figure:
    """A row per phoneme, as high in all figures; `meta` tells the script what it may order anew."""
    row = 10 + 6 * max(2, len(comparison["arms"]))
    return finish(
        figure,
        height=_MARGIN["t"] + _MARGIN["b"] + 10 + len(order) * row,
        xaxis=x | {"side": "top", "automargin": False},
        yaxis=downwards(order),
        margin=_MARGIN,
        meta={"classes": {name: comparison["broad"].get(name, "") for name in order}, "row": row},
        **layout,
    )
