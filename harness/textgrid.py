"""Labels in time as Praat's TextGrid (the long text form): one tier of intervals.

P. Boersma, D. Weenink: Praat. The manual page "TextGrid file formats" tells the form.
"""

from collections.abc import Sequence

import numpy as np

TIER = "phones"
"""What forced aligners call it."""


def text(labels: np.ndarray, phonemes: Sequence[str], edges: np.ndarray) -> str:
    """An utterance whose neighbouring frames of one label are one interval.

    Args:
        labels: (T,) indices into `phonemes`.
        edges: (T + 1,) seconds, where frames begin and end, rising from 0.
    """
    begins = np.flatnonzero(np.diff(labels, prepend=-1))
    ends = np.append(begins[1:], len(labels))
    whole = _seconds(edges[-1])
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "xmin = 0",
        f"xmax = {whole}",
        "tiers? <exists>",
        "size = 1",
        "item []:",
        "    item [1]:",
        '        class = "IntervalTier"',
        f'        name = "{TIER}"',
        "        xmin = 0",
        f"        xmax = {whole}",
        f"        intervals: size = {len(begins)}",
    ]
    for number, (begin, end) in enumerate(zip(begins, ends, strict=True), start=1):
        lines += [
            f"        intervals [{number}]:",
            f"            xmin = {_seconds(edges[begin])}",
            f"            xmax = {_seconds(edges[end])}",
            f'            text = "{phonemes[labels[begin]].replace(chr(34), 2 * chr(34))}"',
        ]
    return "\n".join(lines) + "\n"


def _seconds(value: float) -> str:
    """To the microsecond, without zeros at the end: 0.0175"""
    return f"{value:.6f}".rstrip("0").rstrip(".")
