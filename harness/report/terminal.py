"""What `harness report` prints, as data for `harness.screen`: the verdicts first, then tables that fit 80 columns."""

from typing import Any

from harness.report.wording import (
    ABSENT,
    interval,
    nothing_to_compare,
    percent,
    points,
    rounded,
    seconds,
    settings,
    several,
    spread,
)
from harness.screen import Block, Heading, Line, Table
from harness.stats import NO_DIFFERENCE

_SHORT = {"accuracy": "accuracy", "macro_f1": "macro-F1", "accuracy_without_silence": "no silence"}
_N_PHONEMES = 6
_N_CONFUSIONS = 4


def blocks(comparison: dict[str, Any]) -> list[Block]:
    """The whole report of a comparison, top to bottom."""
    return [
        Heading(f"{comparison['study']}: {comparison['question']}"),
        *_verdicts(comparison),
        *_arms(comparison),
        *_differences(comparison),
        *_phonemes(comparison),
        *_confusions(comparison),
        *([Heading("Notes")] if comparison["notes"] else []),
        *(Line(note) for note in comparison["notes"]),
    ]


def _verdicts(comparison: dict[str, Any]) -> list[Block]:
    if not comparison["verdicts"]:
        return [Line(nothing_to_compare(len(comparison["arms"])))]
    evidence = f"In brackets the {100 * comparison['level']:g} % interval over {_evidence(comparison)}."
    return [*(Line(sentence, strong=True) for sentence in comparison["verdicts"]), Line(evidence)]


def _evidence(comparison: dict[str, Any]) -> str:
    """8 speakers and 3 seeds"""
    n_seeds = sorted({len(arm["seeds"]) for arm in comparison["arms"]})
    seeds = several(n_seeds[0], "seed") if len(n_seeds) == 1 else f"{n_seeds[0]} to {n_seeds[-1]} seeds"
    return f"{several(comparison['units'], comparison['unit'])} and {seeds}"


def _arms(comparison: dict[str, Any]) -> list[Block]:
    arms = comparison["arms"]
    columns = [[arm["test"][metric]["mean"] for arm in arms] for metric in _SHORT]
    strong = {
        (row, 1 + j)
        for j, means in enumerate(columns)
        for row, mean in enumerate(means)
        if len(arms) > 1 and percent(mean) == percent(max(means))
    }
    rows = tuple(
        (
            arm["arm"],
            *(spread(arm["test"][metric]) for metric in _SHORT),
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


def _differences(comparison: dict[str, Any]) -> list[Block]:
    if not comparison["pairs"]:
        return []
    rows = tuple(
        (
            pair["a"],
            _SHORT[pair["metric"]],
            points(pair["difference"]),
            interval(pair["low"], pair["high"]),
            *(ABSENT if pair[se] is None else f"{100 * pair[se]:.2f}" for se in ("naive_se", "clustered_se")),
            _reading(pair),
        )
        for pair in comparison["pairs"]
    )
    return [
        Heading(f"Difference to {comparison['baseline']}, in points"),
        Table(
            (
                "arm",
                "metric",
                ">difference",
                f">{100 * comparison['level']:g} % interval",
                ">naive\nSE",
                ">clustered\nSE",
                "reads",
            ),
            rows,
        ),
        Line(f"SE: standard error, naive (frames independent) and clustered by {comparison['unit']}."),
        Line(f"The interval takes {comparison['unit']}s and seeds for drawn at random, and so is wider."),
    ]


def _reading(pair: dict[str, Any]) -> str:
    if pair["low"] is None:
        return "unknown"
    return "not shown" if pair["verdict"] == NO_DIFFERENCE else "better" if pair["difference"] > 0 else "worse"


def _phonemes(comparison: dict[str, Any]) -> list[Block]:
    shown: list[Block] = []
    for found in comparison["phoneme_differences"]:
        rows = tuple(
            (
                row["phoneme"],
                comparison["broad"].get(row["phoneme"], ""),
                percent(row["f1_a"]),
                percent(row["f1_b"]),
                points(row["difference"]),
                interval(row["low"], row["high"]),
                "yes" if row["survives"] else "no",
            )
            for row in found["phonemes"][:_N_PHONEMES]
        )
        n = len(found["phonemes"])
        n_surviving = sum(row["survives"] for row in found["phonemes"])
        shown += [
            Heading(f"Phonemes that differ most in F1: {found['a']} - {found['b']}, in points"),
            Table(
                ("phoneme", "class", f">{found['a']}", f">{found['b']}", ">difference", ">interval alone", "shown"),
                rows,
            ),
            Line(f"Shown, and first: {n_surviving} of {n}, corrected for their number (Benjamini-Hochberg)."),
        ]
    return shown


def _confusions(comparison: dict[str, Any]) -> list[Block]:
    rows = []
    for arm in comparison["arms"]:
        top = arm["top_confusions"][:_N_CONFUSIONS]
        cells = [f"{entry['true']} as {entry['predicted']} {100 * entry['rate']:.1f}" for entry in top]
        rows.append((arm["arm"], *cells, *[""] * (_N_CONFUSIONS - len(cells))))
    return [
        Heading("Confusions of most frames, in percent of the true phoneme's frames"),
        Table(("arm", "1st", "2nd", "3rd", "4th"), tuple(rows)),
    ]
