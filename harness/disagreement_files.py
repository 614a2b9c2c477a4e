"""Disagreements of two arms as files, so that a person can go and listen: CSV, and TextGrids with a tier for the truth,
each arm, and which of them is right."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from harness import textgrid
from harness.errors import UserError
from harness.report.disagreements import Disagreements
from harness.report.wording import count

_SPANS = "spans.csv"
_UTTERANCES = "utterances.csv"
_TIER = "right alone"
_UNKNOWN = "The corpus does not say how its frames were made; times are those of 25 ms frames every 10 ms."


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


def write(out: str, found: Disagreements) -> list[str]:
    """Write one CSV, or a folder; gives what was written, a line each."""
    note = [] if found.times_are_known else [_UNKNOWN]
    spans, path = _spans(found), Path(out)
    if not _is_folder(out):
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, _csv(spans))
        return [f"{out}: {count(len(spans))} spans", *note]
    path.mkdir(parents=True, exist_ok=True)
    _replace(path / _SPANS, _csv(spans))
    _replace(path / _UTTERANCES, _csv(_utterances(found)))
    assert found.a.test
    for name, text in zip(found.a.test.utterances, _grids(found), strict=True):
        _replace(path / f"{name}.TextGrid", text)
    tiers = f"truth, {found.a.arm}, {found.b.arm}, {_TIER}"
    return [
        f"{path / _SPANS}: {count(len(spans))} spans",
        f"{path / _UTTERANCES}: {count(len(found.edges))} utterances",
        f"{path}/*.TextGrid: one for each utterance, tiers {tiers}",
        *note,
    ]


def _is_folder(out: str) -> bool:
    return out.endswith("/") or Path(out).is_dir() or not Path(out).suffix


def _spans(found: Disagreements) -> pd.DataFrame:
    rows = found.spans
    table = pd.DataFrame({"rank": range(1, len(rows) + 1), **_who(found, rows)})
    for name in ("begin", "end", "frames", "right", "truth", "said_a", "said_b", "probability_a", "probability_b"):
        table[name] = rows[name].round(4) if rows[name].dtype == float else rows[name]
    return table.rename(columns=_columns(found))


def _utterances(found: Disagreements) -> pd.DataFrame:
    rows = found.utterances
    seconds = [round(float(found.edges[u][-1]), 4) for u in rows["utterance"]]
    table = pd.DataFrame({"rank": range(1, len(rows) + 1), **_who(found, rows), "seconds": seconds})
    for name in ("frames", "only_a", "only_b", "both", "neither"):
        table[name] = rows[name]
    return table.rename(columns=_columns(found))


def _who(found: Disagreements, rows: pd.DataFrame) -> dict[str, list[str]]:
    assert found.a.test
    return {
        "utterance": [found.a.test.utterances[u] for u in rows["utterance"]],
        "speaker": [found.a.test.speakers[u] for u in rows["utterance"]],
    }


def _columns(found: Disagreements) -> dict[str, str]:
    """What columns are called in files, with the arms' names."""
    a, b = found.a.arm, found.b.arm
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


def _grids(found: Disagreements) -> Iterator[str]:
    """A TextGrid of each utterance."""
    a, b, end = found.a.test, found.b.test, 0
    assert a is not None
    assert b is not None
    for edges in found.edges:
        frames = slice(end, end + len(edges) - 1)
        end = frames.stop
        labels = {"truth": a.truth, found.a.arm: a.predicted, found.b.arm: b.predicted}
        tiers = [(name, of_all[frames], found.a.phonemes) for name, of_all in labels.items() if of_all is not None]
        alone = (_TIER, found.who[frames].astype(int) % 3, ("", found.a.arm, found.b.arm))
        yield textgrid.text([*tiers, alone], edges)


def _csv(table: pd.DataFrame) -> str:
    return table.to_csv(index=False, lineterminator="\n")


def _replace(path: Path, text: str) -> None:
    """So that nobody reads half a file."""
    unfinished = path.with_name(path.name + ".unfinished")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)
