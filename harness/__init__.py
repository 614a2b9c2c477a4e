"""Comparing frame classifiers in speech: one experiment file in, one honest comparison out.

What Python programs use is listed in `__all__` and described in docs/python.md; it is loaded when it is asked for.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.api import Model, Study, UserError, run, studies, study

__version__ = "0.1.0"
__all__ = ["Model", "Study", "UserError", "run", "studies", "study"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(importlib.import_module("harness.api"), name)
    raise AttributeError(f"module 'harness' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
