"""An experiment file, read, checked as a whole before any data is read, and resolved.

Every table is checked against its annotations, a range by its ends or choices; then come the rules that concern several
keys, and last every arm's shapes, on the meta device. Mistakes are gathered on the way and raised together.

Settings are flat from the first check on, `{"data.context": 7, "params.depth": Range(...)}`, up to
`Settings.from_flat`.
"""

import difflib
import re
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import architectures
from architectures import Between
from harness.errors import UserError
from harness.experiment import claims, ranges, rules, sizes, sweep
from harness.experiment.experiment import ASSUMED, CHECKS, Arm, ComparisonSettings, Experiment, Limit, Search
from harness.experiment.mistakes import KeyPath, Mistakes, Table, as_toml, dotted, places, unknown_word
from harness.experiment.schema import Key, Keys, check_table, keys_of, keys_of_architecture
from harness.settings import Data, Rows, Settings, Synthetic, Training

_FILE: Keys = {
    "question": Key(str, is_required=True),
    "study": Key(str, is_required=True),
    "data": Key(dict),
    "training": Key(dict),
    "arms": Key(dict, is_required=True),
    "search": Key(dict),
    "comparison": Key(dict),
    "limit": Key(dict),
    "sweep": Key(dict),
    "claims": Key(list[dict[str, Any]]),
}
_SECTIONS = {"data": keys_of(Data), "training": keys_of(Training), "search": keys_of(Search), "limit": keys_of(Limit)}
_SIZE: Keys = {"parameters": Key(Annotated[int, Between(1)])}
"""The key that may stand in an arm's `params` for the width."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,59}")


def look_in(folder: Path) -> None:
    """Find the architectures in `architectures/` of a project or of an experiment file's folder, if there is one.

    Raises:
        UserError: a file there has the name of another architecture.
    """
    try:
        architectures.look_in(folder / "architectures")
    except ValueError as clash:
        raise UserError(str(clash)) from None


def load(path: str | Path, overrides: Sequence[str] = ()) -> Experiment:
    """The experiment in a file.

    Args:
        overrides: `KEY=VALUE` each, `training.epochs=2`; the value is TOML, or else text.

    Raises:
        UserError: it cannot be read; or all its mistakes, a line each.
    """
    path = Path(path)
    text = _read(path)
    for folder in (path.parent, Path.cwd()):
        look_in(folder)
    tree = _parse(path, text)
    mistakes = Mistakes(str(path), places(text))
    for override in overrides:
        _override(tree, override, mistakes)

    top = check_table(tree, _FILE, (), mistakes, (f"{name}.{key}" for name in _SECTIONS for key in _SECTIONS[name]))
    common = _rows(top, {name: _SECTIONS[name] for name in ("data", "training")}, (), mistakes)
    if common.get("data.corpus", Data.corpus) == "synthetic":
        common.setdefault("data.synthetic", Synthetic())
    names = list(top.get("arms", {}))
    sweep_settings = sweep.expand(tree, mistakes)
    arms = _arms(tree["arms"] if sweep_settings else top.get("arms", {}), common, mistakes)
    epochs = common.get("training.epochs", Training.epochs)
    search = _search(top["search"], epochs, mistakes) if "search" in top else None
    comparison = _comparison(top.get("comparison", {}), names, "search" in tree, mistakes)
    limit = Limit(**check_table(top.get("limit", {}), _SECTIONS["limit"], ("limit",), mistakes))
    questions = claims.read(top.get("claims", []), list(tree["arms"] if sweep_settings else names), epochs, mistakes)
    fixed, searched = ranges.divide(common)
    low = Settings.from_flat({"architecture": ""} | fixed | {key: r.ends[0] for key, r in searched.items()})
    experiment = Experiment(
        path,
        "\n".join([text.rstrip("\n"), *("# --set " + override.replace("\n", " ") for override in overrides), ""]),
        top.get("question", ""),
        top.get("study", ""),
        low.data,
        low.training,
        searched,
        arms,
        search,
        comparison,
        limit,
        questions,
        tuple(overrides),
        sweep=sweep_settings,
    )
    _check_names(top, mistakes)
    experiment = _with_sizes(tree, experiment, mistakes)
    notes = rules.check(tree, _parse(path, text), experiment, mistakes)
    mistakes.raise_if_any()
    return replace(experiment, notes=notes)


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise UserError(f"{path}: there is no folder {path.parent}") from None
        near = difflib.get_close_matches(path.name, sorted(p.name for p in path.parent.glob("*.toml")), n=1)
        hint = f"; did you mean {path.parent / near[0]}?" if near else ""
        raise UserError(f"{path}: no such file{hint}") from None
    except IsADirectoryError:
        raise UserError(f"{path}: this is a folder; give an experiment file, a .toml") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not a text file in UTF-8 (byte {error.start + 1})") from None
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None


def _parse(path: Path, text: str) -> Table:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message, _, place = str(error).rpartition(" (at ")
        message = message.replace("Cannot overwrite a value", "this key has been given before")
        numbers = re.findall(r"\d+", place)  # "line 3, column 5)" or "end of document)"
        lines = text.split("\n")
        line, column = numbers if len(numbers) == 2 else (len(lines), len(lines[-1]) + 1)
        raise UserError(f"{path}:{line}:{column}: not TOML: {message[0].lower()}{message[1:]}") from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, or as many brackets
        raise UserError(f"{path}: not TOML that can be read: {error}") from None


def _override(tree: Table, override: str, mistakes: Mistakes) -> None:
    """Put a `KEY=VALUE` into the tree."""
    key, equals, value = override.partition("=")
    try:
        node = tomllib.loads(f"{key} = 0") if equals and "\n" not in key else {}
    except tomllib.TOMLDecodeError:
        node = {}
    if not node:
        raise UserError(f"--set {override}: give KEY=VALUE, such as training.epochs=2")
    keys: KeyPath = ()
    while isinstance(node, dict):
        name, node = next(iter(node.items()))
        keys += (name,)
    mistakes.add_override(keys)
    for i, name in enumerate(keys[:-1], start=1):
        tree = tree.setdefault(name, {})
        if not isinstance(tree, dict):
            mistakes.add(keys, f"{dotted(keys[:i])} is not a table, it is {as_toml(tree)}")
            return
    try:
        parsed = tomllib.loads(f"value = {value}")
    except tomllib.TOMLDecodeError:
        parsed = {}
    tree[str(keys[-1])] = parsed["value"] if len(parsed) == 1 else value.strip()


def _rows(table: Table, sections: dict[str, Keys], path: KeyPath, mistakes: Mistakes) -> Rows:
    """The settings of some sections of a table, of the file's or of an arm's, as far as they are right."""
    return {
        f"{section}.{key}": value
        for section, keys in sections.items()
        for key, value in check_table(table.get(section, {}), keys, (*path, section), mistakes).items()
    }


def _arms(tables: Table, common: Rows, mistakes: Mistakes) -> dict[str, Arm]:
    """The arms whose architecture is known."""
    names, broken = architectures.names(), architectures.broken()
    keys = {
        "architecture": Key(Literal[*names], is_required=True),
        "params": Key(dict),
        "data": Key(dict),
        "training": Key(dict),
    }
    arms = {}
    for name, table in tables.items():
        path = ("arms", name)
        if not isinstance(table, dict):
            mistakes.add(path, f"{as_toml(table)} is not allowed; it must be a table")
            continue
        given = table.get("architecture")
        if isinstance(given, str) and given in broken:
            mistakes.add((*path, "architecture"), f"{as_toml(given)} cannot be used: {broken[given]}")
            continue
        is_known = given in names
        params = keys_of_architecture(table["architecture"]) | _SIZE if is_known else {}
        sections = {"params": params, "data": _SECTIONS["data"], "training": _SECTIONS["training"]}
        arm = check_table(table, keys, path, mistakes, (f"{s}.{key}" for s in sections for key in sections[s]))
        if is_known:
            own = _rows(arm, sections, path, mistakes)
            for row in own:
                section, _, key = row.partition(".")
                if reason := ranges.must_be_shared(section, key):
                    mistakes.add((*path, section, key), f"not a setting of an arm: {reason}")
            arms[name] = Arm(name, arm["architecture"], *ranges.divide(common | own))
    return arms


def _with_sizes(tree: Table, experiment: Experiment, mistakes: Mistakes) -> Experiment:
    """The experiment with all that each arm needs to solve its width, for a corpus that has not been read."""
    before = len(mistakes)
    sizes.check_match(tree, experiment, mistakes)
    if len(mistakes) > before or any(mistakes.below("arms", name) for name in experiment.arms):
        return experiment
    try:
        return sizes.match_sizes(experiment, *ASSUMED)
    except ValueError as error:
        mistakes.add(("arms", experiment.comparison.baseline or ""), str(error))
        return experiment


def _search(table: Table, epochs: int, mistakes: Mistakes) -> Search | None:
    before = len(mistakes)
    values = check_table({"epochs": epochs} | table, _SECTIONS["search"], ("search",), mistakes)
    return Search(**values) if len(mistakes) == before else None


def _comparison(table: Table, arms: list[str], is_searched: bool, mistakes: Mistakes) -> ComparisonSettings:
    values = check_table(table, keys_of(ComparisonSettings), ("comparison",), mistakes)
    baseline, seeds = values.get("baseline"), values.get("seeds", ComparisonSettings.seeds)
    if baseline is not None and baseline not in arms:
        mistakes.add(("comparison", "baseline"), unknown_word("arm", baseline, arms))
    elif baseline is not None and len(arms) == 1:
        mistakes.add(
            ("comparison", "baseline"), "without effect: there is only one arm, so there is nothing to compare"
        )
    if not seeds:
        mistakes.add(("comparison", "seeds"), "[] is not allowed; at least one seed is needed")
    if values.get("searches", 1) > 1 and not is_searched:
        mistakes.add(("comparison", "searches"), "without effect: the file has no [search]; add one, or leave it out")
    for i, code in enumerate(values.get("mute", ())):
        if code not in CHECKS:
            mistakes.add(("comparison", "mute", i), unknown_word("check", code, CHECKS))
    _check_pairs(values.get("pairs", ()), arms, mistakes)
    for i, seed in enumerate(seeds):
        if seed in seeds[:i]:
            mistakes.add(("comparison", "seeds", i), f"{seed} is given twice")
    return ComparisonSettings(**{"baseline": arms[0] if len(arms) > 1 else None} | values)


def _check_pairs(pairs: Sequence[tuple[str, str]], arms: list[str], mistakes: Mistakes) -> None:
    for i, pair in enumerate(pairs):
        place = ("comparison", "pairs", i)
        for name in pair:
            if name not in arms:
                mistakes.add(place, unknown_word("arm", name, arms))
        if pair[0] == pair[1]:
            mistakes.add(place, f"{as_toml(pair[0])} is paired with itself; give two arms")
        if any(set(pair) == set(other) for other in pairs[:i]):
            mistakes.add(place, f"{as_toml(list(pair))} is given twice")


def _check_names(top: Table, mistakes: Mistakes) -> None:
    if not top.get("question", "?").strip():
        mistakes.add(("question",), "empty; state the question that the comparison answers")
    names = [(("study",), top["study"])] if "study" in top else []
    for path, name in [*names, *((("arms", arm), arm) for arm in top.get("arms", {}))]:
        if not _NAME.fullmatch(name):
            mistakes.add(
                path, f"{as_toml(name)} is not a name: 1 to 60 of A-Z a-z 0-9 _ - . with a letter or digit first"
            )
    if not top.get("arms", True):
        mistakes.add(("arms",), "empty; an experiment needs at least one arm: [arms.NAME]")
