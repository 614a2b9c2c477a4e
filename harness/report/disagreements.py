"""Where of two arms one is right and the other wrong, with one seed each: spans of frames, ranked, and utterances.

A terminal shows how many there are, the longest, and the utterances with most. Files have all of them, so that a person
can go and listen: CSV, and TextGrids with a tier for the truth, each arm, and which of them is right.

Legend: F frames, U utterances, N spans.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from harness.corpora import features, mfcc
from harness.corpora.alignments import textgrid
from harness.corpora.features import Features
from harness.display.document import Block, Columns, Heading, Line, Table, numbers
from harness.display.terminal import fitting
from harness.display.wording import count, percent
from harness.errors import UserError
from harness.files import write_text
from harness.results import RunResult, StudyRecord

_ONLY_B, _SAME, _ONLY_A = -1, 0, 1


@dataclass(frozen=True)
class Disagreements:
    """Of two finals on the same test frames."""

    a: RunResult
    b: RunResult
    who: np.ndarray
    """(F,) int8: 1 where a alone is right, -1 where b alone is, else 0."""
    edges: Sequence[np.ndarray]
    """Of each utterance (T + 1,) seconds at which its frames begin and end."""
    times_are_known: bool
    """Whether the corpus says how its frames were made; else the edges are those of 25 ms frames every 10 ms."""
    spans: pd.DataFrame
    """N rows, the longest first, then those that both were surer of: utterance (its place), begin and end (seconds),
    frames, right, truth, said_a, said_b, probability_a, probability_b (means over its frames)."""
    utterances: pd.DataFrame
    """U rows, most frames of disagreement first: utterance (its place), frames, only_a, only_b, both, neither."""


def between(record: StudyRecord, a: str, b: str, seed: int | None = None) -> Disagreements:
    """Compare two arms frame by frame.

    Args:
        seed: of both; the first that both have unless given, or the only one of each.

    Raises:
        UserError: there is no such arm or seed, or its frames were not kept.
    """
    first, second = _finals(record, a, b, seed)
    tests = [final.test for final in (first, second) if final.test is not None]
    right = [(t.predicted == t.truth).astype(np.int8) for t in tests if t.predicted is not None and t.truth is not None]
    if len(right) < 2:
        raise UserError(f"arms {a} and {b}: a run did not store its prediction for every frame")
    lengths, who = tests[0].lengths, right[0] - right[1]
    edges, times_are_known = _edges(first, lengths)
    spans = _spans(first, second, who, lengths, edges)
    return Disagreements(first, second, who, edges, times_are_known, spans, _utterances(right, who, lengths))


def _finals(record: StudyRecord, a: str, b: str, seed: int | None) -> tuple[RunResult, RunResult]:
    arms = {arm.arm: {final.seed: final for final in arm.finals} for arm in record.arms}
    unknown = [f"--disagreements {a} {b}: no arm {name}; there are: {', '.join(arms)}" for name in (a, b)
               if name not in arms]  # fmt: skip
    if a == b:
        unknown.append(f"--disagreements {a} {b}: an arm does not disagree with itself")
    if unknown:
        raise UserError("\n".join(dict.fromkeys(unknown)))
    if seed is None and len(arms[a]) == len(arms[b]) == 1:
        return next(iter(arms[a].values())), next(iter(arms[b].values()))
    shared = [number for number in arms[a] if number in arms[b]]
    if (seed is None and not shared) or (seed is not None and seed not in shared):
        seeds = "; ".join(f"{name} has {', '.join(map(str, arms[name])) or 'none'}" for name in (a, b))
        raise UserError(f"--seed{'' if seed is None else f' {seed}'}: a seed that both arms have is needed: {seeds}")
    number = shared[0] if seed is None else seed
    return arms[a][number], arms[b][number]


def _edges(final: RunResult, lengths: np.ndarray) -> tuple[list[np.ndarray], bool]:
    corpus = str(final.settings.get("data.corpus"))
    own = None if corpus == "synthetic" else features.read(Path(corpus).expanduser())
    rate = (own or Features()).rate
    return [mfcc.edges(int(length), rate) for length in lengths], corpus == "synthetic" or own is not None


def _spans(
    a: RunResult, b: RunResult, who: np.ndarray, lengths: np.ndarray, edges: Sequence[np.ndarray]
) -> pd.DataFrame:
    """Neighbouring frames of an utterance with the same one right are one span, whatever the phonemes are."""
    assert a.test
    assert b.test
    ends = np.cumsum(lengths)
    utterance = np.repeat(np.arange(len(lengths)), lengths)
    begins = np.flatnonzero((np.diff(who, prepend=2) != 0) | (np.diff(utterance, prepend=-1) != 0))
    behind = np.append(begins[1:], len(who))
    keep = who[begins] != _SAME
    begins, behind = begins[keep], behind[keep]
    places = utterance[begins]
    before = (ends - lengths)[places]
    probability = {
        name: np.array([final.test.probability[i:j].mean(dtype=float) for i, j in zip(begins, behind, strict=True)])
        for name, final in (("probability_a", a), ("probability_b", b))
        if final.test and final.test.probability is not None
    }
    labels = (("truth", a.test.truth), ("said_a", a.test.predicted), ("said_b", b.test.predicted))
    rows = pd.DataFrame(
        {
            "utterance": places,
            "begin": [edges[u][i] for u, i in zip(places, begins - before, strict=True)],
            "end": [edges[u][i] for u, i in zip(places, behind - before, strict=True)],
            "frames": behind - begins,
            "right": np.where(who[begins] == _ONLY_A, a.arm, b.arm),
            **{name: _spelled(own, begins, behind, a.phonemes) for name, own in labels if own is not None},
            **probability,
        }
    )
    sureness = (rows["probability_a"] + rows["probability_b"]).to_numpy()
    order = np.lexsort((rows["begin"], rows["utterance"], -sureness, -rows["frames"]))
    return rows.iloc[order].reset_index(drop=True)


def _spelled(labels: np.ndarray, begins: np.ndarray, ends: np.ndarray, phonemes: Sequence[str]) -> list[str]:
    """The phonemes of each span, neighbours alike once: AA [SIL] T"""
    changes = np.flatnonzero(np.diff(labels, prepend=-1))
    following = np.searchsorted(changes, begins, side="right")
    last = np.searchsorted(changes, ends, side="left")
    return [
        " ".join([phonemes[labels[begin]], *(phonemes[labels[i]] for i in changes[low:high])])
        for begin, low, high in zip(begins, following, last, strict=True)
    ]


def _utterances(right: list[np.ndarray], who: np.ndarray, lengths: np.ndarray) -> pd.DataFrame:
    utterance = np.repeat(np.arange(len(lengths)), lengths)

    def per_utterance(frames: np.ndarray) -> np.ndarray:
        return np.bincount(utterance[frames], minlength=len(lengths))

    kinds = {
        "only_a": per_utterance(who == _ONLY_A),
        "only_b": per_utterance(who == _ONLY_B),
        "both": per_utterance((right[0] & right[1]).astype(bool)),
        "neither": per_utterance((right[0] | right[1]) == 0),
    }
    rows = pd.DataFrame({"utterance": np.arange(len(lengths)), "frames": lengths, **kinds})
    order = np.argsort(-(kinds["only_a"] + kinds["only_b"]), kind="stable")
    return rows.iloc[order].reset_index(drop=True)


_N_SPANS = 10
_N_UTTERANCES = 5
_LONGEST = 16
_KINDS = ("only_a", "only_b", "both", "neither")


def blocks(disagreements: Disagreements) -> list[Block]:
    """The most important of `Disagreements`."""
    a, b, total = disagreements.a.arm, disagreements.b.arm, len(disagreements.who)
    assert disagreements.a.test
    names = disagreements.a.test.utterances
    shares = [percent(float(disagreements.utterances[kind].sum() / total)) for kind in _KINDS]
    seeds = (disagreements.a.seed, disagreements.b.seed)
    which = f"seed {seeds[0]}" if seeds[0] == seeds[1] else f"seeds {seeds[0]} and {seeds[1]}"
    spans = []
    for row in disagreements.spans.head(_N_SPANS).to_dict("records"):
        said, sure = ("said_b", "probability_b") if row["right"] == a else ("said_a", "probability_a")
        utterance, begin = names[row["utterance"]], f"{row['begin']:.2f}"
        labels = _short(row["truth"]), _short(row[said])
        spans.append((row["right"], str(row["frames"]), utterance, begin, *labels, f"{100 * row[sure]:.0f}"))
    utterances = [
        (names[row["utterance"]], count(row["frames"]), *(count(row[kind]) for kind in _KINDS))
        for row in disagreements.utterances.head(_N_UTTERANCES).to_dict("records")
    ]
    of_spans: Columns = [
        "right",
        *numbers("frames"),
        "utterance",
        *numbers("at s"),
        "true",
        "the other",
        *numbers("sure, %"),
    ]
    of_utterances: Columns = ["utterance", *numbers("frames", f"only {a}", f"only {b}", "both", "neither")]
    return fitting(
        [
            Heading(f"{a} and {b}, {which}: which is right, in percent of {count(total)} test frames"),
            Line(f"only {a} {shares[0]}, only {b} {shares[1]}, both {shares[2]}, neither {shares[3]}"),
            Heading(f"The longest of {count(len(disagreements.spans))} spans in which one alone is right"),
            Table(of_spans, spans),
            Line("Sure: the other's mean probability of what it said."),
            Heading("The utterances with most such frames"),
            Table(of_utterances, utterances),
        ]
    )


def _short(words: str) -> str:
    return words if len(words) <= _LONGEST else words[: _LONGEST - 3] + "..."


_SPANS = "spans.csv"
_UTTERANCES = "utterances.csv"
_TIER = "right alone"
_UNKNOWN = "The corpus does not state its feature settings; times assume 25 ms frames every 10 ms."


def check(out: str) -> None:
    """Refuse a name that says neither CSV nor folder.

    Raises:
        UserError: that.
    """
    if not _is_folder(out) and not out.lower().endswith(".csv"):
        raise UserError(
            f"--out {out}: allowed are NAME.csv, for the spans, and FOLDER/, for {_SPANS}, {_UTTERANCES} and a "
            "TextGrid of each utterance"
        )


def write(out: str, disagreements: Disagreements) -> list[str]:
    """Write one CSV, or a folder; gives what was written, a line each."""
    note = [] if disagreements.times_are_known else [_UNKNOWN]
    spans, path = _span_rows(disagreements), Path(out)
    if not _is_folder(out):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, _csv(spans))
        return [f"{out}: {count(len(spans))} spans", *note]
    path.mkdir(parents=True, exist_ok=True)
    write_text(path / _SPANS, _csv(spans))
    write_text(path / _UTTERANCES, _csv(_utterance_rows(disagreements)))
    assert disagreements.a.test
    for name, text in zip(disagreements.a.test.utterances, _grids(disagreements), strict=True):
        write_text(path / f"{name}.TextGrid", text)
    tiers = f"truth, {disagreements.a.arm}, {disagreements.b.arm}, {_TIER}"
    return [
        f"{path / _SPANS}: {count(len(spans))} spans",
        f"{path / _UTTERANCES}: {count(len(disagreements.edges))} utterances",
        f"{path}/*.TextGrid: one for each utterance, tiers {tiers}",
        *note,
    ]


def _is_folder(out: str) -> bool:
    return out.endswith("/") or Path(out).is_dir() or not Path(out).suffix


def _span_rows(disagreements: Disagreements) -> pd.DataFrame:
    rows = disagreements.spans
    table = pd.DataFrame({"rank": range(1, len(rows) + 1), **_who(disagreements, rows)})
    for name in ("begin", "end", "frames", "right", "truth", "said_a", "said_b", "probability_a", "probability_b"):
        table[name] = rows[name].round(4) if rows[name].dtype == float else rows[name]
    return table.rename(columns=_columns(disagreements))


def _utterance_rows(disagreements: Disagreements) -> pd.DataFrame:
    rows = disagreements.utterances
    seconds = [round(float(disagreements.edges[u][-1]), 4) for u in rows["utterance"]]
    table = pd.DataFrame({"rank": range(1, len(rows) + 1), **_who(disagreements, rows), "seconds": seconds})
    for name in ("frames", "only_a", "only_b", "both", "neither"):
        table[name] = rows[name]
    return table.rename(columns=_columns(disagreements))


def _who(disagreements: Disagreements, rows: pd.DataFrame) -> dict[str, list[str]]:
    assert disagreements.a.test
    return {
        "utterance": [disagreements.a.test.utterances[u] for u in rows["utterance"]],
        "speaker": [disagreements.a.test.speakers[u] for u in rows["utterance"]],
    }


def _columns(disagreements: Disagreements) -> dict[str, str]:
    """What columns are called in files, with the arms' names."""
    a, b = disagreements.a.arm, disagreements.b.arm
    return {
        "said_a": f"{a} said",
        "said_b": f"{b} said",
        "probability_a": f"{a} probability",
        "probability_b": f"{b} probability",
        "only_a": f"only {a} right",
        "only_b": f"only {b} right",
        "both": "both right",
        "neither": "neither right",
    }


def _grids(disagreements: Disagreements) -> Iterator[str]:
    """A TextGrid of each utterance."""
    a, b, end = disagreements.a.test, disagreements.b.test, 0
    assert a is not None
    assert b is not None
    for edges in disagreements.edges:
        frames = slice(end, end + len(edges) - 1)
        end = frames.stop
        labels = {"truth": a.truth, disagreements.a.arm: a.predicted, disagreements.b.arm: b.predicted}
        tiers = [
            (name, of_all[frames], disagreements.a.phonemes) for name, of_all in labels.items() if of_all is not None
        ]
        alone = (_TIER, disagreements.who[frames].astype(int) % 3, ("", disagreements.a.arm, disagreements.b.arm))
        yield textgrid.text([*tiers, alone], edges)


def _csv(table: pd.DataFrame) -> str:
    text: str = table.to_csv(index=False, lineterminator="\n")
    return text
