"""What a registered class must be, so that settings can be read from its constructor."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import get_type_hints

_FIRST = ("self", "window", "d_features", "n_classes")
_FORM = "(self, window, d_features, n_classes, *, depth: int = 4, ...)"


@functools.cache
def breach(architecture: object) -> str | None:
    """The reason why a registered object is no architecture, with its place; None if it is one.

    Example:
        >>> from architectures.ffdnn import FFDNN
        >>> breach(FFDNN) is None
        True
        >>> breach(len)
        'len: is not a class of torch.nn.Module; decorate one with @register'
    """
    from torch import nn

    if not (inspect.isclass(architecture) and issubclass(architecture, nn.Module)):
        name = getattr(architecture, "__name__", "object")
        return f"{_place(architecture, name)}: is not a class of torch.nn.Module; decorate one with @register"
    reason = _of_constructor(architecture)
    if reason is None and architecture.forward is nn.Module.forward:
        return f"{_place(architecture, architecture.__name__)}: has no forward(self, windows): (B, W, D) -> (B, C)"
    return reason and f"{_place(architecture.__init__, architecture.__name__)}: {reason}"


def _of_constructor(architecture: type) -> str | None:
    constructor = architecture.__init__  # type: ignore[misc]  # of the class itself, not of an instance
    parameters = list(inspect.signature(constructor).parameters.values())
    names = tuple(parameter.name for parameter in parameters)
    if names[: len(_FIRST)] != _FIRST:
        return f"the constructor takes ({', '.join(names)}); it must take {_FORM}"
    for parameter in parameters[len(_FIRST) :]:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            return f"the constructor takes {parameter}; name each setting, so that a TOML can give it: {_FORM}"
        if parameter.kind is not parameter.KEYWORD_ONLY:
            return f"the setting {parameter.name!r} is positional; put it after a *: {_FORM}"
        if parameter.annotation is parameter.empty:
            return f"the setting {parameter.name!r} has no annotation; say what it may be: {_FORM}"
    try:
        get_type_hints(constructor, include_extras=True)
    except Exception as error:
        return f"an annotation of the constructor cannot be read: {type(error).__name__}: {error}"
    return None


def _place(found: object, name: str) -> str:
    """Where something is defined, as `architectures/ladnn.py:55`; its name where that is not known."""
    try:
        file = Path(inspect.getfile(found)).name  # type: ignore[arg-type]
        line = _first_line(found)
    except (TypeError, OSError, IndexError):
        return name
    return f"architectures/{file}:{line}"


def _first_line(found: object) -> int:
    lines: Sequence[str]
    lines, number = inspect.getsourcelines(found)  # type: ignore[arg-type]
    decorators = next((i for i, line in enumerate(lines) if line.lstrip().startswith(("class ", "def "))), 0)
    return number + decorators
