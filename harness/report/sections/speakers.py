"""Speaker by speaker: who is served well and who badly."""

from typing import Any

from harness.display.wording import count, counted, percent, points, spread
from harness.report.figures import QUIET, Comparison, Figure, colour, finish, percents, symbol
from harness.report.markup import Cell, Page, folded, table, text

_NAMED = 24
"""So many names fit under a figure."""


def write(page: Page, comparison: Comparison) -> None:
    arms = comparison["arms"]
    if not all(arm.get("speakers") for arm in arms) or len(arms[0]["speakers"]) < 2:
        return
    about = "A column is a speaker, the hardest first: a point per arm, mean over seeds. Each arm's worst is named."
    page.section(
        "speakers",
        "Speakers",
        text(_worst(comparison)),
        page.figure("each_speaker", dots(comparison), "Accuracy of each speaker.", about),
        folded("All speakers as a table", _table(comparison)),
    )


def hardest_first(comparison: Comparison) -> list[str]:
    """The speakers by their mean accuracy over the arms."""
    of_arms = [_means(arm) for arm in comparison["arms"]]
    return sorted(of_arms[0], key=lambda name: sum(arm[name] for arm in of_arms))


def _means(arm: dict[str, Any]) -> dict[str, float]:
    return {row["speaker"]: row["accuracy"]["mean"] for row in arm["speakers"]}


def _worst(comparison: Comparison) -> str:
    parts = [
        f"{arm['arm']} is worst for {arm['worst_speaker']['speaker']}: "
        f"{percent(arm['worst_speaker']['accuracy']['mean'])} %."
        for arm in comparison["arms"]
    ]
    of_arm = {arm["arm"]: _means(arm) for arm in comparison["arms"]}
    for pair in comparison["pairs"]:
        if pair["metric"] == "accuracy" and pair["b"] == comparison["baseline"]:
            a, b = of_arm[pair["a"]], of_arm[pair["b"]]
            n = sum(a[name] > b[name] for name in a)
            parts.append(f"{pair['a']} is above {pair['b']} for {n} of {counted(len(a), 'speaker')}.")
    return " ".join(parts)


def dots(comparison: Comparison) -> Figure:
    """Accuracy of every arm for every speaker; a thin line joins what belongs to one speaker."""
    names = hardest_first(comparison)
    of_arms = {arm["arm"]: {row["speaker"]: row for row in arm["speakers"]} for arm in comparison["arms"]}
    figure = Figure()
    ends = [[100 * m[name] for m in map(_means, comparison["arms"])] for name in names]
    figure.add_scatter(
        x=[x for name in names for x in (name, name, None)],
        y=[y for of_one in ends for y in (min(of_one), max(of_one), None)],
        mode="lines",
        line={"color": QUIET, "width": 1.5},
        showlegend=False,
        hoverinfo="skip",
    )
    for arm, rows in of_arms.items():
        figure.add_scatter(
            x=names,
            y=percents([rows[name]["accuracy"]["mean"] for name in names]),
            customdata=[[spread(rows[name]["accuracy"]), count(rows[name]["frames"])] for name in names],
            mode="markers",
            name=arm,
            marker={
                "color": colour(comparison, arm),
                "symbol": symbol(comparison, arm),
                "size": 10 if len(names) < 60 else 7,
            },
            hovertemplate=f"%{{x}}, {arm}: %{{customdata[0]}} %<br>%{{customdata[1]}} frames<extra></extra>",
        )
    worst: dict[str, list[str]] = {}
    for arm in comparison["arms"]:
        worst.setdefault(arm["worst_speaker"]["speaker"], []).append(arm["arm"])
    notes = [
        {
            "x": names.index(speaker),
            "y": 100 * min(of_arms[arm][speaker]["accuracy"]["mean"] for arm in arms),
            "text": f"{speaker}: worst of {' and '.join(arms) if len(arms) < 4 else f'{len(arms)} arms'}",
            "showarrow": True,
            "arrowhead": 0,
            "arrowcolor": QUIET,
            "ax": 14,
            "ay": 22 + 18 * i,
            "xanchor": "left",
        }
        for i, (speaker, arms) in enumerate(sorted(worst.items(), key=lambda row: -names.index(row[0])))
    ]
    return finish(
        figure,
        height=420,
        annotations=notes,
        xaxis={
            "type": "category",
            "categoryorder": "array",
            "categoryarray": names,
            "range": [-0.7, len(names) - 0.3],
            "showticklabels": len(names) <= _NAMED,
            "tickangle": -60,
            "title": "" if len(names) <= _NAMED else f"{len(names)} speakers, the hardest first",
        },
        yaxis={"title": "accuracy, %"},
        margin={"l": 10, "r": 12, "t": 10, "b": 50},
    )


def _table(comparison: Comparison) -> str:
    arms = [{row["speaker"]: row for row in arm["speakers"]} for arm in comparison["arms"]]
    names = [arm["arm"] for arm in comparison["arms"]]
    has_two = len(arms) == 2
    rows: list[list[str | Cell]] = []
    for name in hardest_first(comparison):
        each = [arm[name]["accuracy"] for arm in arms]
        row: list[str | Cell] = [name, Cell(count(arms[0][name]["frames"]), sort=arms[0][name]["frames"])]
        row += [Cell(spread(values), sort=values["mean"]) for values in each]
        rows.append(row + ([points(each[0]["mean"] - each[1]["mean"])] if has_two else []))
    headings = ["speaker", ">frames", *(f">{name}" for name in names)]
    headings += [f">{names[0]} - {names[1]}"] if has_two else []
    caption = "Accuracy in percent, mean ± standard deviation over seeds; frames of one seed."
    return table(caption, headings, rows, key="speaker-table")
