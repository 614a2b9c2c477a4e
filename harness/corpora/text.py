"""Text files as people and programs write them: UTF-8 with or without a byte order mark, or UTF-16 with its mark.

Excel writes a mark, Praat UTF-16. Other encodings cannot be told apart, so they are refused, and named as far as they
can be: nothing is guessed.
"""

import csv
import io
import math
import re
from pathlib import Path

_MARKS = (b"\xff\xfe", b"\xfe\xff")
_TIME = re.compile(r"-?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)


def read(path: Path, part: tuple[int, int] | None = None) -> str:
    """The text of a file, without its mark.

    Args:
        part: (first byte, number of bytes); the whole file unless given.

    Raises:
        ValueError: it is missing, no file, or in another encoding.
    """
    if not path.is_file():  # a pipe would be waited for
        raise ValueError("cannot be read (no such file)" if not path.exists() else "cannot be read (it is no file)")
    try:
        with path.open("rb") as file:
            if part:
                file.seek(part[0])
            content = file.read(part[1] if part else -1)
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror})") from None
    return decoded(content)


def decoded(content: bytes) -> str:
    """Bytes of a file as text.

    Raises:
        ValueError: they are in another encoding; says where, and which it may be.

    Example:
        >>> decoded("speaker".encode("utf-8-sig")), decoded("speaker".encode("utf-16"))
        ('speaker', 'speaker')
    """
    encoding = "utf-16" if content[:2] in _MARKS else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        if encoding == "utf-16":
            raise ValueError(f"begins as UTF-16 and is damaged at byte {error.start}; save it as UTF-8") from None
        raise ValueError(
            f"neither UTF-8 nor UTF-16 with its mark: byte {error.start} in line {line} is "
            f"0x{content[error.start]:02x}, as in Latin-1 or Windows-1252; save it as UTF-8"
        ) from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise ValueError(f"a zero byte in line {line}: no text, or UTF-16 without its mark; save it as UTF-8")
    return text


def rows(path: Path) -> list[list[str]]:
    """The rows of a CSV file; an empty line is an empty row.

    Raises:
        ValueError: as `read`, or it is no CSV.
    """
    try:
        return list(csv.reader(io.StringIO(read(path), newline="")))
    except csv.Error as error:
        raise ValueError(f"not readable as CSV ({error})") from None


def time(text: str) -> float:
    """A time or duration as files write it: a plain decimal number, finite.

    Raises:
        ValueError: it is something else (`nan`, `inf`, `4_000`).

    Example:
        >>> time("0.25")
        0.25
    """
    value = float(text) if _TIME.fullmatch(text) else math.nan
    if not math.isfinite(value):
        raise ValueError(f"{text[:40]!r} is not a time")
    return value
