"""In which broad class the arms are right; on the page beside where in a phoneme they are."""

from harness.comparison.arm_model import ComparedArm
from harness.comparison.model import Comparison
from harness.display.document import Block, Figure, Heading, Section, Table, numbers
from harness.display.wording import count, percent
from harness.report.figures import class_order, colour, downwards, figure, percents, scatter, symbol
from harness.statistics.metrics import BroadClassScores


def section(comparison: Comparison) -> Section:
    """A table in the terminal, with --all."""
    return Section("classes", long=_printed(comparison))


def _by_name(arm: ComparedArm) -> dict[str, BroadClassScores]:
    return {row.broad: row for row in arm.broad_classes}


def _printed(comparison: Comparison) -> list[Block]:
    arms = comparison.arms
    if not arms[0].broad_classes:
        return []
    of_arms = [_by_name(arm) for arm in arms]
    rows = [
        (
            row.broad,
            count(row.support // len(arms[0].seeds)),
            *(f"{percent(own[row.broad].accuracy)} ({percent(own[row.broad].recall)})" for own in of_arms),
        )
        for row in arms[0].broad_classes
    ]
    heading = Heading("Accuracy by broad class, in percent (in brackets: the class itself right)")
    return [heading, Table(["class", *numbers("frames", *(arm.arm for arm in arms))], rows)]


def by_broad_class(comparison: Comparison) -> Figure:
    """Accuracy within each broad class, a point per arm."""
    order = class_order(comparison)
    places = {name: place for place, name in enumerate(order)}
    names = sorted(_by_name(comparison.arms[0]), key=lambda name: places.get(name, len(order)))
    traces = []
    for arm in comparison.arms:
        rows = _by_name(arm)
        dots = scatter(
            x=percents(rows[name].accuracy for name in names),
            y=names,
            customdata=[[percent(rows[name].recall), count(rows[name].support)] for name in names],
            mode="markers",
            name=arm.arm,
            marker={"color": colour(comparison, arm.arm), "symbol": symbol(comparison, arm.arm), "size": 11},
            hovertemplate=(
                f"%{{y}}, {arm.arm}: right phoneme %{{x:.2f}} %<br>right class %{{customdata[0]}} %"
                "<br>%{customdata[1]} frames<extra></extra>"
            ),
        )
        traces.append(dots)
    return figure(
        "broad_classes",
        "By broad class.",
        "Share of its frames with the right phoneme.",
        traces,
        height=380,
        xaxis={"title": "right phoneme, % of frames"},
        yaxis=downwards(names),
    )


def table(comparison: Comparison) -> Table:
    """Three numbers of each class and arm, for the page."""
    of_arms = [_by_name(arm) for arm in comparison.arms]
    rows = [
        (
            row.broad,
            count(row.support),
            *(
                percent(part)
                for own in of_arms
                for part in (own[row.broad].accuracy, own[row.broad].recall, own[row.broad].f1)
            ),
        )
        for row in comparison.arms[0].broad_classes
    ]
    parts = ("right phoneme", "right class", "F1 of the class")
    columns = numbers("frames, all seeds", *(f"{arm.arm} {part}" for arm in comparison.arms for part in parts))
    return Table(["class", *columns], rows, "By broad class, in percent, pooled over seeds.")
