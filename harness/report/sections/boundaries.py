"""Where in a phoneme the arms are right, and what it takes to turn their segments into the true ones."""

from collections.abc import Mapping, Sequence

from harness.comparison.arm_model import BoundaryRow, SegmentErrors
from harness.comparison.model import Comparison
from harness.display.document import (
    Block,
    Columns,
    Figure,
    Folded,
    Group,
    Heading,
    Line,
    PageBlock,
    Section,
    Table,
    numbers,
)
from harness.display.wording import count, spread
from harness.report.figures import bars, colour, figure, fill, percents, scatter, symbol
from harness.report.sections import classes
from harness.statistics.frame_measures import LEAST
from harness.statistics.metrics import Spread
from harness.statistics.registry import METRICS

Near = Mapping[str, Sequence[BoundaryRow]]
"""Arm -> its rows, from the nearest frames to the furthest."""
Segments = Mapping[str, SegmentErrors]


def section(comparison: Comparison) -> Section:
    """Figures and tables of what the finals kept frames for; broad classes stand among them."""
    near = {arm.arm: arm.boundaries for arm in comparison.arms if arm.boundaries}
    segments = {arm.arm: arm.segments for arm in comparison.arms if arm.segments}
    has_classes = all(arm.broad_classes for arm in comparison.arms)
    figures = [
        *([by_distance(comparison, near)] if near else []),
        *([classes.by_broad_class(comparison)] if has_classes else []),
        *([edits(comparison, segments)] if segments else []),
    ]
    tables = [
        *([_distances(near)] if near else []),
        *([classes.table(comparison)] if has_classes else []),
        *([_segments(comparison, segments)] if segments else []),
    ]
    page: list[PageBlock] = [Group(figures, "columns"), Folded("As tables", tables)] if figures else []
    return Section("boundaries", "Boundaries", page=page, long=_printed(near, segments) if near and segments else [])


def _kinds(segments: SegmentErrors) -> dict[str, Spread]:
    return {
        "substitutions": segments.substitutions,
        "deletions": segments.deletions,
        "insertions": segments.insertions,
    }


def _printed(near: Near, segments: Segments) -> list[Block]:
    first = next(iter(segments.values()))
    rows = [(arm, *map(spread, _kinds(own).values())) for arm, own in segments.items()]
    return [
        Heading("Accuracy by distance to the nearest change of phoneme, in frames"),
        Table(["distance", *numbers("frames", *near)], _by_distance(near)),
        Heading(f"Phone errors, in percent of {count(first.true)} true segments"),
        Table(["arm", *numbers(*_kinds(first))], rows),
        Line(f"A predicted segment lasts {LEAST} frames at least; shorter ones are dropped."),
    ]


def _by_distance(near: Near) -> list[tuple[str, ...]]:
    """A row per distance: frames, and the accuracy of each arm."""
    return [
        (rows[0].distance, count(rows[0].frames), *(spread(row.accuracy) for row in rows))
        for rows in zip(*near.values(), strict=True)
    ]


def by_distance(comparison: Comparison, near: Near) -> Figure:
    """Accuracy at each distance from the nearest change of label."""
    traces = []
    for arm, rows in near.items():
        line = colour(comparison, arm)
        bounds = [100 * (row.accuracy.std or 0) for row in rows]
        curve = scatter(
            x=[row.distance for row in rows],
            y=percents(row.accuracy.mean for row in rows),
            error_y={"array": bounds, "thickness": 1.25, "width": 4, "color": line},
            customdata=[[count(row.frames), spread(row.accuracy)] for row in rows],
            mode="lines+markers",
            name=arm,
            line={"color": line, "width": 2},
            marker={"color": line, "symbol": symbol(comparison, arm), "size": 9},
            hovertemplate=f"{arm}, at %{{x}}: %{{customdata[1]}} %<br>%{{customdata[0]}} frames<extra></extra>",
        )
        traces.append(curve)
    return figure(
        "distances",
        "Near a change of phoneme.",
        "Frames between a frame and the nearest change of label; bars are ± one standard deviation over seeds.",
        traces,
        height=380,
        xaxis={"title": "frames between it and the nearest change", "type": "category"},
        yaxis={"title": "accuracy, %"},
    )


def edits(comparison: Comparison, segments: Segments) -> Figure:
    """The three kinds of edits, in percent of the true segments."""
    traces = [
        bars(
            name=arm,
            x=list(_kinds(own)),
            y=percents(kind.mean for kind in _kinds(own).values()),
            marker=fill(comparison, arm),
            hovertemplate=f"{arm}: %{{y:.2f}} % %{{x}}<extra></extra>",
        )
        for arm, own in segments.items()
    ]
    return figure(
        "segments",
        "Segments.",
        f"Edits per true segment that turn the predicted segments, of {LEAST} frames at least, into the true ones.",
        traces,
        height=380,
        barmode="group",
        bargap=0.35,
        xaxis={},
        yaxis={"title": "% of the true segments"},
    )


def _distances(near: Near) -> Table:
    columns: Columns = ["frames to the change", *numbers("frames", *near)]
    caption = "Accuracy by distance from the nearest change of label, in percent."
    return Table(columns, _by_distance(near), caption)


def _segments(comparison: Comparison, segments: Segments) -> Table:
    own = [_kinds(errors) for errors in segments.values()]
    rows = [[kind, *(spread(kinds[kind]) for kinds in own)] for kind in own[0]]
    for name in ("phone_error_rate", "phone_error_rate_plain"):
        rows.append([METRICS[name].title, *(spread(arm.test[name]) for arm in comparison.arms)])
    n = count(next(iter(segments.values())).true)
    return Table(["", *numbers(*segments)], rows, f"Edits in percent of the {n} true segments.")
