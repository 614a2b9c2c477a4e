"""The long tables of the terminal, printed on demand: `harness report --all`."""

from typing import Any

from harness.display.terminal import Block, Heading, Line, Table
from harness.display.wording import ABSENT, count, interval, percent, points, rounded, seconds, spread
from harness.report import tables
from harness.statistics.frame_measures import LEAST

_N_PHONEMES = 6
_N_CONFUSIONS = 4
_N_CELLS = 8
_N_SPEAKERS = 5


def blocks(comparison: dict[str, Any]) -> list[Block]:
    """Differences in every measure, classes, phonemes, confusions, boundaries, speakers, effort and speed."""
    return [
        *_differences(comparison),
        *_broad_classes(comparison),
        *_phonemes(comparison),
        *_confusions(comparison),
        *_cells(comparison),
        *_boundaries(comparison),
        *_speakers(comparison),
        *_effort(comparison),
        *_speed(comparison),
    ]


def _differences(comparison: dict[str, Any]) -> list[Block]:
    """A table for each pair, in every measure."""
    pairs: dict[str, list[tuple[str, ...]]] = {}
    for pair in comparison["pairs"]:
        pairs.setdefault(f"{pair['a']} - {pair['b']}", []).append(tables.difference(pair))
    _, *headings = tables.difference_headings(comparison)
    return [
        *([Heading("Differences in every measure, in points")] if pairs else []),
        *(Table((pair, *headings), tuple(rows)) for pair, rows in pairs.items()),
    ]


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


def _cells(comparison: dict[str, Any]) -> list[Block]:
    """The confusions that differ, of those that were tested."""
    shown: list[Block] = []
    for found in comparison["confusion_differences"]:
        cells = found["surviving"]
        told = f"{len(cells)} of {count(found['tested'])} differ when corrected"
        shown.append(Heading(f"Cells of the confusion matrix, {found['a']} - {found['b']}: {told}"))
        if cells:
            rows = tuple(
                (
                    f"{cell['true']} as {cell['predicted']}",
                    percent(cell["rate_a"]),
                    percent(cell["rate_b"]),
                    points(cell["difference"]),
                )
                for cell in cells[:_N_CELLS]
            )
            shown.append(Table(("true as predicted", f">{found['a']}", f">{found['b']}", ">difference"), rows))
            if any(cell["true"] == cell["predicted"] for cell in cells[:_N_CELLS]):
                shown.append(Line("A phoneme as itself: the share of its frames that are right."))
    return shown


def _broad_classes(comparison: dict[str, Any]) -> list[Block]:
    arms = comparison["arms"]
    if not arms[0]["broad_classes"]:
        return []
    classes = [row["broad"] for row in arms[0]["broad_classes"]]
    of_arms = [{row["broad"]: row for row in arm["broad_classes"]} for arm in arms]
    rows = tuple(
        (
            name,
            count(of_arms[0][name]["support"] // len(arms[0]["seeds"])),
            *(f"{percent(rows[name]['accuracy'])} ({percent(rows[name]['recall'])})" for rows in of_arms),
        )
        for name in classes
    )
    return [
        Heading("Accuracy by broad class, in percent (in brackets: the class itself right)"),
        Table(("class", ">frames", *(f">{arm['arm']}" for arm in arms)), rows),
    ]


def _boundaries(comparison: dict[str, Any]) -> list[Block]:
    arms = [arm for arm in comparison["arms"] if "boundaries" in arm]
    if not arms:
        return []
    rows = tuple(
        (row["distance"], count(row["frames"]), *(spread(arm["boundaries"][i]["accuracy"]) for arm in arms))
        for i, row in enumerate(arms[0]["boundaries"])
    )
    kinds = ("substitutions", "deletions", "insertions")
    segments = tuple((arm["arm"], *(spread(arm["segments"][kind]) for kind in kinds)) for arm in arms)
    return [
        Heading("Accuracy by distance to the nearest change of phoneme, in frames"),
        Table(("distance", ">frames", *(f">{arm['arm']}" for arm in arms)), rows),
        Heading(f"Phone errors, in percent of {count(arms[0]['segments']['true'])} true segments"),
        Table(("arm", *(f">{kind}" for kind in kinds)), segments),
        Line(f"A predicted segment lasts {LEAST} frames at least; shorter ones are dropped."),
    ]


def _speakers(comparison: dict[str, Any]) -> list[Block]:
    """The hardest for the first arm."""
    arms = comparison["arms"]
    of_arms = [{row["speaker"]: row for row in arm["speakers"]} for arm in arms]
    rows = tuple(
        (row["speaker"], count(row["frames"]), *(percent(rows[row["speaker"]]["accuracy"]["mean"]) for rows in of_arms))
        for row in arms[0]["speakers"][:_N_SPEAKERS]
    )
    total = len(arms[0]["speakers"])
    which = f"The {len(rows)} of {total} speakers hardest for {arms[0]['arm']}" if len(rows) < total else "Speakers"
    return [
        Heading(f"{which}: accuracy, in percent"),
        Table(("speaker", ">frames", *(f">{arm['arm']}" for arm in arms)), rows),
    ]


def _effort(comparison: dict[str, Any]) -> list[Block]:
    arms = [arm for arm in comparison["arms"] if arm["effort"]["curve"]]
    if not arms:
        return []
    longest = max(arm["effort"]["random_trials"] for arm in arms)
    steps = sorted({2**i for i in range(longest.bit_length()) if 2**i <= longest} | {longest})[-5:]
    rows = tuple(
        (arm["arm"], *(_best_of(arm["effort"]["curve"], k) for k in steps), _band(arm["effort"]["curve"]))
        for arm in arms
    )
    return [
        Heading("Best validation accuracy expected of so many random trials, in percent"),
        Table(("arm", *(f">{k}" for k in steps), f">{100 * comparison['level']:g} % band of the last"), rows),
        Line("The band is of the median; it is open where so few trials do not bound it."),
    ]


def _best_of(curve: list[dict[str, Any]], k: int) -> str:
    return percent(curve[k - 1]["expected"]) if k <= len(curve) else ABSENT


def _band(curve: list[dict[str, Any]]) -> str:
    low, high = curve[-1]["low"], curve[-1]["high"]
    return f"{percent(low) if low is not None else '...'} to {percent(high) if high is not None else '...'}"


def _speed(comparison: dict[str, Any]) -> list[Block]:
    arms, targets = comparison["arms"], comparison["learning_targets"]
    rows = tuple(
        (
            f"{percent(target['accuracy'])} {_after(target)}",
            *(_reached(arm["learning_speed"][i], len(arm["seeds"])) for arm in arms),
        )
        for i, target in enumerate(targets)
    )
    owner = comparison["baseline"] if comparison["baseline"] in [arm["arm"] for arm in arms] else arms[0]["arm"]
    return [
        Heading("Training until a validation accuracy: frames, seconds; median of the seeds"),
        Table((f"%, {owner} after", *(f">{arm['arm']}" for arm in arms)), rows),
        Line("In whole epochs. In brackets how many seeds reached it; -: no more than half."),
    ]


def _after(target: dict[str, Any]) -> str:
    epochs = target["epochs"]
    return "kept epoch" if epochs is None else f"{epochs} epoch{'s' if epochs > 1 else ''}"


def _reached(speed: dict[str, Any], n_seeds: int) -> str:
    of_seeds = "" if speed["reached"] == n_seeds else f" ({speed['reached']}/{n_seeds})"
    if speed["frames"]["median"] is None:
        return f"{ABSENT}{of_seeds}"
    return f"{rounded(speed['frames']['median'])}, {seconds(speed['seconds']['median'])}{of_seeds}"
