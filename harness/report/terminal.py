"""What `harness report` prints, as data for `harness.screen`: the verdicts first, then tables that fit 80 columns.

`terminal_all` has what is printed on demand.
"""

from typing import Any

from harness.report import terminal_all
from harness.report.wording import (
    ABSENT,
    NOTHING_TO_COMPARE,
    percent,
    rounded,
    seconds,
    settings,
    several,
    share,
    spread,
    times,
)
from harness.screen import Block, Heading, Line, Table

_MAIN = ("accuracy", "macro_f1", "accuracy_without_silence")
_N_OTHERS = 6
"""Verdicts on pairs without the baseline, if there are no more."""


def blocks(comparison: dict[str, Any], *, everything: bool = False) -> list[Block]:
    """The report of a comparison, top to bottom.

    Args:
        everything: with the long tables.
    """
    return [
        Heading(f"{comparison['study']}: {comparison['question']}"),
        *_verdicts(comparison, everything),
        *_arms(comparison),
        *_measures(comparison),
        *_phonemes(comparison),
        *(terminal_all.blocks(comparison) if everything else []),
        *([Heading("Notes")] if comparison["notes"] else []),
        *(Line(note) for note in comparison["notes"]),
    ]


def _verdicts(comparison: dict[str, Any], everything: bool) -> list[Block]:
    """A sentence for each pair, and the evidence and the price behind it."""
    pairs = [pair for pair in comparison["pairs"] if pair["metric"] == "accuracy"]
    if not pairs:
        return [Line(NOTHING_TO_COMPARE)]
    first = [pair for pair in pairs if pair["b"] == comparison["baseline"]]
    others = [pair for pair in pairs if pair["b"] != comparison["baseline"]]
    n_left_out = 0 if everything or len(others) <= _N_OTHERS else len(others)
    shown = first if n_left_out else pairs
    method = ", Student's t" if shown[0]["low"] is not None else ""
    sentences = [Line(pair["sentence"], strong=pair in first or not first) for pair in shown]
    lines = [
        Line(f"In brackets the {100 * comparison['level']:g} % interval over {_evidence(comparison)}{method}."),
        *([Line(f"And {several(n_left_out, 'pair')} without {comparison['baseline']}: --all")] if n_left_out else []),
        *_many(comparison, pairs),
    ]
    rows = tuple(
        (
            f"{pair['a']} : {pair['b']}",
            share(pair["probability_a_better"]),
            *(ABSENT if pair[se] is None else f"{100 * pair[se]:.2f}" for se in ("naive_se", "clustered_se")),
            ABSENT if pair["se_ratio"] is None else f"{pair['se_ratio']:.1f}",
            *(times(*pair["cost"][name]) for name in _PRICES),
        )
        for pair in shown
    )
    headings = (
        "pair",
        ">chance",
        ">naive\nSE",
        ">clus-\ntered",
        ">ratio",
        *(f">{heading}" for heading in _PRICES.values()),
    )
    return [
        *sentences,
        *lines,
        Heading("Behind the verdicts: the first of each pair against the second"),
        Table(headings, rows),
        Line(f"Chance: that the first is better for a new {comparison['unit']}, both trained with new seeds."),
        Line(f"SE: standard error in points, naive (frames independent), clustered by {comparison['unit']}."),
        Line("Costs: how many times those of the second."),
    ]


_PRICES = {
    "parameters": "para-\nmeters",
    "flops_per_frame": "\nFLOPs",
    "seconds_training": "\nseconds",
    "search_frames": "tuning\nframes",
}


def _many(comparison: dict[str, Any], pairs: list[dict[str, Any]]) -> list[Block]:
    """What is left of the findings when they are corrected for the number of pairs."""
    found = [pair for pair in pairs if pair["verdict"].endswith(" better")]
    kept = [pair for pair in found if pair["p_corrected"] <= 1 - comparison["level"]]
    if len(found) == len(kept):
        return []
    return [Line(f"Of {len(found)} shown, {len(kept)} remain when corrected for {len(pairs)} pairs.")]


def _evidence(comparison: dict[str, Any]) -> str:
    """8 speakers and 3 seeds"""
    n_seeds = sorted({len(arm["seeds"]) for arm in comparison["arms"]})
    seeds = several(n_seeds[0], "seed") if len(n_seeds) == 1 else f"{n_seeds[0]} to {n_seeds[-1]} seeds"
    return f"{several(comparison['units'], comparison['unit'])} and {seeds}"


def _arms(comparison: dict[str, Any]) -> list[Block]:
    arms = comparison["arms"]
    columns = [[arm["test"][metric]["mean"] for arm in arms] for metric in _MAIN]
    strong = {
        (row, 1 + j)
        for j, means in enumerate(columns)
        for row, mean in enumerate(means)
        if len(arms) > 1 and percent(mean) == percent(max(means))
    }
    rows = tuple(
        (
            arm["arm"],
            *(spread(arm["test"][metric]) for metric in _MAIN),
            rounded(arm["parameters"]),
            seconds(arm["seconds_training"]),
        )
        for arm in arms
    )
    over_seeds = " (mean ± standard deviation over seeds)" if any(len(arm["seeds"]) > 1 for arm in arms) else ""
    return [
        Heading(f"Test, in percent{over_seeds}; seconds per training"),
        Table(
            ("arm", ">accuracy", ">macro-F1", ">no silence", ">parameters", ">seconds"),
            rows,
            frozenset(strong),
        ),
        *_chosen(arms),
    ]


def _chosen(arms: list[dict[str, Any]]) -> list[Block]:
    chosen = [(arm["arm"], settings(arm["chosen"])) for arm in arms if arm["chosen"]]
    if not chosen:
        return []
    trials = sorted({arm["trials"] for arm in arms})
    spent = f"{trials[0]} to {trials[-1]} trials" if len(trials) > 1 else several(trials[0], "trial")
    return [Heading(f"Chosen settings, of {spent} each"), *(Line(f"{arm}: {text}") for arm, text in chosen)]


def _measures(comparison: dict[str, Any]) -> list[Block]:
    """The other measures, means alone."""
    columns = {
        "balanced_accuracy": "\nbalanced",
        "accuracy_at_boundaries": "at bound-\naries",
        "accuracy_away": "\naway",
        "phone_error_rate": "phone\nerrors",
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


_N_PHONEMES = 5
