"""What a search of so many trials is expected to find: scores compared at equal tuning effort.

Only trials that were drawn at random count, because only they are draws of one and the same thing. Legend: n of them,
sorted scores v[1..n].

The expected best of k trials (Dodge et al. 2019, Show your work: improved reporting of experimental results) is the
mean of the best over all choices of k of the n, which is unbiased (Tang et al. 2020, Showing your work doesn't always
work). Its variance cannot be estimated from few trials, but a distribution-free band for the median best can: the
band of Kolmogorov and Smirnov holds for the whole distribution of scores, and so for the best of k for all k at once
(Lourie, Cho and He 2024, Show your work with confidence). Where an end would need scores that no trial had, there is
none.

How many frames and seconds of training until a given validation accuracy; "not reached" stays what it is.

Validation is scored at the end of each epoch, so a target counts as reached at the end of the first epoch that is at or
above it: frames and seconds are in whole epochs. A training that ends below a target is censored: it would need more
than it got, nobody knows how much. It therefore enters no mean. The median over seeds exists where more than half of
the seeds reached the target, and is then the same whatever the others would have needed.

What the search of an arm spent, rung by rung.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy.stats import kstwo

from harness.comparison.arm_model import Amount, BestOfTrials, LearningSpeed, LearningTarget, RungSpending, TuningEffort
from harness.results import ArmRecord, Epoch, RunResult, StudyRecord, Trial

History = Sequence[Epoch]


def startup_trials(trials: int) -> int:
    """How many of an arm's trials TPE draws at random before it models what was good: a third, from 3 to 10."""
    return min(10, max(3, trials // 3))


def n_random(sampler: str, trials: int) -> int:
    """How many of an arm's first trials are random draws; a grid is gone through in random order."""
    return startup_trials(trials) if sampler == "tpe" else trials


def random_stage(trials: Sequence[Trial], n_random: int | None) -> list[Trial]:
    """An arm's trials that were drawn at random, which are its first.

    Args:
        n_random: how many; as few as any sampler draws if None.
    """
    return sorted(trials, key=lambda t: t.number)[: startup_trials(len(trials)) if n_random is None else n_random]


def score(trial: Trial) -> float:
    """Validation accuracy that a trial reached, in [0, 1]; one that failed reached nothing, which is 0."""
    return trial.value or 0.0


def tuning_effort(arm: ArmRecord, record: StudyRecord) -> TuningEffort:
    """What the search of an arm is expected to find, from its random trials."""
    trials = random_stage(arm.trials, record.random_trials)
    return TuningEffort(
        random_trials=len(trials),
        frames_per_trial=float(np.mean([trial.frames for trial in trials])) if trials else None,
        curve=tuple(tuning_curve(np.array([score(trial) for trial in trials]), record.level)),
    )


def tuning_curve(scores: np.ndarray, level: float = 0.95) -> list[BestOfTrials]:
    """What the best of k = 1 to n random trials scores.

    Args:
        scores: (n,) validation accuracies.
        level: the probability in (0, 1), or more, with which the medians lie in their bands for all k together.
    """
    v = np.sort(np.asarray(scores, dtype=float))
    n = len(v)
    width = float(kstwo.ppf(level, n)) if n else 1.0

    def at(quantile: float) -> float | None:
        place = math.ceil(quantile * n - 1e-9)
        return float(v[place - 1]) if 1 <= place <= n else None

    curve = []
    for k in range(1, n + 1):
        weights = np.array([math.comb(i, k - 1) for i in range(n)], dtype=float) / math.comb(n, k)
        q = 0.5 ** (1 / k)
        curve.append(
            BestOfTrials(trials=k, expected=float(weights @ v), median=at(q), low=at(q - width), high=at(q + width))
        )
    return curve


def learning_targets(finals: Sequence[RunResult]) -> tuple[LearningTarget, ...]:
    """Accuracies to be reached: what an arm has, on average over its seeds, after 1, 2, 4, 8 ... epochs, and at the
    epoch that was kept; those that are not above the one before are left out."""
    shortest = min(len(final.history) for final in finals)
    targets: list[LearningTarget] = []
    steps: list[int | None] = [2**i for i in range(shortest.bit_length()) if 2**i <= shortest]
    for step in [*steps, None]:
        accuracy = float(np.mean([f.history[(step or f.best_epoch) - 1].validation_accuracy for f in finals]))
        if not targets or accuracy > targets[-1].accuracy:
            targets.append(LearningTarget(accuracy=accuracy, epochs=step))
    return tuple(targets)


def reach(history: History, accuracy: float) -> tuple[int, float] | None:
    """Training frames and seconds until an accuracy; None if it was not reached."""
    seconds = 0.0
    for epoch in history:
        seconds += epoch.seconds
        if epoch.validation_accuracy >= accuracy:
            return epoch.frames, seconds
    return None


def learning_speed(histories: Sequence[History], accuracy: float) -> LearningSpeed:
    """Of an arm's seeds: how many reached an accuracy, and after what."""
    each = [reach(history, accuracy) for history in histories]
    return LearningSpeed(
        accuracy=accuracy,
        reached=sum(one is not None for one in each),
        frames=_amount([None if one is None else one[0] for one in each]),
        seconds=_amount([None if one is None else one[1] for one in each]),
    )


def _amount(values: Sequence[float | None]) -> Amount:
    """With "not reached" above every number."""
    median = float(np.median([math.inf if v is None else v for v in values]))
    return Amount(median=median if math.isfinite(median) else None, per_seed=tuple(values))


def rung_spending(arm: ArmRecord) -> tuple[RungSpending, ...]:
    """The trials of an arm, their training frames and seconds, in each rung."""
    rungs = []
    for number in sorted({trial.rung for trial in arm.trials}):
        trials = [trial for trial in arm.trials if trial.rung == number]
        values = [trial.value for trial in trials if trial.state == "complete" and trial.value is not None]
        rungs.append(
            RungSpending(
                rung=number,
                trials=len(trials),
                frames=sum(trial.frames for trial in trials),
                seconds=sum(trial.seconds for trial in trials),
                best=max(values, default=None),
            )
        )
    return tuple(rungs)
