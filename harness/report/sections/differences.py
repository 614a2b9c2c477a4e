"""Every two arms: by how much they differ, how sure that is, and what it costs."""

from collections.abc import Sequence

from harness.comparison.model import Comparison, Pair
from harness.display.document import (
    Block,
    Cell,
    Column,
    Columns,
    Figure,
    Folded,
    Heading,
    Line,
    PageBlock,
    Row,
    Section,
    Table,
    numbers,
)
from harness.display.wording import ABSENT, chance, interval, percent, plural, points, ratio
from harness.report.figures import colour, downwards, excludes_zero, figure, forest, from_zero, symbol
from harness.report.sections.arms import arm_cell
from harness.report.sections.sweep import interval_over
from harness.report.sections.verdicts import chance_note
from harness.statistics.frame_measures import LEAST
from harness.statistics.intervals import Verdict
from harness.statistics.registry import LOG_LOSS, METRICS, headline

_PHONE_ERROR_RATE = "phone_error_rate_plain"
"""The measure by which others in the field compare, beside the main ones in what is pasted."""
_N_ROWS = 24
"""A longer table is folded."""


def section(comparison: Comparison) -> Section:
    """Forests and tables of every pair in every measure."""
    if not comparison.pairs:
        return Section("differences")
    main = [*(metric.name for metric in headline()), _PHONE_ERROR_RATE]
    note = chance_note(comparison)
    return Section(
        "differences",
        "Differences",
        page=[
            *_forests(comparison),
            _page_table(comparison),
            *_others(comparison),
            _costs(comparison),
            _errors(comparison),
        ],
        long=_by_pair(comparison),
        pasted=[*_in_one(comparison, [pair for pair in comparison.pairs if pair.metric in main]), note],
        pasted_long=[*_in_one(comparison, comparison.pairs), note],
    )


# In the terminal, and pasted


def _in_one(comparison: Comparison, pairs: Sequence[Pair]) -> list[Block]:
    """Every two arms, a - b, in one table."""
    rows = [(f"{pair.a} - {pair.b}", *_difference(pair)[:-1], *_test(pair), _difference(pair)[-1]) for pair in pairs]
    columns: Columns = ["pair", "measure", *_columns(comparison), *numbers("p", "df"), "better"]
    return [Heading("Differences, in points"), Table(columns, rows)]


def _test(pair: Pair) -> tuple[str, str]:
    """The p-value of no difference, two-sided, of this pair alone, and the degrees of freedom of Student's t."""
    if pair.p is None or pair.freedom is None:
        return ABSENT, ABSENT
    return "< 0.001" if pair.p < 0.001 else f"{pair.p:.3f}", f"{pair.freedom:.1f}"


def _by_pair(comparison: Comparison) -> list[Block]:
    """A table for each pair, in every measure."""
    pairs: dict[str, list[Sequence[str]]] = {}
    for pair in comparison.pairs:
        pairs.setdefault(f"{pair.a} - {pair.b}", []).append(_difference(pair))
    tables = [Table([names, *_columns(comparison), "better"], rows) for names, rows in pairs.items()]
    return [Heading("Differences in every measure, in points"), *tables]


def _columns(comparison: Comparison) -> list[Column]:
    return numbers("difference", f"{100 * comparison.level:g} % interval", "P(sup.)")


def _difference(pair: Pair) -> tuple[str, ...]:
    words = {Verdict.NO_DIFFERENCE: "not shown", Verdict.EQUAL: "equal", Verdict.NO_INTERVAL: "unknown"}
    return (
        METRICS[pair.metric].short,
        points(pair.difference),
        interval(pair.low, pair.high),
        chance(pair.probability_a_better),
        pair.alone[1] or words[pair.alone[0]],
    )


# On the page


def _forests(comparison: Comparison) -> list[Figure]:
    against = [pair for pair in comparison.pairs if pair.b == comparison.baseline]
    if not against:
        return []
    by = f"The line is the {interval_over(comparison)}; filled where it excludes zero."
    more = [pair for pair in against if not METRICS[pair.metric].lower_is_better]
    less = [pair for pair in against if METRICS[pair.metric].lower_is_better]
    title = f"Points above {comparison.baseline}."
    figures = [forests(comparison, more, "differences", title, f"Right of zero is better. {by}")]
    if less:
        about = (
            f"Left of zero is better. Predicted segments of fewer than {LEAST} frames are dropped first; of the plain "
            "rate silence is."
        )
        figures.append(forests(comparison, less, "differences_less", "Phone error rates.", about))
    return figures


def forests(comparison: Comparison, pairs: Sequence[Pair], key: str, title: str, about: str) -> Figure:
    """Each pair in each measure, with its interval."""
    arms, measures = list(dict.fromkeys(pair.a for pair in pairs)), list(METRICS)

    def row(pair: Pair) -> str:
        return METRICS[pair.metric].title + (f", {pair.a}" if len(arms) > 1 else "")

    order = sorted(pairs, key=lambda pair: (measures.index(pair.metric), arms.index(pair.a)))
    traces = []
    for arm in arms:
        look = {"color": colour(comparison, arm), "symbol": symbol(comparison, arm)}
        for yes in (True, False):
            own = [pair for pair in pairs if pair.a == arm and excludes_zero((pair.low, pair.high)) == yes]
            labels = [f"{METRICS[p.metric].title}, {p.a} against {p.b}: {_alone(p)}" for p in own]
            ends = [(pair.low, pair.high) for pair in own]
            traces += forest([p.difference for p in own], ends, [row(p) for p in own], labels, look, is_shown=yes)
    return figure(
        key,
        title,
        about,
        traces,
        height=95 + 30 * len(pairs),
        showlegend=False,
        xaxis=from_zero(f"points above {comparison.baseline}"),
        yaxis=downwards(row(pair) for pair in order),
    )


def _alone(pair: Pair) -> str:
    """The verdict of its own interval, which is beside it."""
    outcome, better = pair.alone
    return f"{better} {outcome.value}" if better else outcome.value


def _page_table(comparison: Comparison) -> PageBlock:
    rows: list[Row] = [
        [
            METRICS[pair.metric].title,
            arm_cell(comparison, pair.a),
            arm_cell(comparison, pair.b),
            points(pair.difference),
            interval(pair.low, pair.high),
            chance(pair.probability_a_better),
            Cell(_alone(pair), strong=bool(pair.alone[1])),
        ]
        for pair in comparison.pairs
    ]
    caption = (
        f"Differences in points, first less second. Better for a new {comparison.unit}: the probability that "
        "the first arm is, when both are trained with a new seed."
    )
    columns = numbers("difference", f"{100 * comparison.level:g} % interval", f"better for a new {comparison.unit}")
    table = Table(["measure", "first", "second", *columns, "verdict"], rows, caption)
    return table if len(rows) <= _N_ROWS else Folded(f"All {len(rows)} differences as a table", [table])


def _others(comparison: Comparison) -> list[Table]:
    """Log-loss in nats and calibration error in points, which no verdict is about."""
    rows: list[Row] = []
    for row in comparison.other_differences:
        scale, unit, digits = (1, "nats", 3) if row.metric == LOG_LOSS.name else (100, "points", 2)
        ends = [] if row.low is None or row.high is None else [row.low, row.high]
        rows.append(
            [
                f"{METRICS[row.metric].title}, {unit}",
                arm_cell(comparison, row.a),
                arm_cell(comparison, row.b),
                f"{scale * row.difference:+.{digits}f}",
                " to ".join(f"{scale * end:+.{digits}f}" for end in ends) or ABSENT,
            ]
        )
    if not rows:
        return []
    columns = numbers("difference", f"{100 * comparison.level:g} % interval")
    caption = "Measures of the probabilities, first less second; less is better. No verdict is about them."
    return [Table(["measure", "first", "second", *columns], rows, caption)]


def _costs(comparison: Comparison) -> Table:
    pairs = comparison.pairs_in("accuracy")
    rows = []
    for pair in pairs:
        cost, apart = pair.cost, pair.disagreement
        prices = (cost.parameters, cost.flops_per_frame, cost.seconds_training, cost.search_frames)
        row: list[str | Cell] = [arm_cell(comparison, pair.a), arm_cell(comparison, pair.b)]
        is_busy = not comparison.seconds_are_comparable
        row += [ABSENT if is_busy and price is cost.seconds_training else ratio(*price) for price in prices]
        row += [percent(apart.only_a_right), percent(apart.only_b_right)] if apart else []
        rows.append(row)
    titles = ["parameters", "FLOPs", "training seconds", "tuning frames"]
    titles += ["only first right, %", "only second right, %"] if pairs[0].disagreement else []
    caption = "What the first costs, in times the second; and the share of frames that only one of them has right."
    return Table(["first", "second", *numbers(*titles)], rows, caption)


def _errors(comparison: Comparison) -> Folded:
    rows = [
        [
            METRICS[pair.metric].title,
            f"{pair.a} - {pair.b}",
            *(ABSENT if se is None else points(se).lstrip("+") for se in (pair.naive_se, pair.clustered_se)),
            ABSENT if pair.se_ratio is None else f"{pair.se_ratio:.1f}",
            *(ABSENT if se is None else points(se).lstrip("+") for se in (pair.draws_se, pair.se)),
            ABSENT if pair.freedom is None else f"{pair.freedom:.1f}",
            ABSENT if pair.unit_mean is None else points(pair.unit_mean),
        ]
        for pair in comparison.pairs
    ]
    unit = comparison.unit
    why = Line(
        f"Frames of one {unit} are similar. The naive standard error treats frames as independent; the "
        f"clustered one uses whole {unit}s. The ratio is the factor by which the naive one is too small. The interval "
        f"is the difference ± Student's t of its degrees of freedom times its standard error, which has both parts."
    )
    over = (f"over {unit}s", "ratio", f"over {plural(comparison.draw)}", "of the interval", "degrees of freedom")
    columns: Columns = ["measure", "difference", *numbers("naive", *over, f"difference, {unit}s alike")]
    return Folded(f"Why {unit}s, not frames", [why, Table(columns, rows, "Standard errors, in points.")])
