"""The mistakes found in an experiment file: gathered, placed, and raised together.

Where each key of a TOML file stands: tomllib gives values without places, and an error needs one.

The scanner reads only what tomllib has accepted, so it need not recognise mistakes.
"""

import difflib
import json
import re
import tomllib
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from harness.errors import UserError

KeyPath = tuple[str | int, ...]
"""Keys from the top; an int is an index into an array."""


class Mistakes:
    """Gathers `(path, message)` while a file is checked.

    Args:
        file: its name, as the user gave it.
        places: line and column of each path, as `toml_places.places` gives them.
    """

    def __init__(self, file: str, places: Mapping[KeyPath, tuple[int, int]]) -> None:
        self._file = file
        self._places = places
        self._overrides: list[KeyPath] = []
        self._made: dict[str, tuple[str, KeyPath, KeyPath, str]] = {}
        self._found: list[tuple[KeyPath, str]] = []

    def __len__(self) -> int:
        return len(self._found)

    def overridden(self, path: KeyPath) -> None:
        """From here on, what is wrong at `path` or below it is wrong in `--set`."""
        self._overrides.append(path)

    def made(self, arm: str, base: str, key: KeyPath, place: KeyPath, value: str) -> None:
        """From here on, what is wrong with `arm` is told of the arm that it was made from.

        Args:
            key: below the arm, what it was given.
            place: where that stands in the file.
        """
        self._made[arm] = base, key, place, value

    def add(self, path: KeyPath, message: str) -> None:
        if (path, message) not in self._found:
            self._found.append((path, message))

    def below(self, *path: str | int) -> bool:
        """Whether something is wrong at `path` or below it."""
        return any(found[: len(path)] == path for found, _ in self._found)

    def raise_if_any(self) -> None:
        """
        Raises:
            UserError: one line per mistake, in the order of the file, then of the overrides.
        """
        if self._found:
            told = dict.fromkeys(self._told(*found) for found in self._found)
            raise UserError("\n".join(line for _, line in sorted(self._line(*found) for found in told)))

    def _told(self, path: KeyPath, message: str) -> tuple[KeyPath, str]:
        """As the file has it, where an arm was made from another."""
        for arm in sorted(self._made, key=len, reverse=True):
            message = message.replace(arm, self._made[arm][0])
        if len(path) < 2 or path[0] != "arms" or path[1] not in self._made:
            return path, message
        base, key, place, value = self._made[str(path[1])]
        if path[2:4] == key:
            return (*place, *path[4:]), message
        where = f" (where {dotted(key)} = {value})" if len(path) == 2 else ""
        return ("arms", base, *path[2:]), message + where

    def _line(self, path: KeyPath, message: str) -> tuple[tuple[int, int, int], str]:
        """A mistake's place in the order of all, and its line; a path without a place has its parent's."""
        parents = [path[:end] for end in range(len(path), 0, -1)]
        if overridden := next((parent for parent in parents if parent in self._overrides), None):
            where = "" if overridden == path else f"{dotted(path)}: "
            order = self._overrides.index(overridden)
            return (1, order, 0), f"--set {dotted(overridden)}: {where}{message}"
        line, column = next((self._places[parent] for parent in parents if parent in self._places), (1, 1))
        return (0, line, column), f"{self._file}:{line}:{column}: {dotted(path)}: {message}"


def dotted(path: Iterable[str | int]) -> str:
    """`("arms", "a b", "seeds", 1)` as it is written: `arms."a b".seeds[1]`."""
    text = ""
    for key in path:
        if isinstance(key, int):
            text += f"[{key}]"
        else:
            text += f".{key}" if re.fullmatch("[A-Za-z0-9_-]+", key) else f".{json.dumps(key, ensure_ascii=False)}"
    return text.removeprefix(".")


def spelled(value: Any) -> str:
    """A value as it is written in TOML; a table by its name only."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list | tuple):
        return f"[{', '.join(spelled(v) for v in value)}]"
    if isinstance(value, dict):
        return "a table"
    return str(value)


def unknown(what: str, word: str, known: Collection[str], deeper: Iterable[str] = ()) -> str:
    """`unknown key 'widht'; did you mean 'width'? allowed: depth, width`.

    Args:
        deeper: dotted names that are known too, to be suggested for their last word.
    """
    near = [d for d in deeper if d.endswith(f".{word}")] or difflib.get_close_matches(word, known, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"unknown {what} {word!r}; {hint}allowed: {', '.join(known) or 'none'}"


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
