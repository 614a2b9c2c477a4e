"""Alignments as lines of columns: TIMIT's `.phn`, HTK's and HTS's `.lab`, Festival's `.lab` (xwaves).

`START END SYMBOL ...`: whole numbers are samples in a `.phn` and units of 100 ns in a `.lab`; with a decimal point they
are seconds in both. Festival's has a header up to a line `#`, then `END COLOUR SYMBOL` in seconds. Of HTS's
full-context symbols (`x^sil-hh+ah=l@...`) the middle one is taken.
"""

import re

from harness.corpora import text as text_file
from harness.corpora.alignments.segments import Segment

HTK_UNITS = 10_000_000  # a second
_FULL_CONTEXT = re.compile(r"[^\s-]+-([^\s+]+)\+")


def read_phn(text: str, rate: int) -> list[Segment]:
    """Samples of a recording of `rate` Hz, or seconds.

    Raises:
        ValueError: a line that is something else, by number.
    """
    return _starts_and_ends(text, rate)


def read_lab(text: str) -> list[Segment]:
    """HTK, HTS or Festival.

    Raises:
        ValueError: a line that is something else, by number.
    """
    lines = [line.strip() for line in text.splitlines()]
    return _ends(lines, lines.index("#") + 1) if "#" in lines else _starts_and_ends(text, HTK_UNITS)


def _starts_and_ends(text: str, units: int) -> list[Segment]:
    rows = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        start, end, symbol, *_ = [*line.split(), "", "", ""]
        if not symbol:
            raise ValueError(f"line {number}: {line.strip()[:60]!r} is not 'START END SYMBOL'")
        rows.append((_number(start, number), _number(end, number), _phone(symbol)))
    is_seconds = any(isinstance(time, float) for row in rows for time in row[:2])
    per_second = 1 if is_seconds else units
    return [Segment(start / per_second, end / per_second, symbol) for start, end, symbol in rows]


def _ends(lines: list[str], first: int) -> list[Segment]:
    segments, start = [], 0.0
    for number, line in enumerate(lines[first:], start=first + 1):
        if not line:
            continue
        end, _, symbol, *_ = [*line.split(), "", "", ""]
        if not symbol:
            raise ValueError(f"line {number}: {line[:60]!r} is not 'END COLOUR SYMBOL'")
        segments.append(Segment(start, float(_number(end, number)), symbol))
        start = segments[-1].end
    return segments


def _number(text: str, line: int) -> int | float:
    try:
        value = text_file.time(text)
        return value if "." in text or "e" in text.lower() else int(text)
    except ValueError:
        raise ValueError(f"line {line}: {text!r} is not a time") from None


def _phone(symbol: str) -> str:
    middle = _FULL_CONTEXT.search(symbol)
    return middle[1] if middle else symbol
