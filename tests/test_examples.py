"""The examples in docstrings give what they say."""

import doctest
import importlib
import inspect
import pkgutil
from types import ModuleType

import pytest

import architectures
import harness.statistics

MODULES = [
    *(f"harness.statistics.{module.name}" for module in pkgutil.iter_modules(harness.statistics.__path__)),
    "architectures._registry",
    "harness.files",
    "harness.seeds",
]


def public_functions(module: ModuleType) -> list[str]:
    """Those that a module defines, but for what only its own functions call."""
    members = inspect.getmembers(module, inspect.isfunction)
    return [name for name, function in members if function.__module__ == module.__name__ and not name.startswith("_")]


@pytest.mark.parametrize("name", MODULES)
def test_every_example_gives_what_it_says(name):
    outcome = doctest.testmod(importlib.import_module(name))
    assert outcome.failed == 0


@pytest.mark.parametrize("name", MODULES)
def test_every_public_function_has_an_example(name):
    module = importlib.import_module(name)
    without = [own for own in public_functions(module) if ">>>" not in (getattr(module, own).__doc__ or "")]
    assert not without


def test_every_function_of_the_architectures_has_an_example():
    functions = [getattr(architectures, name) for name in architectures.__all__]
    assert all(">>>" in own.__doc__ for own in functions if inspect.isfunction(own))
