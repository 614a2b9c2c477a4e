"""What `harness report` prints, as data for `harness.screen`: the verdicts first, then tables that fit 80 columns.

`terminal_all` has what is printed on demand.
"""

from typing import Any

from harness.display.narrow import COLUMNS, fitting, width
from harness.display.terminal import Block, Heading, Line, Table
from harness.display.wording import ABSENT, NOTHING_TO_COMPARE, chance, counted, percent, ratio, settings
from harness.report import outline_all, outline_sweep, rungs, tables

_N_OTHERS = 6
"""Verdicts on pairs without the baseline, if there are no more."""
_N_PHONEMES = 5
_N_NOTES = 8


def blocks(comparison: dict[str, Any], *, everything: bool = False) -> list[Block]:
    """The report of a comparison, top to bottom.

    Args:
        everything: with the long tables.
    """
    arms = tables.arms(comparison)
    is_sweep = bool(comparison.get("sweep"))
    cells = [
        *_verdicts(comparison, everything),
        *([] if is_sweep else tables.claims(comparison)),
        Heading(arms[0]),
        arms[1],
        *_chosen(comparison["arms"]),
        *_measures(comparison),
    ]
    told = [
        Heading(f"{comparison['study']}: {comparison['question']}"),
        *([*outline_sweep.blocks(comparison), *tables.claims(comparison)] if is_sweep else []),
        *(cells if everything or not is_sweep else []),
        *_rungs(comparison),
        *_phonemes(comparison),
        *(outline_all.blocks(comparison) if everything else []),
        *_notes(comparison["notes"], everything),
    ]
    return fitting(told)


def _rungs(comparison: dict[str, Any]) -> list[Block]:
    """What successive halving spent."""
    rows = rungs.rows(comparison)
    if not rows:
        return []
    table = Table(rungs.HEADINGS, rows)
    return [Heading("Search: training frames, rung by rung"), table, Line(rungs.sentence(comparison))]


def _verdicts(comparison: dict[str, Any], everything: bool) -> list[Block]:
    """A sentence for each pair, and the evidence and the price behind it."""
    pairs = [pair for pair in comparison["pairs"] if pair["metric"] == "accuracy"]
    if not pairs:
        return [Line(NOTHING_TO_COMPARE)]
    first = [pair for pair in pairs if pair["b"] == comparison["baseline"]]
    others = [pair for pair in pairs if pair["b"] != comparison["baseline"]]
    n_left_out = 0 if everything or not first or len(others) <= _N_OTHERS else len(others)
    shown = first if n_left_out else pairs
    sentences = [Line(pair["sentence"], strong=pair in first or not first) for pair in shown]
    lines = [
        Line(tables.evidence(comparison)),
        *([Line(f"And {counted(n_left_out, 'pair')} without {comparison['baseline']}: --all")] if n_left_out else []),
        *tables.corrected(comparison, pairs),
    ]
    return [
        *sentences,
        *lines,
        Heading("Behind the verdicts: the first of each pair against the second"),
        *_behind(shown),
        Line(tables.chance_note(comparison)),
        Line(f"Standard error (SE) in points, by frames (naive) and by {comparison['unit']} (clustered)."),
        Line("Costs: how many times those of the second."),
    ]


def _behind(pairs: list[dict[str, Any]]) -> list[Block]:
    """Evidence and price of each pair: one table, or two if the names are long."""
    names = [f"{pair['a']} : {pair['b']}" for pair in pairs]
    evidence = [
        (
            chance(pair["probability_a_better"]),
            *(ABSENT if pair[se] is None else f"{100 * pair[se]:.2f}" for se in ("naive_se", "clustered_se")),
            ABSENT if pair["se_ratio"] is None else f"{pair['se_ratio']:.1f}",
        )
        for pair in pairs
    ]
    prices = [tuple(ratio(*pair["cost"][name]) for name in _PRICES) for pair in pairs]
    head = (">chance", ">naive\nSE", ">clus-\ntered", ">ratio"), tuple(f">{heading}" for heading in _PRICES.values())
    both = [(name, *first, *second) for name, first, second in zip(names, evidence, prices, strict=True)]
    one = Table(("pair", *head[0], *head[1]), tuple(both))
    if width(one) <= COLUMNS:
        return [one]
    parts = zip(head, (evidence, prices), strict=True)
    return [
        Table(("pair", *headings), tuple((name, *row) for name, row in zip(names, rows, strict=True)))
        for headings, rows in parts
    ]


_PRICES = {
    "parameters": "para-\nmeters",
    "flops_per_frame": "\nFLOPs",
    "seconds_training": "\nseconds",
    "search_frames": "tuning\nframes",
}


def _chosen(arms: list[dict[str, Any]]) -> list[Block]:
    chosen = [(arm["arm"], settings(arm["chosen"])) for arm in arms if arm["chosen"]]
    if not chosen:
        return []
    trials = sorted({arm["trials"] for arm in arms})
    spent = f"{trials[0]} to {trials[-1]} trials" if len(trials) > 1 else counted(trials[0], "trial")
    return [Heading(f"Chosen settings, of {spent} each"), *(Line(f"{arm}: {text}") for arm, text in chosen)]


def _measures(comparison: dict[str, Any]) -> list[Block]:
    """The other measures, means alone."""
    columns = {
        "balanced_accuracy": "\nbalanced",
        "accuracy_at_boundaries": "at bound-\naries",
        "accuracy_away": "\naway",
        "calibration_error": "calibra-\ntion error",
    }
    columns = {name: heading for name, heading in columns.items() if name in comparison["arms"][0]["test"]}
    rows = tuple(
        (
            arm["arm"],
            *(percent(arm["test"][name]["mean"]) for name in columns),
            f"{arm['test']['log_loss']['mean']:.3f}",
            f"{percent(arm['worst_speaker']['accuracy']['mean'])} {arm['worst_speaker']['speaker']}",
        )
        for arm in comparison["arms"]
    )
    headings = ("arm", *(f">{heading}" for heading in columns.values()), ">\nlog-loss", "worst\nspeaker")
    return [Heading("Other measures, in percent; log-loss in nats"), Table(headings, rows)]


def _phonemes(comparison: dict[str, Any]) -> list[Block]:
    """The phonemes whose difference survives, in a line for each pair."""
    lines = []
    for found in comparison["phoneme_differences"]:
        rows = [row for row in found["phonemes"] if row["survives"]]
        shown = ", ".join(f"{row['phoneme']} {100 * row['difference']:+.1f}" for row in rows[:_N_PHONEMES])
        more = f" and {len(rows) - _N_PHONEMES} more" if len(rows) > _N_PHONEMES else ""
        lines.append(Line(f"{found['a']} - {found['b']}: {shown or 'none'}{more}"))
    n = len(comparison["phoneme_differences"][0]["phonemes"]) if lines else 0
    text = f"Phonemes that differ in F1, in points, corrected for being {n}"
    return [Heading(text), *lines] if lines else []


def _notes(notes: list[str], everything: bool) -> list[Block]:
    shown = notes if everything or len(notes) <= _N_NOTES else notes[: _N_NOTES - 1]
    more = [Line(f"And {counted(len(notes) - len(shown), 'note')}: --all")] if len(shown) < len(notes) else []
    return [Heading("Notes"), *map(Line, shown), *more] if notes else []
