"""`[sweep]`: one setting at several values, each of them a cell in which all arms are tuned and compared anew.

Every arm becomes as many as there are values, `ladnn@depth=2` and so on, before the file is checked: all that holds for
an arm holds for a cell, and gets no code of its own.
"""

import copy
from collections.abc import Sequence
from typing import Any

import architectures
from harness.experiment import ranges
from harness.experiment.experiment import Cell, Sweep
from harness.experiment.mistakes import Mistakes, Table, as_toml, unknown_word
from harness.experiment.schema import keys_of, keys_of_architecture
from harness.settings import Data, Training

_SECTIONS = ("params", "training", "data")


def expand(tree: Table, mistakes: Mistakes) -> Sweep | None:
    """Put the cells in the place of the arms; without a `[sweep]`, or with a wrong one, nothing is done.

    Args:
        tree: the file as parsed; its arms are replaced.
    """
    table, arms = tree.get("sweep"), tree.get("arms")
    if not isinstance(table, dict) or not isinstance(arms, dict):
        return None
    before = len(mistakes)
    setting = _one_list(table, mistakes)
    if setting is None:
        return None
    section, key, values = setting
    _check_values(section, key, values, mistakes)
    for name, arm in arms.items():
        _check_arm(name, arm, section, key, values, mistakes)
    if key in _table(tree, section):
        mistakes.add((section, key), f"without effect: [sweep] {section}.{key} says it for every arm")
    if len(mistakes) > before:
        return None
    cells, expanded = {}, {}
    for i, value in enumerate(values):
        for base, arm in arms.items():
            if isinstance(arm, dict):
                name = f"{base}@{key}={value if isinstance(value, str) else as_toml(value)}"
                expanded[name] = copy.deepcopy(arm)
                expanded[name].setdefault(section, {})[key] = value
                cells[name] = Cell(base, value)
                mistakes.add_cell(name, base, (section, key), ("sweep", section, key, i), as_toml(value))
    tree["arms"] = expanded
    return Sweep(f"{section}.{key}", tuple(values), cells)


def _one_list(table: Table, mistakes: Mistakes) -> tuple[str, str, list[Any]] | None:
    """The section, the key and what is given for it; None, and the mistakes noted, if it is not one list."""
    settings = []
    deeper = [f"training.{k}" for k in keys_of(Training)] + [f"data.{k}" for k in keys_of(Data)]
    deeper += [f"params.{p}" for name in architectures.names() for p in (*keys_of_architecture(name), "parameters")]
    for section, keys in table.items():
        if section not in _SECTIONS:
            mistakes.add(("sweep", section), unknown_word("key", section, _SECTIONS, dict.fromkeys(deeper)))
        elif not isinstance(keys, dict):
            mistakes.add(("sweep", section), f"{as_toml(keys)} is not allowed; it must be a table")
        else:
            settings += [(section, key, values) for key, values in keys.items()]
    if not any(keys != {} for keys in table.values()):
        mistakes.add(("sweep",), "empty; say what is swept: params.depth = [2, 4, 8, 16]")
    for section, key, values in settings:
        if not isinstance(values, list):
            mistakes.add(
                ("sweep", section, key), f"{as_toml(values)} is not allowed; it must be a list of two values or more"
            )
    for section, key, _ in settings[1:]:
        mistakes.add(("sweep", section, key), f"one setting is swept, and {'.'.join(settings[0][:2])} is given already")
    return settings[0] if len(settings) == 1 and isinstance(settings[0][2], list) else None


def _check_values(section: str, key: str, values: Sequence[Any], mistakes: Mistakes) -> None:
    place = ("sweep", section, key)
    if reason := ranges.must_be_shared(section, key):
        mistakes.add(place, f"cannot be swept: {reason}")
    if len(values) < 2:
        mistakes.add(place, f"{as_toml(values)} is not a sweep; it needs two values or more")
    for i, value in enumerate(values):
        if isinstance(value, dict | list):
            mistakes.add((*place, i), f"{as_toml(value)} is not allowed; a value is a number, true or false, or text")
        elif any(value == other and isinstance(value, bool) == isinstance(other, bool) for other in values[:i]):
            mistakes.add((*place, i), f"{as_toml(value)} is given twice")


def _check_arm(name: str, arm: Any, section: str, key: str, values: Sequence[Any], mistakes: Mistakes) -> None:
    """An arm must have the setting, and leave it to the sweep."""
    architecture = arm.get("architecture") if isinstance(arm, dict) else None
    if architecture not in architectures.names():
        return  # a mistake that is noted where arms are read
    own, place = _table(arm, section), ("sweep", section, key)
    names = {
        "params": [*keys_of_architecture(architecture), "parameters"],
        "training": list(keys_of(Training)),
        "data": list(keys_of(Data)),
    }[section]
    if key not in names:
        mistakes.add(place, f"{unknown_word('key', key, names)}, in arm {name!r}")
    elif key in own:
        mistakes.add(("arms", name, section, key), f"without effect: [sweep] {section}.{key} says it for every arm")
    elif section == "params":
        replacements = architectures.replaced_by(architecture, own | {key: next(iter(values), None)})
        if key in replacements:
            mistakes.add(place, f"without effect in arm {name!r}: {replacements[key]} is given, which replaces it")


def _table(tree: Any, key: str) -> Table:
    table = tree.get(key, {}) if isinstance(tree, dict) else {}
    return table if isinstance(table, dict) else {}
