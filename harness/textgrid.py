"""Labels in time as Praat's TextGrid (the long text form): tiers of intervals.

P. Boersma, D. Weenink: Praat. The manual page "TextGrid file formats" tells the form.
"""

from collections.abc import Sequence

import numpy as np

TIER = "phones"
"""What forced aligners call it."""


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
    """To the microsecond, without zeros at the end: 0.0175"""
    return f"{value:.6f}".rstrip("0").rstrip(".")
