"""Values against annotations: those of the dataclasses in `settings` and of the architectures' constructors.

pydantic judges a value, strictly (an int serves for a float, nothing else for anything else); the words are ours, made
from the same annotation.
"""

import dataclasses
import difflib
import types
from collections.abc import Iterable
from functools import cache
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, Field, Strict, TypeAdapter, ValidationError

from architectures import Between, parameters_of
from harness.experiment import ranges
from harness.experiment.mistakes import KeyPath, Mistakes, Table, as_toml, unknown_word
from harness.experiment.ranges import Range


class Key(NamedTuple):
    """A key that a table may have."""

    annotation: Any
    is_required: bool = False


Keys = dict[str, Key]


def keys_of(dataclass: type) -> Keys:
    hints = get_type_hints(dataclass, include_extras=True)
    absent = dataclasses.MISSING
    return {
        f.name: Key(hints[f.name], f.default is absent and f.default_factory is absent)
        for f in dataclasses.fields(dataclass)
    }


def keys_of_architecture(name: str) -> Keys:
    return {p.name: Key(p.annotation, p.default is p.empty) for p in parameters_of(name).values()}


def check_table(
    table: Table, keys: Keys, path: KeyPath, mistakes: Mistakes, deeper: Iterable[str] = ()
) -> dict[str, Any]:
    """The values that are right, as `check` gives them.

    Args:
        deeper: dotted names of keys in tables below, for those who left out the table.
    """
    values = {}
    for key, value in table.items():
        if key not in keys:
            mistakes.add((*path, key), unknown_word("key", key, keys, deeper))
        elif (right := check(value, keys[key].annotation, (*path, key), mistakes)) is not None:
            values[key] = right
    for key, (annotation, is_required) in keys.items():
        if is_required and key not in table:
            mistakes.add((*path, key), f"missing; it must be {words(annotation)}")
    return values


def check(value: Any, annotation: Any, path: KeyPath, mistakes: Mistakes) -> Any:
    """The value as its annotation has it, or a `Range` of such; None, and the mistake noted, if it is not allowed."""
    before = len(mistakes)
    dataclass = next(
        (a for a in _alternatives(annotation) if isinstance(a, type) and dataclasses.is_dataclass(a)), None
    )
    if ranges.is_range(value) and annotation is not dict:
        return _check_range(value, annotation, path, mistakes)
    if isinstance(value, dict) and dataclass:
        values = check_table(value, keys_of(dataclass), path, mistakes)
        return dataclass(**values) if len(mistakes) == before else None
    try:
        return _adapter(annotation).validate_python(value)
    except ValidationError:
        mistakes.add(path, _refusal(value, annotation))
        return None


def _check_range(value: Table, annotation: Any, path: KeyPath, mistakes: Mistakes) -> Range | None:
    before = len(mistakes)
    if reason := ranges.range_forbidden(path):
        mistakes.add(path, f"a range is not allowed here: {reason}")
        return None
    range_ = ranges.read(value, path, mistakes)
    if range_ is None:
        return None
    probes = tuple(check(probe, annotation, path, mistakes) for probe in range_.probes)
    if len(mistakes) > before:
        return None
    return dataclasses.replace(range_, choices=probes) if range_.choices else range_


@cache
def _adapter(annotation: Any) -> TypeAdapter[Any]:
    return TypeAdapter(_for_pydantic(annotation), config=ConfigDict(strict=True, allow_inf_nan=False))


def _for_pydantic(annotation: Any) -> Any:
    """The annotation in pydantic's terms: with `Between`, lists allowed for tuples, no None, no tables."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        plain, *notes = arguments
        limits = (Field(ge=n.low, le=n.high, gt=n.above, lt=n.below) for n in notes if isinstance(n, Between))
        return Annotated[(_for_pydantic(plain), *limits, None)]
    if origin in (Union, types.UnionType):
        return Union[tuple(_for_pydantic(a) for a in _alternatives(annotation))]  # noqa: UP007
    if origin is tuple:
        return Annotated[tuple[tuple(a if a is ... else _for_pydantic(a) for a in arguments)], Strict(False)]  # type: ignore[misc]
    if origin is list:
        return list[_for_pydantic(arguments[0])]  # type: ignore[misc]
    return None if dataclasses.is_dataclass(annotation) else annotation  # TOML cannot spell None: no value passes


def _alternatives(annotation: Any) -> list[Any]:
    """The members of a union, but for None; anything else is its only one."""
    is_union = get_origin(annotation) in (Union, types.UnionType)
    return [a for a in get_args(annotation) if a is not types.NoneType] if is_union else [annotation]


def _refusal(value: Any, annotation: Any) -> str:
    options = [o for a in _alternatives(annotation) if get_origin(a) is Literal for o in get_args(a)]
    near = difflib.get_close_matches(value, map(str, options), n=1) if isinstance(value, str) else []
    if near:
        return f"{as_toml(value)} is not allowed; did you mean {as_toml(near[0])}? it must be {words(annotation)}"
    only, *others = _alternatives(annotation)
    if get_origin(only) is Annotated and not others:
        plain, *notes = get_args(only)
        try:
            _adapter(plain).validate_python(value)
            return f"{as_toml(value)} is not allowed; it must lie in {' and '.join(map(str, notes))}"
        except ValidationError:
            pass
    hint = "; a range is { int | float | log = [low, high] } or { choice = [a, b] }" if isinstance(value, dict) else ""
    return f"{as_toml(value)} is not allowed; it must be {words(annotation)}{hint}"


_WORDS = {int: "an integer", float: "a number", bool: "true or false", str: "text", dict: "a table"}


def words(annotation: Any) -> str:
    """The values of an annotation, in words: `an integer in [0, 200]`."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return " ".join([words(arguments[0]), *(f"in {n}" for n in arguments[1:])])
    if origin is Literal:
        return f"one of {', '.join(map(as_toml, arguments))}"
    if origin in (Union, types.UnionType):
        return " or ".join(words(a) for a in _alternatives(annotation))
    if origin in (tuple, list):
        items = [words(a) for a in arguments if a is not ...]
        return f"a list, each {items[0]}" if origin is list or ... in arguments else f"a list [{', '.join(items)}]"
    if dataclasses.is_dataclass(annotation):
        items = [f"{key} = {words(a)}" for key, (a, _) in keys_of(annotation).items()]  # type: ignore[arg-type]
        return f"a table {{ {', '.join(items)} }}"
    return _WORDS.get(origin or annotation) or str(annotation)
