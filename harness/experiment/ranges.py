"""A range of an experiment file, standing where its value would stand: `{ int = [2, 8] }`."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from harness.experiment.mistakes import KeyPath, Mistakes, Table, as_toml, unknown_word
from harness.settings import Rows

KINDS = ("int", "float", "log", "choice")


@dataclass(frozen=True)
class Range:
    """The values that a search may choose from. Both ends are part of it."""

    kind: str
    """One of `KINDS`; log is even in the logarithm."""
    low: int | float | None = None
    """The low end. Both ends are None for a choice. Those of a log range are both ints, or both floats."""
    high: int | float | None = None
    step: int | float | None = None
    """The step between two values, from `low`; None is 1 for ints and nothing for floats."""
    choices: tuple[Any, ...] = ()

    @property
    def ends(self) -> tuple[Any, Any]:
        """The lowest and the highest value; of a choice the first and the last."""
        return (self.choices[0], self.choices[-1]) if self.kind == "choice" else (self.low, self.high)

    @property
    def probes(self) -> tuple[Any, ...]:
        """The values that stand for all: both ends, or every choice."""
        return self.choices or self.ends

    def size(self) -> int | None:
        """The number of values; None if they cannot be counted."""
        if self.choices:
            return len(self.choices)
        step = self.step or (1 if isinstance(self.low, int) else None)
        return None if step is None else int((_exact(self.high) - _exact(self.low)) / _exact(step)) + 1

    def values(self) -> tuple[Any, ...]:
        """The values, in order.

        Raises:
            ValueError: they cannot be counted.
        """
        size = self.size()
        if size is None:
            raise ValueError(f"{self} has no list of values: it has no step")
        if self.choices:
            return self.choices
        of = int if isinstance(self.low, int) else float
        return tuple(of(_exact(self.low) + i * _exact(self.step or 1)) for i in range(size))

    def __str__(self) -> str:
        if self.choices:
            return " | ".join(c if isinstance(c, str) else as_toml(c) for c in self.choices)
        if self.kind == "log":
            return f"{_short(self.low)} to {_short(self.high)}, log"
        return f"{self.low} to {self.high}" + (f", step {self.step}" if self.step is not None else "")


def _exact(value: Any) -> Fraction:
    """The decimal number that was written, so that 0.0 to 0.3 in steps of 0.1 are four values."""
    return Fraction(str(value))


def _short(value: Any) -> str:
    """0.0001 as 1e-4; 512 as it is."""
    written = repr(value)
    number = Decimal(written).normalize().as_tuple()
    first, *rest = map(str, number.digits)
    scientific = f"{first}{'.' if rest else ''}{''.join(rest)}e{int(number.exponent) + len(rest)}"
    return scientific if value < 1 and len(scientific) <= len(written) else written


def is_range(value: Any) -> bool:
    return isinstance(value, dict) and any(kind in value for kind in KINDS)


def range_forbidden(path: KeyPath) -> str | None:
    """The reason why a range may not stand at `path`; None if it may."""
    match path:
        case ("arms", _, "params", _):
            return None
        case ("arms", _, "architecture"):
            return "an arm has one architecture; another one is another arm"
        case ("data" | "training" as section, key, *_) | ("arms", _, "data" | "training" as section, key, *_):
            return must_be_shared(str(section), str(key))
    return "it may stand in [data], in [training] and in the params of an arm"


def must_be_shared(section: str, key: str) -> str | None:
    """The reason why the arms may not differ in a setting; None if they may."""
    if section == "data" and key not in ("context", "normalisation", "boundary"):
        return "every arm sees the same frames"
    if section == "training" and key in ("epochs", "early_stopping", "keep", "precision", "deterministic"):
        return "every arm is trained for as long, stopped by the same rule and computed with the same precision"
    return None


def divide(rows: Mapping[str, Any]) -> tuple[Rows, dict[str, Range]]:
    """Flat settings into those with a value and those with a range."""
    fixed = {key: value for key, value in rows.items() if not isinstance(value, Range)}
    return fixed, {key: value for key, value in rows.items() if isinstance(value, Range)}


def read(raw: Table, path: KeyPath, mistakes: Mistakes) -> Range | None:
    """The range that a table with one of `KINDS` describes; None, with the mistakes noted, if it is wrong."""
    before = len(mistakes)
    kind, *more = [kind for kind in KINDS if kind in raw]
    if more:
        mistakes.add(path, f"a range is of one kind, not both {kind} and {more[0]}")
    for key in raw:
        if key not in (*KINDS, "step"):
            mistakes.add((*path, key), unknown_word("key", key, (*KINDS, "step")))
    if "step" in raw and kind in ("log", "choice"):
        mistakes.add((*path, "step"), f"without effect: a {kind} range has no step")
    if problem := _choice_problem(raw[kind]) if kind == "choice" else _ends_problem(kind, raw[kind]):
        mistakes.add((*path, kind), problem)
    if len(mistakes) > before:
        return None
    if kind == "choice":
        return Range(kind, choices=tuple(raw[kind]))
    low, high = raw[kind]
    if kind == "float" or (kind == "log" and float in (type(low), type(high))):
        low, high = float(low), float(high)
    if "step" in raw and (problem := _step_problem(kind, low, high, raw["step"])):
        mistakes.add((*path, "step"), problem)
        return None
    return Range(kind, low, high, raw.get("step"))


def _choice_problem(raw: Any) -> str | None:
    if not isinstance(raw, list):
        return f"{as_toml(raw)} is not allowed; it must be a list of values"
    if len(raw) < 2:
        return f"a choice needs two values or more, not {as_toml(raw)}; a single one is written without a range"
    for i, choice in enumerate(raw):
        if any(choice == other and isinstance(choice, bool) == isinstance(other, bool) for other in raw[:i]):
            return f"{as_toml(choice)} is given twice"
    return None


def _ends_problem(kind: str, raw: Any) -> str | None:
    of = "integers" if kind == "int" else "numbers"
    if not (isinstance(raw, list) and len(raw) == 2 and all(_is_number(end, kind) for end in raw)):
        return f"{as_toml(raw)} is not allowed; it must be [low, high], two {of}"
    low, high = raw
    if kind == "log" and low <= 0:
        return f"{as_toml(low)} is not allowed; a log range lies above 0"
    if low == high:
        return f"{as_toml(raw)} has one value; it is written without a range"
    if low > high:
        return f"{as_toml(raw)} is empty; the low end comes first: {as_toml([high, low])}"
    return None


def _step_problem(kind: str, low: Any, high: Any, step: Any) -> str | None:
    if not (_is_number(step, kind) and step > 0):
        return f"{as_toml(step)} is not allowed; it must be {'an integer' if kind == 'int' else 'a number'} above 0"
    steps = (_exact(high) - _exact(low)) / _exact(step)
    if steps.denominator != 1:
        last = type(low)(_exact(low) + math.floor(steps) * _exact(step))
        return f"{step} does not lead from {low} to {high}; the last value would be {last}"
    return None


def _is_number(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return False
    return (kind == "int" and isinstance(value, int)) or (
        kind != "int" and isinstance(value, int | float) and -1e300 < value < 1e300
    )
