"""Successive halving: what each rung of a search trains, and which trials go on to the next.

Synchronous (Jamieson and Talwalkar 2016, Non-stochastic best arm identification and hyperparameter optimization): all
trials of a rung end before the next begins, and how many go on does not depend on the scores. So what an arm spends is
known beforehand, and the same for every arm, which no rule that looks at running trials can promise.

A trial that goes on is trained anew: its learning-rate schedule is then that of its longer training, and its score
is that of a run as the finals are. The frames of all its trainings count.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from harness.experiment.experiment import Experiment, Search
from harness.results import Trial


@dataclass(frozen=True)
class Rung:
    """A stage of the search of every arm."""

    number: int
    """The number of the stage, from 1."""
    trials: int
    """Trials of each arm."""
    subset: float
    """Fraction of the training utterances; those of a rung are among those of the next."""
    epochs: int
    part: str
    """The part that it trains on, by name: "train", or a subset of it."""


def rungs(search: Search, full_epochs: int, which: int = 1) -> tuple[Rung, ...]:
    """The stages of a search, a single one without halving.

    Args:
        which: number of the search among the arm's, from 1; each has utterances of its own where it uses a subset.

    From rung to rung the trials are divided by `halving` and the frames of each multiplied by it: more utterances until
    it is all of them, then more epochs until it is `full_epochs`. The last rung has two trials or more.
    """
    stages = [Rung(1, search.trials, search.subset, search.epochs, _part(search, 1, search.subset, which))]
    factor, trials = 1, search.trials
    while search.halving and (trials := trials // search.halving) >= 2:
        factor *= search.halving
        share = Fraction(str(search.subset)) * factor
        subset = float(min(share, Fraction(1)))
        epochs = min(full_epochs, int(search.epochs * max(share, Fraction(1))))
        if (subset, epochs) == (stages[-1].subset, stages[-1].epochs):
            break
        number = len(stages) + 1
        stages.append(Rung(number, trials, subset, epochs, _part(search, number, subset, which)))
    return tuple(stages)


def of_experiment(experiment: Experiment) -> tuple[Rung, ...]:
    """The stages of each of an arm's searches; none if nothing is searched."""
    return rungs(experiment.search, experiment.training.epochs) if experiment.search else ()


def _part(search: Search, number: int, subset: float, which: int) -> str:
    if subset == 1:
        return "train"
    name = "search" if which == 1 else f"search {which}"
    if search.halving:
        return f"search {number}" if which == 1 else f"{name} rung {number}"
    return name if which == 1 else f"{name} subset"


def promoted(trials: Sequence[Trial], n: int) -> list[Trial]:
    """The best n of a rung's trials, the earliest of equals first; fewer where fewer were trained to the end."""
    complete = [t for t in trials if t.state == "complete"]
    return sorted(complete, key=lambda t: (-(t.value or 0.0), t.number))[:n]


def best(trials: Sequence[Trial]) -> Trial | None:
    """The best trial of the last rung that has a complete one; None if no trial is complete."""
    last = max((t.rung for t in trials if t.state == "complete"), default=0)
    return next(iter(promoted([t for t in trials if t.rung == last], 1)), None)
