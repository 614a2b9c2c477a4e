"""Speaker by speaker: who is served well and who badly."""

from harness.comparison.arm_model import ComparedArm, SpeakerRow
from harness.comparison.model import Comparison
from harness.display.document import Block, Cell, Columns, Figure, Folded, Heading, Line, Section, Table, numbers
from harness.display.wording import count, counted, percent, points, spread
from harness.report.figures import QUIET, colour, figure, percents, scatter, symbol

_N_NAMES = 24
"""So many names fit under a figure."""
_N_ROWS = 5


def section(comparison: Comparison) -> Section:
    """A point for each speaker and arm, and the worst in words; in the terminal the hardest, with --all."""
    if len(comparison.arms[0].speakers) < 2:
        return Section("speakers", long=_printed(comparison))
    table = Folded("All speakers as a table", [_table(comparison)])
    return Section(
        "speakers", "Speakers", page=[Line(_worst(comparison)), dots(comparison), table], long=_printed(comparison)
    )


def _by_name(arm: ComparedArm) -> dict[str, SpeakerRow]:
    return {row.speaker: row for row in arm.speakers}


def hardest_first(comparison: Comparison) -> list[str]:
    """The speakers by their mean accuracy over the arms."""
    of_arms = [_by_name(arm) for arm in comparison.arms]
    return sorted(of_arms[0], key=lambda name: sum(rows[name].accuracy.mean for rows in of_arms))


def _printed(comparison: Comparison) -> list[Block]:
    """The hardest for the first arm."""
    arms = comparison.arms
    of_arms, total = [_by_name(arm) for arm in arms], len(arms[0].speakers)
    rows = [
        (row.speaker, count(row.frames), *(percent(own[row.speaker].accuracy.mean) for own in of_arms))
        for row in arms[0].speakers[:_N_ROWS]
    ]
    which = f"The {len(rows)} of {total} speakers hardest for {arms[0].arm}" if len(rows) < total else "Speakers"
    columns: Columns = ["speaker", *numbers("frames", *(arm.arm for arm in arms))]
    return [Heading(f"{which}: accuracy, in percent"), Table(columns, rows)]


def _worst(comparison: Comparison) -> str:
    parts = []
    for arm in comparison.arms:
        worst = arm.worst_speaker
        parts.append(f"{arm.arm} is worst for {worst.speaker}: {percent(worst.accuracy.mean)} %.")
    of_arms = {arm.arm: _by_name(arm) for arm in comparison.arms}
    for pair in comparison.pairs_in("accuracy"):
        if pair.b == comparison.baseline:
            a, b = of_arms[pair.a], of_arms[pair.b]
            n = sum(a[name].accuracy.mean > b[name].accuracy.mean for name in a)
            parts.append(f"{pair.a} is above {pair.b} for {n} of {counted(len(a), 'speaker')}.")
    return " ".join(parts)


def dots(comparison: Comparison) -> Figure:
    """Accuracy of every arm for every speaker; a thin line joins what belongs to one speaker."""
    names = hardest_first(comparison)
    of_arms = {arm.arm: _by_name(arm) for arm in comparison.arms}
    ends = [[100 * rows[name].accuracy.mean for rows in of_arms.values()] for name in names]
    traces = [
        scatter(
            x=[x for name in names for x in (name, name, None)],
            y=[y for of_one in ends for y in (min(of_one), max(of_one), None)],
            mode="lines",
            line={"color": QUIET, "width": 1.5},
            showlegend=False,
            hoverinfo="skip",
        )
    ]
    for arm, rows in of_arms.items():
        marker = {"color": colour(comparison, arm), "symbol": symbol(comparison, arm)}
        points_of_arm = scatter(
            x=names,
            y=percents(rows[name].accuracy.mean for name in names),
            customdata=[[spread(rows[name].accuracy), count(rows[name].frames)] for name in names],
            mode="markers",
            name=arm,
            marker=marker | {"size": 10 if len(names) < 60 else 7},
            hovertemplate=f"%{{x}}, {arm}: %{{customdata[0]}} %<br>%{{customdata[1]}} frames<extra></extra>",
        )
        traces.append(points_of_arm)
    are_named = len(names) <= _N_NAMES
    return figure(
        "each_speaker",
        "Accuracy of each speaker.",
        "A column is a speaker, the hardest first: a point per arm, mean over seeds. Each arm's worst is named.",
        traces,
        height=420,
        annotations=_names_of_worst(comparison, names),
        xaxis={
            "type": "category",
            "categoryorder": "array",
            "categoryarray": names,
            "range": [-0.7, len(names) - 0.3],
            "showticklabels": are_named,
            "tickangle": -60,
            "title": "" if are_named else f"{len(names)} speakers, the hardest first",
        },
        yaxis={"title": "accuracy, %"},
        margin={"l": 10, "r": 12, "t": 10, "b": 50},
    )


def _names_of_worst(comparison: Comparison, names: list[str]) -> list[dict[str, object]]:
    worst: dict[str, list[ComparedArm]] = {}
    for arm in comparison.arms:
        worst.setdefault(arm.worst_speaker.speaker, []).append(arm)
    order = sorted(worst.items(), key=lambda entry: -names.index(entry[0]))
    return [
        {
            "x": names.index(speaker),
            "y": 100 * min(arm.worst_speaker.accuracy.mean for arm in arms),
            "text": f"{speaker}: worst of "
            + (" and ".join(arm.arm for arm in arms) if len(arms) < 4 else f"{len(arms)} arms"),
            "showarrow": True,
            "arrowhead": 0,
            "arrowcolor": QUIET,
            "ax": 14,
            "ay": 22 + 18 * i,
            "xanchor": "left",
        }
        for i, (speaker, arms) in enumerate(order)
    ]


def _table(comparison: Comparison) -> Table:
    of_arms = [_by_name(arm) for arm in comparison.arms]
    names = [arm.arm for arm in comparison.arms]
    has_two = len(names) == 2
    rows = []
    for name in hardest_first(comparison):
        each, frames = [rows_of[name].accuracy for rows_of in of_arms], of_arms[0][name].frames
        row: list[str | Cell] = [name, Cell(count(frames), sort=frames)]
        row += [Cell(spread(values), sort=values.mean) for values in each]
        rows.append(row + ([points(each[0].mean - each[1].mean)] if has_two else []))
    columns = numbers("frames", *names, *([f"{names[0]} - {names[1]}"] if has_two else []))
    caption = "Accuracy in percent, mean ± standard deviation over seeds; frames of one seed."
    return Table(["speaker", *columns], rows, caption, "speaker-table")
