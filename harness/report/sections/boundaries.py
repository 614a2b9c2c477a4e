"""Where in a phoneme, and in which broad class, the arms are right."""

from typing import Any

from harness.display.wording import count, percent, spread
from harness.report.figures import Comparison, Figure, bar, class_order, colour, downwards, finish, percents, symbol
from harness.report.markup import Cell, Page, columns, folded, table
from harness.statistics.frame_measures import LEAST


def write(page: Page, comparison: Comparison) -> None:
    arms = comparison["arms"]
    figures, tables = [], []
    if all(arm.get("boundaries") for arm in arms):
        about = "Frames between a frame and the nearest change of label; bars are ± one standard deviation over seeds."
        figures.append(page.figure("distances", by_distance(comparison), "Near a change of phoneme.", about))
        tables.append(_distances(comparison))
    if all(arm.get("broad_classes") for arm in arms):
        about = "Share of its frames with the right phoneme."
        figures.append(page.figure("broad_classes", by_broad_class(comparison), "By broad class.", about))
        tables.append(_classes(comparison))
    if all(arm.get("segments") for arm in arms):
        about = (
            f"Edits per true segment that turn the predicted segments, of {LEAST} frames at least, into the true ones."
        )
        figures.append(page.figure("segments", edits(comparison), "Segments.", about))
        tables.append(_segments(comparison))
    if figures:
        page.section("boundaries", "Boundaries", columns(*figures), folded("As tables", *tables))


def by_distance(comparison: Comparison) -> Figure:
    """Accuracy at each distance from the nearest change of label."""
    figure = Figure()
    for arm in comparison["arms"]:
        rows = arm["boundaries"]
        figure.add_scatter(
            x=[row["distance"] for row in rows],
            y=percents([row["accuracy"]["mean"] for row in rows]),
            error_y={
                "array": [100 * (row["accuracy"]["std"] or 0) for row in rows],
                "thickness": 1.25,
                "width": 4,
                "color": colour(comparison, arm["arm"]),
            },
            customdata=[[count(row["frames"]), spread(row["accuracy"])] for row in rows],
            **_line(comparison, arm["arm"]),
            hovertemplate=f"{arm['arm']}, at %{{x}}: %{{customdata[1]}} %<br>%{{customdata[0]}} frames<extra></extra>",
        )
    return finish(
        figure,
        height=380,
        xaxis={"title": "frames between it and the nearest change", "type": "category"},
        yaxis={"title": "accuracy, %"},
    )


def by_broad_class(comparison: Comparison) -> Figure:
    """Accuracy within each broad class, a point per arm."""
    order = class_order(comparison)
    names = sorted((row["broad"] for row in comparison["arms"][0]["broad_classes"]), key=lambda n: _at(order, n))
    figure = Figure()
    for arm in comparison["arms"]:
        rows = {row["broad"]: row for row in arm["broad_classes"]}
        figure.add_scatter(
            x=percents([rows[name]["accuracy"] for name in names]),
            y=names,
            customdata=[[percent(rows[name]["recall"]), count(rows[name]["support"])] for name in names],
            mode="markers",
            name=arm["arm"],
            marker={"color": colour(comparison, arm["arm"]), "symbol": symbol(comparison, arm["arm"]), "size": 11},
            hovertemplate=(
                f"%{{y}}, {arm['arm']}: right phoneme %{{x:.2f}} %<br>right class %{{customdata[0]}} %"
                "<br>%{customdata[1]} frames<extra></extra>"
            ),
        )
    return finish(figure, height=380, xaxis={"title": "right phoneme, % of frames"}, yaxis=downwards(names))


_KINDS = ("substitutions", "deletions", "insertions")


def edits(comparison: Comparison) -> Figure:
    """The three kinds of edits, in percent of the true segments."""
    figure = Figure()
    for arm in comparison["arms"]:
        figure.add_bar(
            name=arm["arm"],
            x=list(_KINDS),
            y=percents([arm["segments"][kind]["mean"] for kind in _KINDS]),
            marker=bar(comparison, arm["arm"]),
            hovertemplate=f"{arm['arm']}: %{{y:.2f}} % %{{x}}<extra></extra>",
        )
    return finish(figure, height=380, barmode="group", bargap=0.35, xaxis={}, yaxis={"title": "% of the true segments"})


def _line(comparison: Comparison, arm: str) -> dict[str, Any]:
    line = colour(comparison, arm)
    marker = {"color": line, "symbol": symbol(comparison, arm), "size": 9}
    return {"mode": "lines+markers", "name": arm, "line": {"color": line, "width": 2}, "marker": marker}


def _at(order: list[str], name: str) -> int:
    return order.index(name) if name in order else len(order)


def _distances(comparison: Comparison) -> str:
    arms = comparison["arms"]
    rows: list[list[str | Cell]] = [
        [row["distance"], count(row["frames"]), *(spread(arm["boundaries"][i]["accuracy"]) for arm in arms)]
        for i, row in enumerate(arms[0]["boundaries"])
    ]
    headings = ["frames to the change", ">frames", *(f">{arm['arm']}" for arm in arms)]
    return table("Accuracy by distance from the nearest change of label, in percent.", headings, rows)


def _classes(comparison: Comparison) -> str:
    arms = [{row["broad"]: row for row in arm["broad_classes"]} for arm in comparison["arms"]]
    names = [arm["arm"] for arm in comparison["arms"]]
    rows: list[list[str | Cell]] = [
        [
            broad,
            count(arms[0][broad]["support"]),
            *(percent(arm[broad][part]) for arm in arms for part in ("accuracy", "recall", "f1")),
        ]
        for broad in arms[0]
    ]
    headings = ["class", ">frames, all seeds"]
    headings += [f">{arm} {part}" for arm in names for part in ("right phoneme", "right class", "F1 of the class")]
    return table("By broad class, in percent, pooled over seeds.", headings, rows)


def _segments(comparison: Comparison) -> str:
    rows: list[list[str | Cell]] = [
        [kind, *(spread(arm["segments"][kind]) for arm in comparison["arms"])] for kind in _KINDS
    ]
    rows.append(["phone error rate", *(spread(arm["test"]["phone_error_rate"]) for arm in comparison["arms"])])
    n = count(comparison["arms"][0]["segments"]["true"])
    return table(
        f"Edits in percent of the {n} true segments.", ["", *(f">{a['arm']}" for a in comparison["arms"])], rows
    )
