"""The verdicts: what the arms' accuracies say to the question, how sure that is, and the notes that go with it."""

from collections.abc import Sequence

from harness.comparison.model import Comparison, Pair
from harness.display.document import (
    Block,
    Card,
    Cards,
    Folded,
    Heading,
    IntervalLine,
    Item,
    Items,
    Line,
    PageBlock,
    Section,
    Table,
    numbers,
)
from harness.display.terminal import COLUMNS, width
from harness.display.wording import ABSENT, NOTHING_TO_COMPARE, chance, counted, percent, plural, points, ratio
from harness.report.sections import sweep

_N_CARDS = 6
"""Verdicts shown as cards; the others, of arms among themselves, are folded."""
_N_OTHERS = 6
"""Verdicts in the terminal on pairs without the baseline, if there are no more."""
_N_NOTES = 8


def section(comparison: Comparison) -> Section:
    """A sentence for each pair, and the evidence and the price behind it; of a sweep only with --all."""
    pairs = comparison.pairs_in("accuracy")
    long = _printed(comparison, pairs, everything=True)
    return Section(
        "verdicts",
        page=_sweep_cards(comparison) if comparison.sweep else _pair_cards(comparison, pairs),
        short=() if comparison.sweep else _printed(comparison, pairs, everything=False),
        long=long,
        pasted=_pasted(comparison, pairs),
    )


def notes(comparison: Comparison) -> Section:
    """What a reader must know."""
    every = [Line(note) for note in comparison.notes]
    short: list[Block] = [*every]
    if len(every) > _N_NOTES:
        n_more = len(every) - (_N_NOTES - 1)
        short = [*every[: _N_NOTES - 1], Line(f"And {counted(n_more, 'note')}: --all")]
    if not every:
        return Section("notes")
    title = Heading("Notes")
    page = [Items([Item(note) for note in comparison.notes], "notes")]
    return Section("notes", page=page, short=[title, *short], long=[title, *every], pasted=[title, *every])


def chance_note(comparison: Comparison) -> Line:
    """What the column of this name is."""
    is_single = all(len(arm.seeds) == 1 for arm in comparison.arms)
    seeds = ", as trained" if is_single else " and new seeds" if comparison.n_searches < 2 else " and new searches"
    return Line(f"P(sup.): probability that the first is better for a new {comparison.unit}{seeds}.")


def scope(comparison: Comparison) -> Line:
    """What the verdicts are about, and what they depend on."""
    data = "on this training data" if comparison.folds is None else "trained on as many speakers"
    if comparison.n_searches >= 2:
        return Line(f"About the architectures, as such a search tunes them, {data}.")
    which = "these two configurations" if len(comparison.arms) == 2 else "these configurations"
    found = ", found by one search each" if comparison.n_searches == 1 else ""
    if comparison.folds and comparison.n_searches == 1:
        which, found = "these architectures", ", found by one search in each fold"
    return Line(f"About {which}{found}, {data}.")


def _evidence(comparison: Comparison) -> Line:
    """In brackets the 95 % interval over 8 speakers and 3 seeds, Student's t."""
    n_seeds = sorted({len(arm.seeds) for arm in comparison.arms})
    seeds = counted(n_seeds[0], "seed") if len(n_seeds) == 1 else f"{n_seeds[0]} to {n_seeds[-1]} seeds"
    if comparison.n_searches >= 2:
        finals = "one final each" if comparison.draw == "search and seed" else f"{seeds} together"
        seeds = f"{counted(comparison.n_searches, 'search')}, {finals}"
    units = counted(comparison.units, comparison.unit)
    units += f" in {comparison.folds} folds" if comparison.folds else ""
    over = f"In brackets the {100 * comparison.level:g} % interval over {units}"
    if n_seeds == [1]:
        return Line(f"{over}, for these seeds alone.")
    method = ", Student's t" if any(pair.low is not None for pair in comparison.pairs) else ""
    return Line(f"{over} and {seeds}{method}.")


def _corrected(pairs: Sequence[Pair]) -> list[Line]:
    """How many pairs the verdicts hold for at once, and which they are not about."""
    n_planned = sum(pair.p_family is not None for pair in pairs)
    lines = []
    if n_planned > 1:
        lines.append(Line(f"Verdicts and intervals hold for all {n_planned} pairs at once (Holm)."))
    if any(not pair.is_planned for pair in pairs):
        lines.append(Line("Pairs that the file does not name are shown alone, uncorrected."))
    return lines


# In the terminal


def _printed(comparison: Comparison, pairs: Sequence[Pair], *, everything: bool) -> list[Block]:
    if not pairs:
        return [Line(NOTHING_TO_COMPARE)]
    first = [pair for pair in pairs if pair.b == comparison.baseline]
    others = [pair for pair in pairs if pair.b != comparison.baseline]
    n_left_out = 0 if everything or not first or len(others) <= _N_OTHERS else len(others)
    rows = first if n_left_out else pairs
    more = f"And {counted(n_left_out, 'pair')} without {comparison.baseline}: --all"
    return [
        *(Line(pair.sentence, strong=pair in first or not first) for pair in rows),
        _evidence(comparison),
        scope(comparison),
        *([Line(more)] if n_left_out else []),
        *_corrected(pairs),
        Heading("Evidence for the verdicts: the first arm of each pair against the second"),
        *_behind(rows, comparison.draw, comparison.seconds_are_comparable),
        chance_note(comparison),
        Line("SE: standard error of the interval in points; df: its degrees of freedom; its"),
        Line(f"parts over {comparison.unit}s and {plural(comparison.draw)}; naive: if frames were independent."),
        Line("Costs: the ratio of the first to the second; time is that of a training."),
    ]


_UNITS = {"speaker": "speak-\ners", "utterance": "utter-\nances"}
_DRAWS = {"seed": "\nseeds", "search": "\nsearches", "search and seed": "searches,\nseeds"}


def _error(se: float | None) -> str:
    return ABSENT if se is None else f"{100 * se:.2f}"


def _behind(pairs: Sequence[Pair], draw: str, has_seconds: bool) -> list[Block]:
    """Evidence and price of each pair: one table, or two if the names are long."""
    names = [f"{pair.a} : {pair.b}" for pair in pairs]
    evidence = [
        (
            chance(pair.probability_a_better),
            _error(pair.se),
            ABSENT if pair.freedom is None else f"{pair.freedom:.1f}",
            *(_error(se) for se in (pair.clustered_se, pair.draws_se, pair.naive_se)),
        )
        for pair in pairs
    ]
    prices = [
        (
            ratio(*pair.cost.parameters),
            ratio(*pair.cost.flops_per_frame),
            ratio(*pair.cost.seconds_training) if has_seconds else ABSENT,
        )
        for pair in pairs
    ]
    heads = [
        numbers("P\n(sup.)", "\nSE", "\ndf", _UNITS[pairs[0].unit], _DRAWS[draw], "\nnaive"),
        numbers("para-\nmeters", "\nFLOPs", "\ntime"),
    ]
    both = [(name, *own, *price) for name, own, price in zip(names, evidence, prices, strict=True)]
    whole = Table(["pair", *heads[0], *heads[1]], both)
    if width(whole) <= COLUMNS:
        return [whole]
    parts = ((heads[0], evidence), (heads[1], prices))
    return [
        Table(["pair", *head], [(name, *row) for name, row in zip(names, rows, strict=True)]) for head, rows in parts
    ]


def _pasted(comparison: Comparison, pairs: Sequence[Pair]) -> list[Block]:
    if not comparison.pairs:
        return [Line(NOTHING_TO_COMPARE)]
    sentences = [Line(sentence, strong=True) for sentence in comparison.verdicts]
    return [*sentences, _evidence(comparison), scope(comparison), *_corrected(pairs)]


# On the page


def _pair_cards(comparison: Comparison, pairs: Sequence[Pair]) -> list[PageBlock]:
    """A card per pair; where there are many, those with the baseline, and the others folded."""
    if not pairs:
        return [Line(NOTHING_TO_COMPARE)]
    against = [pair for pair in pairs if pair.b == comparison.baseline]
    first = pairs if len(pairs) <= _N_CARDS else against or pairs[:_N_CARDS]
    others = [pair for pair in pairs if pair not in first]
    furthest = max(abs(end or 0) for pair in pairs for end in (*pair.ends, pair.difference))
    rest = Folded(f"The other {len(others)} pairs", [Items([Item(pair.sentence) for pair in others])])
    return [
        Cards([_card(pair, comparison, furthest) for pair in first]),
        *([rest] if others else []),
        Line(
            f"Accuracy on the test split. In brackets and as a line the {sweep.interval_over(comparison)}; where it "
            "covers zero, no difference is shown. "
            f"{' '.join(line.text for line in (scope(comparison), *_corrected(pairs)))}",
            soft=True,
        ),
    ]


def _sweep_cards(comparison: Comparison) -> list[PageBlock]:
    """A card per arm that was swept beside the baseline."""
    cards = [
        Card(sweep.contest(curve, comparison), [_capital(words) for words in sweep.outcomes(curve, comparison)])
        for curve in sweep.compared(comparison)
    ]
    if not cards:
        return [Line(NOTHING_TO_COMPARE)]
    return [
        Cards(cards),
        Line(
            f"Accuracy on the test split; better or worse where the {sweep.interval_over(comparison)} excludes zero. "
            f"{scope(comparison).text}",
            soft=True,
        ),
    ]


def _card(pair: Pair, comparison: Comparison, furthest: float) -> Card:
    facts = []
    if pair.probability_a_better is not None:
        p_a = pair.probability_a_better
        better, p = (pair.a, p_a) if p_a >= 0.5 else (pair.b, 1 - p_a)
        facts.append(f"{better} is better for a new {comparison.unit} with a probability of {chance(p)}.")
    takes = f" and takes {ratio(*pair.cost.seconds_training)} times its training time"
    time = takes if comparison.seconds_are_comparable else ""
    facts.append(f"{pair.a} has {ratio(*pair.cost.parameters)} times the parameters of {pair.b}{time}.")
    return Card(
        f"{pair.a} against {pair.b}",
        [pair.sentence],
        is_shown=bool(pair.better),
        strong=pair.verdict if pair.better else _capital(pair.verdict),  # an arm keeps its name as it is
        interval=_interval(pair, furthest),
        soft=" ".join(facts),
    )


def _capital(words: str) -> str:
    """no difference shown -> No difference shown"""
    return words[:1].upper() + words[1:]


def _interval(pair: Pair, furthest: float) -> IntervalLine | None:
    first, last = pair.ends
    if first is None or last is None or not furthest:
        return None
    low, middle, high = (50 + 44 * value / furthest for value in (first, pair.difference, last))
    label = f"{points(pair.difference)} points, interval {points(first)} to {points(last)}"
    return IntervalLine(low, middle, high, percent(furthest), label)
