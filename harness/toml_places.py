"""Where each key of a TOML file stands: tomllib gives values without places, and an error needs one.

The scanner reads only what tomllib has accepted, so it need not recognise mistakes.
"""

import re
import tomllib

Path = tuple[str | int, ...]
"""Keys from the top; an int is an index into an array."""

_BLANK = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_KEY = re.compile(r"""[ \t]*("(?:\\.|[^"\\])*"|'[^']*'|[A-Za-z0-9_-]+)[ \t]*""")
_SCALAR = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}'  # up to two quotes may stand before the closing three
    r"|'''.*?'{3,5}"
    r'|"(?:\\.|[^"\\])*"'
    r"|'[^']*'"
    r"|[^,\]}#\n]+",
    re.DOTALL,
)


def places(text: str) -> dict[Path, tuple[int, int]]:
    """The line and column, from 1, of every key (where its own word first stands) and of every item of an array."""
    text = text.replace("\r\n", "\n")
    offsets: dict[Path, int] = {}
    sizes: dict[Path, int] = {}  # of each array of tables
    table: Path = ()
    at = _skip(_BLANK, text, 0)
    while at < len(text):
        if text[at] == "[":
            is_array = text.startswith("[[", at)
            keys, at = _dotted(text, at + 1 + is_array)
            table = _header(keys, is_array, sizes, offsets)
            at += 1 + is_array
        else:
            at = _pair(text, at, table, offsets)
        at = _skip(_BLANK, text, at)
    return {path: _line_and_column(text, offset) for path, offset in offsets.items()}


def _line_and_column(text: str, offset: int) -> tuple[int, int]:
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def _skip(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    assert match, f"no {pattern.pattern!r} at {text[at : at + 20]!r}"
    return match.end()


def _dotted(text: str, at: int) -> tuple[list[tuple[str, int]], int]:
    """The words of a dotted key with their offsets, and the offset after it."""
    keys = []
    while True:
        match = _KEY.match(text, at)
        assert match, f"no key at {text[at : at + 20]!r}"
        word = match[1]
        keys.append((next(iter(tomllib.loads(f"{word} = 0"))) if word[0] in "\"'" else word, match.start(1)))
        at = match.end()
        if text[at] != ".":
            return keys, at
        at += 1


def _header(keys: list[tuple[str, int]], is_array: bool, sizes: dict[Path, int], offsets: dict[Path, int]) -> Path:
    """The path of the table that `[keys]` or `[[keys]]` opens."""
    path: Path = ()
    for i, (key, offset) in enumerate(keys):
        path += (key,)
        offsets.setdefault(path, offset)
        if is_array and i == len(keys) - 1:
            sizes[path] = sizes.get(path, 0) + 1
        if path in sizes:  # the newest table of an array
            path += (sizes[path] - 1,)
            offsets.setdefault(path, offset)
    return path


def _pair(text: str, at: int, table: Path, offsets: dict[Path, int]) -> int:
    """Note `key = value`; gives the offset after it."""
    keys, at = _dotted(text, at)
    for key, offset in keys:
        table += (key,)
        offsets.setdefault(table, offset)
    return _value(text, _skip(_BLANK, text, at + 1), table, offsets)


def _value(text: str, at: int, path: Path, offsets: dict[Path, int]) -> int:
    """Note what stands in a value; gives the offset after it."""
    if text[at] not in "[{":
        return _skip(_SCALAR, text, at)
    closing = "]" if text[at] == "[" else "}"
    at = _skip(_BLANK, text, at + 1)
    index = 0
    while text[at] != closing:
        if closing == "}":
            at = _pair(text, at, path, offsets)
        else:
            offsets[(*path, index)] = at
            at = _value(text, at, (*path, index), offsets)
            index += 1
        at = _skip(_BLANK, text, at)
        if text[at] == ",":
            at = _skip(_BLANK, text, at + 1)
    return at + 1
