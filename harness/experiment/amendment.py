"""What a changed experiment file asks of a study that was begun: what is kept, what is added, what is trained anew."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.experiment.experiment import Experiment, changes

_PARTS = ("arms.", "comparison.", "search.", "limit.")


@dataclass(frozen=True)
class Amendment:
    """The difference between a study and its file. Arms are named as in the file, of a sweep its cells."""

    changes: tuple[str, ...]
    """Every one, a line each: `comparison.seeds: [0] -> [0, 1]`."""
    added: tuple[str, ...] = ()
    """Arms that the study does not have yet."""
    left_out: tuple[str, ...] = ()
    """Arms of the study that the file no longer has."""
    anew: tuple[str, ...] = ()
    """Arms whose runs so far are of other settings."""
    kept: tuple[str, ...] = ()
    """Arms whose runs stay."""
    refusal: str = ""
    """Why it is another study; "" if it is not."""

    def __bool__(self) -> bool:
        return bool(self.changes or self.anew)

    def lines(self, n_runs: int) -> list[str]:
        """What happens to the arms, in words.

        Args:
            n_runs: of an arm, trials and finals.
        """
        words = (
            ("left out", self.left_out, ""),
            ("kept", self.kept, ""),
            ("added", self.added, f": {n_runs} runs each"),
            ("anew", self.anew, f": {n_runs} runs each"),
        )
        return [f"{word}: {', '.join(names)}{more}" for word, names, more in words if names]


def amendment(experiment: Experiment, facts: Mapping[str, Any], restart_arms: Sequence[str] = ()) -> Amendment:
    """What the file asks of the study that remembers these facts; false if nothing.

    Args:
        restart_arms: arms that are to be trained anew, whatever the file says; of a sweep's arm all cells.
    """
    old, new = experiment.canonical_forms(facts["settings"])
    before, now = forms(old), forms(new)
    known = facts.get("left_out", {}) | before
    added = tuple(name for name in now if name not in known)
    shared = [name for name in now if name in known]
    is_other = _search_is_other(old, new)
    anew = tuple(name for name in shared if is_other or known[name] != now[name] or is_of_any(name, restart_arms))
    kept = tuple(name for name in shared if name not in anew)
    left_out = tuple(name for name in before if name not in now)
    is_lost = not kept and not (anew and all(is_of_any(name, restart_arms) for name in anew))
    refusal = "none of its runs could be kept" if is_lost else _taken_away(experiment, facts)
    return Amendment(tuple(changes(old, new)), added, left_out, anew, kept, refusal)


def forms(canonical: Mapping[str, Any]) -> dict[str, str]:
    """Arm -> all that decides its runs, as JSON, what it has in common with others too.

    Args:
        canonical: as `Experiment.canonical` gives it.

    Example:
        >>> forms({"training.epochs": 2, "arms.a.architecture": "linear", "arms.a.params.init": "kaiming"})
        {'a': '{"architecture": "linear", "params.init": "kaiming", "training.epochs": 2}'}
    """
    start, end = "arms.", ".architecture"
    names = [key[len(start) : -len(end)] for key in canonical if key.startswith(start) and key.endswith(end)]
    common = {key: value for key, value in canonical.items() if not key.startswith(_PARTS)}
    own: dict[str, dict[str, Any]] = {name: {} for name in names}
    for key, value in canonical.items():
        owner = max((name for name in names if key.startswith(f"arms.{name}.")), key=len, default=None)
        if owner is not None:  # the name of a sweep's cell may begin with another's
            own[owner][key.removeprefix(f"arms.{owner}.")] = value
    return {name: json.dumps(common | settings, sort_keys=True) for name, settings in own.items()}


def is_of_any(arm: str, names: Sequence[str]) -> bool:
    """Whether an arm is one of those named, or a cell or a fold of one.

    Example:
        >>> is_of_any("ladnn@fold=2", ["ladnn"]), is_of_any("ladnn2", ["ladnn"])
        (True, False)
    """
    return any(arm == name or arm.startswith(f"{name}@") for name in names)


def _taken_away(experiment: Experiment, facts: Mapping[str, Any]) -> str:
    """Which final of an arm would no longer be one; "" if none."""
    before, now = _dealt(facts), set(experiment.finals())
    if before - now:
        (search, seed), *_ = sorted(before - now)
        where = f" of search {search}" if len({number for number, _ in before}) > 1 else ""
        return (
            f"seed {seed}{where} was trained and would be left out, or dealt to another search: seeds and searches can "
            "be added, not taken away; add seeds at the end, and searches only with at most one seed for each"
        )
    return ""


def _dealt(facts: Mapping[str, Any]) -> set[tuple[int, int]]:
    """The finals of every arm as (number of the search, seed)."""
    if "finals" in facts:
        return {(int(search), int(seed)) for search, seed in facts["finals"]}
    seeds, n = facts["settings"]["comparison.seeds"], facts["settings"].get("comparison.searches", 1)
    return {(1 + i % n, seed) for i, seed in enumerate(seeds)}


def _search_is_other(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether trials would have been others: all but more of them, where their number decides nothing else."""
    keys = {key for key in old.keys() | new.keys() if key.startswith(("search.", "limit."))}
    changed = {key for key in keys if old.get(key) != new.get(key)}
    if changed == {"search.trials"} and "search.halving" not in new:
        return bool(new["search.trials"] < old["search.trials"])
    return bool(changed)
