"""What is taken for what: the matrices of the arms, and the confusions in which an arm and the baseline differ."""

from harness.comparison.model import Comparison, ConfusionDifferences
from harness.display.document import (
    Block,
    ColourScale,
    Group,
    Heading,
    Line,
    PageBlock,
    Readout,
    Section,
    Table,
    numbers,
)
from harness.display.wording import ABSENT, count, percent, points
from harness.report.sections import matrices

_N_ERRORS = 4
_N_CELLS = 8
_N_ROWS = 20


def section(comparison: Comparison) -> Section:
    """Matrices side by side, and those of the differences; in the terminal the largest of both, with --all."""
    figures = [matrices.confusion(comparison, arm, f"confusion_{i}") for i, arm in enumerate(comparison.arms)]
    shares = [(f"rate-{i}", f"{100 * rate:g}") for i, rate in enumerate(matrices.RATES)]
    about = (
        "A row is a true phoneme: what share of its frames was taken for each phoneme, pooled over seeds. Phonemes "
        "stand by broad class, and all arms have the same colours. Pointing at a cell, or the arrow keys in a matrix, "
        "shows it in every matrix and here:"
    )
    pairs = comparison.confusion_differences
    return Section(
        "confusions",
        "Confusions",
        page=[
            Line(about),
            Readout("No cell chosen."),
            ColourScale("share of the row, %", shares),
            Group(figures, "columns"),
            *(_differences(comparison) if pairs else []),
            _every_error(comparison),
        ],
        long=[*_frequent(comparison), *(block for pair in pairs for block in _cells(pair))],
    )


# In the terminal


def _frequent(comparison: Comparison) -> list[Block]:
    rows = []
    for arm in comparison.arms:
        errors = [f"{e.true} as {e.predicted} {100 * e.rate:.1f}" for e in arm.top_confusions[:_N_ERRORS]]
        rows.append([arm.arm, *errors, *[""] * (_N_ERRORS - len(errors))])
    heading = Heading("Confusions of most frames, in percent of the true phoneme's frames")
    return [heading, Table(["arm", "1st", "2nd", "3rd", "4th"], rows)]


def _cells(pair: ConfusionDifferences) -> list[Block]:
    """The confusions that differ, of those that were tested."""
    differ = f"{len(pair.surviving)} of {count(pair.tested)} differ when corrected"
    heading = Heading(f"Cells of the confusion matrix, {pair.a} - {pair.b}: {differ}")
    cells = pair.surviving[:_N_CELLS]
    if not cells:
        return [heading]
    rows = [
        (f"{cell.true} as {cell.predicted}", percent(cell.rate_a), percent(cell.rate_b), points(cell.difference))
        for cell in cells
    ]
    note = Line("A phoneme as itself: the share of its frames that are right.")
    return [
        heading,
        Table(["true as predicted", *numbers(pair.a, pair.b, "difference")], rows),
        *([note] if any(cell.true == cell.predicted for cell in cells) else []),
    ]


# On the page


def _differences(comparison: Comparison) -> list[PageBlock]:
    pairs = comparison.confusion_differences
    limit = f"{100 * matrices.difference_limit(comparison):.0f}"
    tones = (("less-2", f"-{limit}"), ("less-1", ""), ("same", "0"), ("more-1", ""), ("more-2", f"+{limit}"))
    about = (
        "Blue and + where the first arm does it more often: good on the diagonal, bad elsewhere. Only cells whose "
        "difference survives the correction for their number (Benjamini-Hochberg) are coloured."
    )
    legend: list[PageBlock] = [Line(about), ColourScale("points", tones, "and beyond")]
    return [
        Heading("Their difference"),
        *(legend if any(pair.surviving for pair in pairs) else []),
        *(_difference(comparison, pair, f"confusion_difference_{i}") for i, pair in enumerate(pairs)),
    ]


def _difference(comparison: Comparison, pair: ConfusionDifferences, key: str) -> PageBlock:
    if not pair.surviving:
        tested = count(pair.tested)
        return Line(f"{pair.a} and {pair.b}: none of {tested} confusions differs, corrected for their number.")
    matrix = matrices.confusion_difference(comparison, pair, key)
    return Group([matrix, Group([_surviving(pair)])], "columns")


def _surviving(pair: ConfusionDifferences) -> Table:
    cells = pair.surviving[:_N_ROWS]
    rows = [
        (
            f"{row.true} as {row.predicted}" if row.true != row.predicted else f"{row.true} right",
            percent(row.rate_a),
            percent(row.rate_b),
            points(row.difference),
            f"{row.p_corrected:.2g}",
        )
        for row in cells
    ]
    more = f", the {len(cells)} largest of {len(pair.surviving)}" if len(cells) < len(pair.surviving) else ""
    caption = f"Confusions that differ, in percent of the true phoneme's frames{more}"
    return Table(["what", *numbers(pair.a, pair.b, "points", "corrected p")], rows, caption)


def _every_error(comparison: Comparison) -> Table:
    rows = []
    for rank in range(max(len(arm.top_confusions) for arm in comparison.arms)):
        row = [str(rank + 1)]
        for arm in comparison.arms:
            errors = arm.top_confusions[rank : rank + 1]
            row += [f"{e.true} as {e.predicted}, {percent(e.rate)} ({count(e.count)})" for e in errors] or [ABSENT]
        rows.append(row)
    caption = "Most frequent confusions: percent of the true phoneme's frames (frames, all seeds)"
    return Table(["rank", *(arm.arm for arm in comparison.arms)], rows, caption)
