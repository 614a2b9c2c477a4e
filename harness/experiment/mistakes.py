"""Mistakes in an experiment file: gathered, placed, and raised together.

Each needs the place of its key in the file, and tomllib gives values without places: `places` scans for them. It reads
only what tomllib has accepted, so it need not recognise mistakes.
"""

import difflib
import json
import re
import tomllib
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from harness.errors import UserError

Table = dict[str, Any]
"""A table of TOML as tomllib gives it, unchecked."""
KeyPath = tuple[str | int, ...]
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


class Mistakes:
    """The mistakes of a file, `(path, message)` each, while it is checked.

    Args:
        file: its name, as the user gave it.
        places: line and column of each path, as `places` gives them.
    """

    def __init__(self, file: str, places: Mapping[KeyPath, tuple[int, int]]) -> None:
        self._file = file
        self._places = places
        self._overrides: list[KeyPath] = []
        self._cells: dict[str, tuple[str, KeyPath, KeyPath, str]] = {}
        self._all: list[tuple[KeyPath, str]] = []

    def __len__(self) -> int:
        return len(self._all)

    def add_override(self, path: KeyPath) -> None:
        """Note an override: from here on, a mistake at `path` or below it is one of `--set`."""
        self._overrides.append(path)

    def add_cell(self, arm: str, base: str, key: KeyPath, place: KeyPath, value: str) -> None:
        """Note a cell of a sweep: from here on, a mistake of `arm` is reported of `base`, from which it came.

        Args:
            key: the swept setting, below the arm.
            place: of its value in the file.
            value: in words.
        """
        self._cells[arm] = base, key, place, value

    def add(self, path: KeyPath, message: str) -> None:
        if (path, message) not in self._all:
            self._all.append((path, message))

    def below(self, *path: str | int) -> bool:
        """Whether something is wrong at `path` or below it."""
        return any(other[: len(path)] == path for other, _ in self._all)

    def raise_if_any(self) -> None:
        """Raise all mistakes together.

        Raises:
            UserError: one line per mistake, in the order of the file, then of the overrides.
        """
        if self._all:
            mistakes = dict.fromkeys(self._of_the_file(*mistake) for mistake in self._all)
            raise UserError("\n".join(line for _, line in sorted(self._line(*mistake) for mistake in mistakes)))

    def _of_the_file(self, path: KeyPath, message: str) -> tuple[KeyPath, str]:
        """A mistake as the file has it, where its arm is a cell of a sweep."""
        for arm in sorted(self._cells, key=len, reverse=True):
            message = message.replace(arm, self._cells[arm][0])
        if len(path) < 2 or path[0] != "arms" or path[1] not in self._cells:
            return path, message
        base, key, place, value = self._cells[str(path[1])]
        if path[2:4] == key:
            return (*place, *path[4:]), message
        where = f" (where {dotted(key)} = {value})" if len(path) == 2 else ""
        return ("arms", base, *path[2:]), message + where

    def _line(self, path: KeyPath, message: str) -> tuple[tuple[int, int, int], str]:
        """A mistake's place in the order of all, and its line; a path without a place has its parent's."""
        parents = [path[:end] for end in range(len(path), 0, -1)]
        if override := next((parent for parent in parents if parent in self._overrides), None):
            where = "" if override == path else f"{dotted(path)}: "
            order = self._overrides.index(override)
            return (1, order, 0), f"--set {dotted(override)}: {where}{message}"
        line, column = next((self._places[parent] for parent in parents if parent in self._places), (1, 1))
        return (0, line, column), f"{self._file}:{line}:{column}: {dotted(path)}: {message}"


def dotted(path: Iterable[str | int]) -> str:
    """A path as it is written, ("arms", "a b", "seeds", 1) as `arms."a b".seeds[1]`."""
    text = ""
    for key in path:
        if isinstance(key, int):
            text += f"[{key}]"
        else:
            text += f".{key}" if re.fullmatch("[A-Za-z0-9_-]+", key) else f".{json.dumps(key, ensure_ascii=False)}"
    return text.removeprefix(".")


def as_toml(value: Any) -> str:
    """A value as it is written in TOML; a table by its name only."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list | tuple):
        return f"[{', '.join(as_toml(v) for v in value)}]"
    if isinstance(value, dict):
        return "a table"
    return str(value)


def unknown_word(what: str, word: str, known: Collection[str], deeper: Iterable[str] = ()) -> str:
    """A refusal: `unknown key 'widht'; did you mean 'width'? allowed: depth, width`.

    Args:
        deeper: dotted names that are known too, to be suggested for their last word.
    """
    near = [d for d in deeper if d.endswith(f".{word}")] or difflib.get_close_matches(word, known, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"unknown {what} {word!r}; {hint}allowed: {', '.join(known) or 'none'}"


def places(text: str) -> dict[KeyPath, tuple[int, int]]:
    """The line and column, from 1, of every key (where its own word first stands) and of every item of an array."""
    text = text.replace("\r\n", "\n")
    offsets: dict[KeyPath, int] = {}
    sizes: dict[KeyPath, int] = {}  # of each array of tables
    table: KeyPath = ()
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


def _header(
    keys: list[tuple[str, int]], is_array: bool, sizes: dict[KeyPath, int], offsets: dict[KeyPath, int]
) -> KeyPath:
    """The path of the table that `[keys]` or `[[keys]]` opens."""
    path: KeyPath = ()
    for i, (key, offset) in enumerate(keys):
        path += (key,)
        offsets.setdefault(path, offset)
        if is_array and i == len(keys) - 1:
            sizes[path] = sizes.get(path, 0) + 1
        if path in sizes:  # the newest table of an array
            path += (sizes[path] - 1,)
            offsets.setdefault(path, offset)
    return path


def _pair(text: str, at: int, table: KeyPath, offsets: dict[KeyPath, int]) -> int:
    """Note `key = value`; gives the offset after it."""
    keys, at = _dotted(text, at)
    for key, offset in keys:
        table += (key,)
        offsets.setdefault(table, offset)
    return _value(text, _skip(_BLANK, text, at + 1), table, offsets)


def _value(text: str, at: int, path: KeyPath, offsets: dict[KeyPath, int]) -> int:
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
