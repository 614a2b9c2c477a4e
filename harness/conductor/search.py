"""One arm's search: an Optuna study in a journal file, asked and told by the conductor alone.

The only importer of optuna. A trial that a kill interrupted is given out again under its number, so that its training
goes on where it stood. A trial that goes on to a later rung is one more trial in the journal, with the settings that
its origin was given: the sampler suggests for the first rung only.
"""

import json
import os
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from harness.comparison.effort import startup_trials
from harness.experiment.experiment import Arm, Search
from harness.experiment.ranges import Range
from harness.experiment.rungs import Rung, best, promoted, rungs
from harness.results import Trial
from harness.seeds import derive_seed
from harness.settings import Training

_ABANDONED = "abandoned"  # mark of a trial that was cut off before it had its settings; it counts for nothing
LEAST_FOR_IMPORTANCES = 20
"""Trials of an arm: of fewer the shares are those of chance, and from few trials the same for every arm."""
_STATES = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}


@dataclass(frozen=True)
class PendingTrial:
    """A trial to be trained."""

    number: int
    values: dict[str, Any]
    """The searched settings, flat."""
    rung: Rung
    origin: int | None = None
    """The trial of the rung before that it goes on from."""


class ArmSearch:
    """One search of one arm.

    Args:
        journal: file of the whole harness study; made if it is not there.
        number: of the search among the arm's, from 1.
    """

    def __init__(self, journal: Path, arm: Arm, search: Search, number: int = 1) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.arm = arm
        self.search = search
        self.number = number
        self.rungs = rungs(search, arm.fixed.get("training.epochs", Training.epochs), number)
        self._distributions = {name: _distribution(r) for name, r in arm.ranges.items()}
        self._study = optuna.create_study(
            storage=JournalStorage(JournalFileBackend(str(journal))),
            study_name=arm.name if number == 1 else f"{arm.name} search {number}",
            direction="maximize",
            pruner=_pruner(search),
            load_if_exists=True,
        )
        self._drawn = optuna.create_study(direction="maximize")

    def ask(self) -> PendingTrial | None:
        """The trial that was interrupted, else the next one; None when all are done."""
        for frozen in self._study.get_trials(states=[TrialState.RUNNING]):
            if frozen.params.keys() == self._distributions.keys():
                return self._pending_trial(frozen)
            self._trial(frozen.number).set_user_attr(_ABANDONED, True)
            self._study.tell(frozen.number, state=TrialState.FAIL)
        ended = self.trials()
        if sum(t.rung == 1 for t in ended) >= self.search.trials:
            return self._promote(ended)
        return self._pending_trial(self._add(self._draw()))

    def should_prune(self, number: int, epoch: int, accuracy: float) -> bool:
        """Tell a trial's validation accuracy after an epoch, from 1; whether its rivals say that it should end."""
        trial = self._trial(number)
        if epoch not in self._frozen(number).intermediate_values:
            trial.report(accuracy, epoch)
        return trial.should_prune()

    def tell(self, trial: Trial) -> None:
        """End a trial. One that is told already is left as it is."""
        if self._frozen(trial.number).state.is_finished():
            return
        for name in ("frames", "seconds", "curve", "value"):
            self._trial(trial.number).set_user_attr(name, getattr(trial, name))
        state = {word: state for state, word in _STATES.items()}[trial.state]
        self._study.sampler = optuna.samplers.RandomSampler()  # a grid's would stop `optimize`, which is not running
        self._study.tell(trial.number, trial.value if state == TrialState.COMPLETE else None, state=state)

    def trials(self) -> tuple[Trial, ...]:
        """All that have ended, in the order of their numbers."""
        ended = self._study.get_trials(deepcopy=False, states=tuple(_STATES))
        return tuple(
            Trial(
                number=t.number,
                state=_STATES[t.state],
                value=t.user_attrs["value"],
                settings=self._values(t),
                frames=t.user_attrs["frames"],
                seconds=t.user_attrs["seconds"],
                curve=tuple(t.user_attrs["curve"]),
                rung=t.user_attrs.get("rung", 1),
                origin=t.user_attrs.get("origin"),
            )
            for t in ended
            if _ABANDONED not in t.user_attrs
        )

    def best(self) -> Trial | None:
        """The complete trial of the highest validation accuracy in the last rung, the earliest of equals, or None."""
        return best(self.trials())

    def first_rung(self) -> list[FrozenTrial]:
        """The trials of the first rung as Optuna has them: all alike but for their settings."""
        return [t for t in self._study.get_trials(deepcopy=False) if "rung" not in t.user_attrs]

    def _sampler(self) -> optuna.samplers.BaseSampler:
        """Seeded by the study's seed and the trial's number, so that a study that goes on draws nothing twice."""
        seed = derive_seed(self.search.seed, len(self._study.get_trials(deepcopy=False))) % 2**32
        if self.search.sampler == "random":
            return optuna.samplers.RandomSampler(seed=seed)
        if self.search.sampler == "grid":
            grid = {name: [_plain(v) for v in r.values()] for name, r in self.arm.ranges.items()}
            return optuna.samplers.GridSampler(grid, seed=self.search.seed % 2**32)
        return optuna.samplers.TPESampler(seed=seed, n_startup_trials=startup_trials(self.search.trials))

    def _promote(self, ended: Sequence[Trial]) -> PendingTrial | None:
        """The next trial of a later rung, written whole or not at all; None when all are done."""
        for rung in self.rungs[1:]:
            here = {t.origin for t in ended if t.rung == rung.number}
            for trial in promoted([t for t in ended if t.rung == rung.number - 1], rung.trials):
                if trial.number not in here:
                    attributes = {"rung": rung.number, "origin": trial.number}
                    return self._pending_trial(self._add(self._frozen(trial.number), attributes))
        return None

    def _draw(self) -> FrozenTrial:
        """The next trial of the first rung, as the sampler draws it: in memory, beside what the journal has.

        Optuna writes a trial it is asked for in pieces; of one that was cut off in between, the rest would be drawn
        anew, and all trials after it would be others than without the interruption.
        """
        self._drawn.sampler = optuna.samplers.RandomSampler()
        known, drawn = self._study.get_trials(deepcopy=False), self._drawn.get_trials(deepcopy=False)
        if drawn:
            self._end_drawn(drawn[-1], known[len(drawn) - 1])
        self._drawn.add_trials(known[len(drawn) :])
        self._drawn.sampler = self._sampler()
        number = self._drawn.ask(fixed_distributions=self._distributions).number
        return self._drawn.get_trials(deepcopy=False)[number]

    def _end_drawn(self, drawn: FrozenTrial, known: FrozenTrial) -> None:
        """Tell the trial that was drawn last, unless it was told, what the journal has of it."""
        if drawn.state.is_finished():
            return
        trial = optuna.Trial(self._drawn, drawn._trial_id)
        for epoch, accuracy in known.intermediate_values.items():
            trial.report(accuracy, epoch)
        value = known.value if known.state == TrialState.COMPLETE else None
        self._drawn.tell(drawn.number, value, state=known.state)

    def _add(self, drawn: FrozenTrial, attributes: Mapping[str, Any] | None = None) -> FrozenTrial:
        """A trial with these settings that is to be trained, written to the journal whole or not at all."""
        self._study.add_trial(
            optuna.trial.create_trial(
                state=TrialState.RUNNING,
                params=drawn.params,
                distributions=self._distributions,
                user_attrs=dict(attributes or {}),
                system_attrs=drawn.system_attrs,
            )
        )
        return self._study.get_trials(deepcopy=False)[-1]

    def _pending_trial(self, frozen: FrozenTrial) -> PendingTrial:
        rung = self.rungs[frozen.user_attrs.get("rung", 1) - 1]
        return PendingTrial(frozen.number, self._values(frozen), rung, frozen.user_attrs.get("origin"))

    def _values(self, frozen: FrozenTrial) -> dict[str, Any]:
        return {name: _setting(self.arm.ranges[name], frozen.params[name]) for name in self.arm.ranges}

    def _frozen(self, number: int) -> FrozenTrial:
        return self._study.get_trials(deepcopy=False)[number]

    def _trial(self, number: int) -> optuna.Trial:
        return optuna.Trial(self._study, self._frozen(number)._trial_id)


def repair_journal(journal: Path) -> None:
    """Remove what a kill in the middle of a write leaves: the beginning of a line, and Optuna's lock.

    What Optuna writes next would else be joined to that line, and it would wait half a minute for the lock. Only for
    who keeps other processes out of the study.
    """
    journal.with_name(f"{journal.name}.lock").unlink(missing_ok=True)
    if not journal.exists():
        return
    with journal.open("rb+") as file:
        content = file.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            file.truncate(whole)
            os.fsync(file.fileno())


def importances(searches: Sequence[ArmSearch]) -> dict[str, float]:
    """Share of each searched setting in what decides a good score, over all searches of an arm; empty where it cannot
    be told: from fewer than `LEAST_FOR_IMPORTANCES` trials.

    PED-ANOVA (Watanabe, Bansal and Hutter 2023, IJCAI), of the trials of the first rung.
    """
    trials = [trial for search in searches for trial in search.first_rung()]
    if sum(trial.state == TrialState.COMPLETE for trial in trials) < LEAST_FOR_IMPORTANCES:
        return {}
    from optuna.importance import PedAnovaImportanceEvaluator  # with it comes scikit-learn's forest

    together = optuna.create_study(direction="maximize")
    together.add_trials(trials)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            shares = optuna.importance.get_param_importances(together, evaluator=PedAnovaImportanceEvaluator())
        except (RuntimeError, ValueError):  # all of one score
            return {}
    return dict(sorted(shares.items(), key=lambda share: (-share[1], share[0])))  # ties always in one order


def forget(journal: Path, is_forgotten: Callable[[str], bool]) -> None:
    """Remove the searches of arms, so that they begin anew.

    Args:
        is_forgotten: given an arm's name, or that of one of its folds.
    """
    if not journal.exists():
        return
    storage = JournalStorage(JournalFileBackend(str(journal)))
    for study in storage.get_all_studies():
        if is_forgotten(study.study_name.partition(" search ")[0]):
            storage.delete_study(study._study_id)


def n_ended(journal: Path) -> dict[str, int]:
    """How many trials of each arm, or of one of its folds, have ended. Only reads."""
    if not journal.exists():
        return {}
    storage = JournalStorage(JournalFileBackend(str(journal)))
    n: Counter[str] = Counter()
    for study in storage.get_all_studies():
        trials = storage.get_all_trials(study._study_id, deepcopy=False)
        ended = [t for t in trials if t.state.is_finished() and _ABANDONED not in t.user_attrs]
        n[study.study_name.partition(" search ")[0]] += len(ended)
    return dict(n)


def _distribution(r: Range) -> BaseDistribution:
    if r.kind == "choice":
        return CategoricalDistribution([_plain(choice) for choice in r.choices])
    assert r.low is not None
    assert r.high is not None
    if isinstance(r.low, int):
        return IntDistribution(r.low, int(r.high), log=r.kind == "log", step=int(r.step or 1))
    return FloatDistribution(r.low, r.high, log=r.kind == "log", step=r.step)


def _plain(value: Any) -> Any:
    """What Optuna keeps of a value: a list as JSON."""
    return json.dumps(value) if isinstance(value, tuple | list) else value


def _setting(r: Range, kept: Any) -> Any:
    """The value that Optuna keeps as `kept`."""
    return next((choice for choice in r.choices if _plain(choice) == kept), kept)


def _pruner(search: Search) -> optuna.pruners.BasePruner:
    if search.pruning == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=search.startup_trials, n_warmup_steps=search.warmup_epochs)
    return optuna.pruners.NopPruner()
