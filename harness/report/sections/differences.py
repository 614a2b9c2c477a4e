"""Every two arms: by how much they differ, how sure that is, and what it costs."""

from typing import Any

from harness.display.wording import ABSENT, chance, interval, percent, points, ratio
from harness.report.figures import Comparison, Figure, colour, downwards, finish, forest, from_zero, symbol
from harness.report.markup import Cell, Page, folded, table, text
from harness.report.sections.arms import arm_cell
from harness.statistics.frame_measures import LEAST
from harness.statistics.registry import METRICS

PRICES = {
    "parameters": "parameters",
    "flops_per_frame": "FLOPs",
    "seconds_training": "training seconds",
    "search_frames": "tuning frames",
}


def write(page: Page, comparison: Comparison) -> None:
    pairs = comparison["pairs"]
    if not pairs:
        return
    against = [pair for pair in pairs if pair["b"] == comparison["baseline"]]
    unit, level = comparison["unit"], f"{100 * comparison['level']:g} %"
    figures = []
    if against:
        by = f"The line is the {level} interval over {unit}s and seeds; filled where it excludes zero."
        more = [pair for pair in against if not METRICS[pair["metric"]].lower_is_better]
        less = [pair for pair in against if METRICS[pair["metric"]].lower_is_better]
        title = f"Points above {comparison['baseline']}."
        figures.append(page.figure("differences", forests(comparison, more), title, f"Right of zero is better. {by}"))
        if less:
            about = f"Left of zero is better. Predicted segments of fewer than {LEAST} frames are dropped first."
            figures.append(page.figure("differences_less", forests(comparison, less), "Phone error rate.", about))
    page.section(
        "differences",
        "Differences",
        *figures,
        _table(comparison),
        _costs(comparison),
        _errors(comparison),
    )


def forests(comparison: Comparison, pairs: list[dict[str, Any]]) -> Figure:
    """Each pair in each measure, with its interval."""
    figure = Figure()
    arms = list(dict.fromkeys(pair["a"] for pair in pairs))
    rows = {id(pair): METRICS[pair["metric"]].title + (f", {pair['a']}" if len(arms) > 1 else "") for pair in pairs}
    order = sorted(pairs, key=lambda pair: (list(METRICS).index(pair["metric"]), arms.index(pair["a"])))
    for arm in arms:
        look = {"color": colour(comparison, arm), "symbol": symbol(comparison, arm)}
        for is_shown in (True, False):
            found = [p for p in pairs if p["a"] == arm and _excludes_zero(p) == is_shown]
            labels = [f"{METRICS[p['metric']].title}, {p['a']} against {p['b']}: {p['verdict']}" for p in found]
            forest(figure, found, [rows[id(p)] for p in found], labels, look, is_shown=is_shown)
    return finish(
        figure,
        height=95 + 30 * len(pairs),
        showlegend=False,
        xaxis=from_zero(f"points above {comparison['baseline']}"),
        yaxis=downwards([rows[id(pair)] for pair in order]),
    )


def _excludes_zero(row: dict[str, Any]) -> bool:
    return row["low"] is not None and not row["low"] <= 0 <= row["high"]


def _table(comparison: Comparison) -> str:
    rows: list[list[str | Cell]] = [
        [
            METRICS[pair["metric"]].title,
            arm_cell(comparison, pair["a"]),
            arm_cell(comparison, pair["b"]),
            points(pair["difference"]),
            interval(pair["low"], pair["high"]),
            chance(pair["probability_a_better"]),
            Cell(pair["verdict"], best=pair["verdict"].endswith(" better")),
        ]
        for pair in comparison["pairs"]
    ]
    caption = (
        f"Differences in percentage points, first less second. Better for a new {comparison['unit']}: the chance that "
        "the first arm is, when both are trained with a new seed."
    )
    level = f"{100 * comparison['level']:g} % interval"
    headings = ["measure", "first", "second", ">difference", f">{level}", f">better for a new {comparison['unit']}"]
    found = table(caption, [*headings, "verdict"], rows)
    return found if len(rows) <= 24 else folded(f"All {len(rows)} differences as a table", found)


def _costs(comparison: Comparison) -> str:
    pairs = [pair for pair in comparison["pairs"] if pair["metric"] == "accuracy"]
    rows: list[list[str | Cell]] = [
        [
            arm_cell(comparison, pair["a"]),
            arm_cell(comparison, pair["b"]),
            *(ratio(*pair["cost"][name]) for name in PRICES),
            *([percent(pair["disagreement"][f"only_{arm}_right"]) for arm in "ab"] if "disagreement" in pair else []),
        ]
        for pair in pairs
    ]
    right = [">only first right, %", ">only second right, %"] if "disagreement" in pairs[0] else []
    caption = "What the first costs, in times the second; and the share of frames that only one of them has right."
    return table(caption, ["first", "second", *(f">{name}" for name in PRICES.values()), *right], rows)


def _errors(comparison: Comparison) -> str:
    rows: list[list[str | Cell]] = [
        [
            METRICS[pair["metric"]].title,
            f"{pair['a']} - {pair['b']}",
            *(
                ABSENT if pair[name] is None else points(pair[name]).lstrip("+")
                for name in ("naive_se", "clustered_se")
            ),
            ABSENT if pair["se_ratio"] is None else f"{pair['se_ratio']:.1f}",
        ]
        for pair in comparison["pairs"]
    ]
    unit = comparison["unit"]
    why = text(
        f"Frames of one {unit} are alike. The naive standard error counts every frame as a witness of its own; the "
        f"clustered one counts {unit}s. The ratio is by how much frames overstate what is known."
    )
    headings = ["measure", "difference", ">naive", f">over {unit}s", ">ratio"]
    return folded(f"Why {unit}s, not frames", why, table("Standard errors, in points.", headings, rows))
