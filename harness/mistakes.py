"""The mistakes found in an experiment file: gathered, placed, and raised together."""

import difflib
import json
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from harness.errors import UserError
from harness.toml_places import Path


class Mistakes:
    """Gathers `(path, message)` while a file is checked.

    Args:
        file: its name, as the user gave it.
        places: line and column of each path, as `toml_places.places` gives them.
    """

    def __init__(self, file: str, places: Mapping[Path, tuple[int, int]]) -> None:
        self._file = file
        self._places = places
        self._overrides: list[Path] = []
        self._made: dict[str, tuple[str, Path, Path, str]] = {}
        self._found: list[tuple[Path, str]] = []

    def __len__(self) -> int:
        return len(self._found)

    def overridden(self, path: Path) -> None:
        """From here on, what is wrong at `path` or below it is wrong in `--set`."""
        self._overrides.append(path)

    def made(self, arm: str, base: str, key: Path, place: Path, value: str) -> None:
        """From here on, what is wrong with `arm` is told of the arm that it was made from.

        Args:
            key: below the arm, what it was given.
            place: where that stands in the file.
        """
        self._made[arm] = base, key, place, value

    def add(self, path: Path, message: str) -> None:
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

    def _told(self, path: Path, message: str) -> tuple[Path, str]:
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

    def _line(self, path: Path, message: str) -> tuple[tuple[int, int, int], str]:
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
