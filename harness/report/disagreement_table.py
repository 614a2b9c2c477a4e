"""Disagreements of two arms, as a terminal shows them: how many, the longest, and the utterances with most."""

from harness.report.disagreements import Disagreements
from harness.report.narrow import fitting
from harness.report.wording import count, percent
from harness.screen import Block, Heading, Line, Table

_N_SPANS = 10
_N_UTTERANCES = 5
_LONGEST = 16
_KINDS = ("only_a", "only_b", "both", "neither")


def blocks(found: Disagreements) -> list[Block]:
    """The most important of `Disagreements`."""
    a, b, total = found.a.arm, found.b.arm, len(found.who)
    assert found.a.test
    names = found.a.test.utterances
    shares = [percent(float(found.utterances[kind].sum() / total)) for kind in _KINDS]
    seeds = f"seed {found.a.seed}" if found.a.seed == found.b.seed else f"seeds {found.a.seed} and {found.b.seed}"
    spans = []
    for row in found.spans.head(_N_SPANS).to_dict("records"):
        said, sure = ("said_b", "probability_b") if row["right"] == a else ("said_a", "probability_a")
        utterance, begin = names[row["utterance"]], f"{row['begin']:.2f}"
        labels = _short(row["truth"]), _short(row[said])
        spans.append((row["right"], str(row["frames"]), utterance, begin, *labels, f"{100 * row[sure]:.0f}"))
    utterances = tuple(
        (names[row["utterance"]], count(row["frames"]), *(count(row[kind]) for kind in _KINDS))
        for row in found.utterances.head(_N_UTTERANCES).to_dict("records")
    )
    told: list[Block] = [
        Heading(f"{a} and {b}, {seeds}: which is right, in percent of {count(total)} test frames"),
        Line(f"only {a} {shares[0]}, only {b} {shares[1]}, both {shares[2]}, neither {shares[3]}"),
        Heading(f"The longest of {count(len(found.spans))} spans in which one alone is right"),
        Table(("right", ">frames", "utterance", ">at s", "true", "the other", ">sure, %"), tuple(spans)),
        Line("Sure: the other's mean probability of what it said."),
        Heading("The utterances with most such frames"),
        Table(("utterance", ">frames", f">only {a}", f">only {b}", ">both", ">neither"), utterances),
    ]
    return fitting(told)


def _short(words: str) -> str:
    return words if len(words) <= _LONGEST else words[: _LONGEST - 3] + "..."
