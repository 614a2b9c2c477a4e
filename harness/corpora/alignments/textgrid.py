"""Praat's TextGrid, long and short form, as the Montreal Forced Aligner writes it.

Both forms hold the same values in the same order. Praat takes as a value what stands free between blanks: a number, a
"text" (with "" for one quote), a <flag>; everything else, and what follows a "!", is comment (Praat manual, *TextGrid
file formats*). The long form is the short form with comments.

The long form is written, with tiers of intervals.

P. Boersma, D. Weenink: Praat, manual page "TextGrid file formats".
"""

import re
from collections.abc import Iterator, Sequence

import numpy as np

from harness.corpora.alignments.segments import Segment
from harness.corpora.text import time

TIER = "phones"
"""The name that forced aligners give to the tier of phones."""

_VALUE = re.compile(r'"((?:[^"]|"")*)"|!.*|(?<!\S)(-?[0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?)(?!\S)|<(\w+)>')


def read(text: str, tier: str | None = None) -> list[Segment]:
    """The segments of an interval tier; empty labels are silence and stay empty.

    Args:
        tier: its name. Without one: "phones", else the only one that ends in "phones" (the aligner's "SPEAKER -
            phones"), else the only tier.

    Raises:
        ValueError: it is no TextGrid, is truncated, or has no such tier.
    """
    tiers = _tiers(text)
    intervals = {name: rows for kind, name, rows in tiers if kind == "IntervalTier"}
    name = tier or _phones(list(intervals))
    if name not in intervals:
        names = ", ".join(repr(own) for own in intervals) or "none"
        lacking = f"no interval tier {tier!r}" if tier else "no tier of phones that is the only one"
        raise ValueError(f"{lacking}; its interval tiers: {names}")
    return intervals[name]


def _phones(names: list[str]) -> str | None:
    for candidates in ([n for n in names if n == "phones"], [n for n in names if n.endswith("phones")], names):
        if len(candidates) == 1:
            return candidates[0]
    return None


def _tiers(text: str) -> list[tuple[str, str, list[Segment]]]:
    """Kind, name and segments of each tier; a point tier has no segments here."""
    values = _values(text)
    try:
        if (next(values), next(values)) != ("ooTextFile", "TextGrid"):
            raise ValueError("no Praat TextGrid")
        next(values), next(values)
        has_tiers = next(values) == "exists"
        return [_tier(values) for _ in range(int(next(values)))] if has_tiers else []
    except StopIteration:
        raise ValueError("no Praat TextGrid, or truncated") from None


def _tier(values: Iterator[str]) -> tuple[str, str, list[Segment]]:
    kind, name, _, _, n = [next(values) for _ in range(5)]
    try:
        if kind == "IntervalTier":
            rows = [(next(values), next(values), next(values)) for _ in range(int(n))]
            return kind, name, [Segment(time(start), time(end), label.strip()) for start, end, label in rows]
        for _ in range(2 * int(n)):
            next(values)
    except ValueError as error:
        raise ValueError(f"tier {name!r}: a time or a number was expected ({error})") from None
    return kind, name, []


def _values(text: str) -> Iterator[str]:
    for match in _VALUE.finditer(text):
        label, number, flag = match.groups()
        if label is not None:
            yield label.replace('""', '"')
        elif number is not None or flag is not None:
            yield number or flag


def text(tiers: Sequence[tuple[str, np.ndarray, Sequence[str]]], edges: np.ndarray) -> str:
    """An utterance whose neighbouring frames of one label are one interval.

    Args:
        tiers: of each its name, the labels (T,), which are indices, and what they are called.
        edges: (T + 1,) seconds, where frames begin and end, rising from 0.
    """
    whole = _seconds(edges[-1])
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "xmin = 0",
        f"xmax = {whole}",
        "tiers? <exists>",
        f"size = {len(tiers)}",
        "item []:",
    ]
    for place, (tier, labels, names) in enumerate(tiers, start=1):
        begins = np.flatnonzero(np.diff(labels, prepend=-1))
        ends = np.append(begins[1:], len(labels))
        lines += [
            f"    item [{place}]:",
            '        class = "IntervalTier"',
            f'        name = "{_quoted(tier)}"',
            "        xmin = 0",
            f"        xmax = {whole}",
            f"        intervals: size = {len(begins)}",
        ]
        for number, (begin, end) in enumerate(zip(begins, ends, strict=True), start=1):
            lines += [
                f"        intervals [{number}]:",
                f"            xmin = {_seconds(edges[begin])}",
                f"            xmax = {_seconds(edges[end])}",
                f'            text = "{_quoted(names[labels[begin]])}"',
            ]
    return "\n".join(lines) + "\n"


def _quoted(words: str) -> str:
    return words.replace('"', '""')


def _seconds(value: float) -> str:
    """A time to the microsecond, without zeros at the end: 0.0175"""
    return f"{value:.6f}".rstrip("0").rstrip(".")
