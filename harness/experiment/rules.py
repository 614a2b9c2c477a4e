"""The rules of an experiment file that concern several keys at once: what has no effect, what would not be fair."""

from collections.abc import Sequence

import architectures
from harness.experiment import sizes
from harness.experiment.experiment import Arm, Experiment, Search
from harness.experiment.mistakes import KeyPath, Mistakes, Table, as_toml
from harness.experiment.ranges import is_range, must_be_shared, range_forbidden
from harness.experiment.rungs import rungs
from harness.settings import ACTS_WITH, Training


def check(tree: Table, original: Table, experiment: Experiment, mistakes: Mistakes) -> tuple[str, ...]:
    """Note what breaks a rule; gives the notes for readers of the result.

    Args:
        tree, original: the file as parsed, with and without the overrides.
        experiment: what could be made of it; the keys with mistakes are at their defaults.
    """
    arms, names = list(experiment.arms.values()), _table(tree, "arms")
    for section in ("data", "training"):
        for key in _table(tree, section):
            others = [name for name in names if key not in _table(tree, "arms", name, section)]
            if names and not others and not must_be_shared(section, key):
                mistakes.add((section, key), "without effect: every arm sets its own value")
            elif len(arms) == len(names):
                _check_effect([experiment.arms[name] for name in others], (section, key), mistakes)
    for arm in arms:
        for key in _table(tree, "arms", arm.name, "training"):
            _check_effect([arm], ("arms", arm.name, "training", key), mistakes)
        for key, other in architectures.replaced_by(arm.architecture, _table(tree, "arms", arm.name, "params")).items():
            mistakes.add(("arms", arm.name, "params", key), f"without effect: {other} is given, which replaces it")
    corpus = experiment.data.corpus
    is_overridden = (
        _table(original, "data").get("corpus", "synthetic") != corpus
    )  # by --set; its size then goes with it
    if "synthetic" in _table(tree, "data") and corpus != "synthetic" and not is_overridden:
        mistakes.add(
            ("data", "synthetic"), f'without effect: it needs data.corpus = "synthetic", not {as_toml(corpus)}'
        )
    notes = _check_splits(tree, experiment, mistakes)
    if "search" not in tree:
        if here := _ranges(tree):
            mistakes.add(here[0], "a range needs a [search] with a number of trials; otherwise give a value")
    else:
        _check_search(tree, original, experiment, mistakes)
    for arm in arms:
        is_clean = not any(mistakes.below(*path) for path in (("arms", arm.name), ("data", "context"), ("limit",)))
        if is_clean and not mistakes.below("comparison", "match") and (reason := sizes.problem(arm)):
            mistakes.add(("arms", arm.name), reason)
        _check_time_mask(tree, arm, mistakes)
        _check_recipe(tree, arm, mistakes)
    return notes


def _table(tree: Table, *path: str) -> Table:
    """The table that stands there in the file; an empty one if it is none."""
    for key in path:
        tree = tree.get(key, {}) if isinstance(tree, dict) else {}
    return tree if isinstance(tree, dict) else {}


def _ranges(tree: Table) -> list[KeyPath]:
    """Places of the file's ranges, and of tables that were meant as such."""
    tables: list[tuple[str, ...]] = [("data",), ("training",)]
    tables += [("arms", name, section) for name in _table(tree, "arms") for section in ("data", "training", "params")]
    settings = [((*path, key), value) for path in tables for key, value in _table(tree, *path).items()]
    return [
        path
        for path, value in settings
        if is_range(value) or (isinstance(value, dict) and range_forbidden(path) is None)
    ]


def _check_effect(arms: Sequence[Arm], path: KeyPath, mistakes: Mistakes) -> None:
    """Note it if a setting of `[training]`, given at `path`, acts in none of these arms."""
    governor, values = ACTS_WITH.get(str(path[-1]), ("", ()))
    wrong = [
        mistakes.below("training", governor),
        *(mistakes.below("arms", a.name, "training", governor) for a in arms),
    ]
    if not governor or not arms or any(wrong):
        return
    key, default = f"training.{governor}", getattr(Training, governor)
    own = [v for a in arms for v in (a.ranges[key].probes if key in a.ranges else [a.fixed.get(key, default)])]
    if not set(own) & set(values):
        right, now = (" or ".join(as_toml(v) for v in dict.fromkeys(group)) for group in (values, own))
        mistakes.add(path, f"without effect: it needs {key} = {right}, not {now}")


def _check_time_mask(tree: Table, arm: Arm, mistakes: Mistakes) -> None:
    """Note it if more frames may be hidden than a window has."""
    if mistakes.below("arms", arm.name) or mistakes.below("data", "context") or mistakes.below("training"):
        return
    settings = [arm.unsolved_settings(values) for values in arm.probes()]
    widest, window = max(s.training.time_mask for s in settings), min(s.data.window for s in settings)
    if widest > window:
        is_own = "time_mask" in _table(tree, "arms", arm.name, "training")
        mistakes.add(
            ("arms", arm.name, "training", "time_mask") if is_own else ("training", "time_mask"),
            f"{widest} frames cannot be hidden in a window of {window}: it must be no more, or data.context larger",
        )


def _check_recipe(tree: Table, arm: Arm, mistakes: Mistakes) -> None:
    """Note it if what a schedule or an optimiser needs beside it is missing."""
    if mistakes.below("arms", arm.name) or mistakes.below("training"):
        return
    for values in arm.probes():
        training = arm.unsolved_settings(values).training
        milestones = list(training.milestones)
        if training.schedule == "multi-step" and (not milestones or milestones != sorted(set(milestones))):
            reason = f"multi-step needs epochs that ascend, milestones = [20, 35], not {as_toml(milestones)}"
            mistakes.add(_place(tree, arm, "milestones", "schedule"), reason)
            return
        if training.nesterov and training.optimiser == "sgd" and not training.momentum:
            mistakes.add(_place(tree, arm, "nesterov"), "needs a momentum above 0, along which it looks ahead")
            return


def _place(tree: Table, arm: Arm, *keys: str) -> KeyPath:
    """Where the file gives one of some settings of `[training]` for an arm, the first that it gives."""
    for key in keys:
        for path in (("arms", arm.name, "training"), ("training",)):
            if key in _table(tree, *path):
                return (*path, key)
    return ("arms", arm.name)


def _check_splits(tree: Table, experiment: Experiment, mistakes: Mistakes) -> tuple[str, ...]:
    data, own = experiment.data, _table(tree, "data")
    if any(mistakes.below("data", key) for key in ("corpus", "train", "validation", "test")):
        return ()
    if data.corpus == "synthetic":
        for key in ("train", "validation", "test"):
            split = getattr(data, key)
            if isinstance(split, str) and split not in ("train", "validation", "test"):
                mistakes.add(
                    ("data", key), f"{as_toml(split)} is not a split of the synthetic corpus: train, validation, test"
                )
    if data.folds:  # all of them are pooled
        return ()
    for key in ("validation", "test"):
        if getattr(data, key) == data.train:
            place = key if key in own else "train"
            mistakes.add(("data", place), f"train and {key} are the same split, {as_toml(data.train)}")
    if data.validation != data.test or data.test == data.train:
        return ()
    if "search" in tree:
        place = "validation" if "validation" in own else "test"
        mistakes.add(
            ("data", place),
            f"validation and test are the same split, {as_toml(data.test)}: the test split would be used for selection",
        )
    selects = experiment.training.keep == "best" or experiment.training.early_stopping > 0
    warning = ": the kept epoch was chosen on it" if selects else ""
    return (f"validation and test are the same split ({data.test}){warning}",)


def _check_search(tree: Table, original: Table, experiment: Experiment, mistakes: Mistakes) -> None:
    places, before = _ranges(tree), _ranges(original)
    if not places and before:
        mistakes.add(before[-1], "this leaves no range, so [search] has no effect; remove it from the file")
    elif not places:
        mistakes.add(("search",), "without effect: no setting is a range")
    search, own_keys = experiment.search, _table(tree, "search")
    if search is None:
        return
    if search.epochs > experiment.training.epochs and not mistakes.below("training", "epochs"):
        most = experiment.training.epochs
        mistakes.add(
            ("search", "epochs"), f"{search.epochs} is not allowed; training.epochs is {most}, a trial has no more"
        )
    _check_halving(experiment, search, mistakes)
    if search.pruning == "none":
        for key in {"warmup_epochs", "startup_trials"} & own_keys.keys():
            mistakes.add(("search", key), 'without effect: it requires search.pruning = "median", not "none"')
    elif search.warmup_epochs >= search.epochs:
        few = f"a trial has {search.epochs} epochs, and warmup_epochs = {search.warmup_epochs} protects all of them"
        mistakes.add(("search", "pruning"), f"without effect: {few}")
    elif search.startup_trials >= search.trials:
        few = f"an arm has {search.trials} trials, and startup_trials = {search.startup_trials} protects all of them"
        mistakes.add(("search", "pruning"), f"without effect: {few}")
    for arm in experiment.arms.values() if places else ():
        own = [path for path in places if path[0] != "arms" or path[1] == arm.name]
        if not any(mistakes.below(*path) for path in own):
            _check_space(tree, arm, search, mistakes)


def _check_halving(experiment: Experiment, search: Search, mistakes: Mistakes) -> None:
    if search.halving is None or mistakes.below("search", "epochs") or mistakes.below("training", "epochs"):
        return
    if search.pruning != "none":
        mistakes.add(
            ("search", "pruning"),
            f"{as_toml(search.pruning)} cannot be combined with search.halving, "
            "which spends the same frames on every arm",
        )
    if len(rungs(search, experiment.training.epochs)) == 1:
        few = f"{search.trials} trials leave {search.trials // search.halving} for the second rung; it needs two"
        full = f"a trial sees all utterances for training.epochs = {search.epochs} already; set subset, or fewer epochs"
        mistakes.add(
            ("search", "halving"),
            f"without effect: {few if search.trials // search.halving < 2 else full}",
        )


def _check_space(tree: Table, arm: Arm, search: Search, mistakes: Mistakes) -> None:
    """Every arm must be able to spend the same trials."""
    for key, r in arm.ranges.items():
        section, _, word = key.partition(".")
        if search.sampler == "grid" and r.size() is None:
            mend = "make it a choice" if r.kind == "log" else "give it a step, or make it a choice"
            own = word in _table(tree, "arms", arm.name, section)
            mistakes.add(
                ("arms", arm.name, section, word) if own else (section, word),
                f"a grid needs values that can be counted, and {r} has none: {mend}",
            )
    size = arm.size()
    if size is not None and size < search.trials:
        factors = " x ".join(f"{key} {r.size()}" for key, r in arm.ranges.items()) or "it has no range"
        mistakes.add(
            ("search", "trials"),
            f"{search.trials} trials cannot be spent on arm {arm.name!r}, which has {size} ({factors}); "
            "every arm gets as many",
        )
