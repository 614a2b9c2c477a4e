"""What a search of so many trials is expected to find: scores compared at equal tuning effort.

Only trials that were drawn at random count, because only they are draws of one and the same thing. Legend: n of them,
sorted scores v[1..n].

The expected best of k trials (Dodge et al. 2019, Show your work: improved reporting of experimental results) is the
mean of the best over all choices of k of the n, which is unbiased (Tang et al. 2020, Showing your work doesn't always
work). Its spread is not knowable from few trials; what is, without any assumption, is a band for the median best: the
band of Kolmogorov and Smirnov holds for the whole distribution of scores, and so for the best of k for all k at once
(Lourie, Cho and He 2024, Show your work with confidence). Where an end would need scores that no trial had, there is
none.

How many frames and seconds of training until a given validation accuracy; "not reached" stays what it is.

Validation is scored at the end of each epoch, so a target counts as reached at the end of the first epoch that is at or
above it: frames and seconds are in whole epochs. A training that ends below a target is censored: it would need more
than it got, nobody knows how much. It therefore enters no mean. The median over seeds exists where more than half of
the seeds reached the target, and is then the same whatever the others would have needed.

What the search spent, rung by rung: whether every arm was given the same.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import kstwo

from harness.display.wording import count, counted
from harness.results import ArmRecord, Epoch, RunResult, Trial


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


def tuning_curve(scores: np.ndarray, level: float = 0.95) -> list[dict[str, float | None]]:
    """What the best of k = 1 to n random trials scores.

    Returns:
        For each k: trials (k), expected (its mean), median, and low and high, between which the median lies for all k
        together with a probability of `level` or more; None where the trials do not bound it.
    """
    v = np.sort(np.asarray(scores, dtype=float))
    n = len(v)
    width = float(kstwo.ppf(level, n)) if n else 1.0

    def at(quantile: float) -> float | None:
        place = math.ceil(quantile * n - 1e-9)
        return float(v[place - 1]) if 1 <= place <= n else None

    curve: list[dict[str, float | None]] = []
    for k in range(1, n + 1):
        weights = np.array([math.comb(i, k - 1) for i in range(n)], dtype=float) / math.comb(n, k)
        q = 0.5 ** (1 / k)
        curve.append(
            {"trials": k, "expected": float(weights @ v), "median": at(q), "low": at(q - width), "high": at(q + width)}
        )
    return curve


History = Sequence[Epoch]


def targets(finals: Sequence[RunResult]) -> list[dict[str, Any]]:
    """Accuracies to be reached: what an arm has, on average over its seeds, after 1, 2, 4, 8 ... epochs, and at the
    epoch that was kept (`epochs` is None); those that are not above the one before are left out."""
    shortest = min(len(final.history) for final in finals)
    found: list[dict[str, Any]] = []
    steps: list[int | None] = [2**i for i in range(shortest.bit_length()) if 2**i <= shortest]
    for step in [*steps, None]:
        accuracy = float(np.mean([f.history[(step or f.best_epoch) - 1].validation_accuracy for f in finals]))
        if not found or accuracy > found[-1]["accuracy"]:
            found.append({"accuracy": accuracy, "epochs": step})
    return found


def reached(history: History, accuracy: float) -> tuple[int, float] | None:
    """Training frames and seconds until an accuracy; None if it was not reached."""
    spent = 0.0
    for epoch in history:
        spent += epoch.seconds
        if epoch.validation_accuracy >= accuracy:
            return epoch.frames, spent
    return None


def speed(histories: Sequence[History], accuracy: float) -> dict[str, Any]:
    """Of an arm's seeds: accuracy, reached (how many seeds), and frames and seconds {median, per_seed}, None where not
    reached."""
    each = [reached(history, accuracy) for history in histories]
    frames, seconds = ([None if one is None else one[i] for one in each] for i in (0, 1))
    return {
        "accuracy": accuracy,
        "reached": sum(one is not None for one in each),
        "frames": {"median": _median(frames), "per_seed": frames},
        "seconds": {"median": _median(seconds), "per_seed": seconds},
    }


def _median(values: Sequence[float | None]) -> float | None:
    """With "not reached" above every number."""
    found = float(np.median([math.inf if v is None else v for v in values]))
    return found if math.isfinite(found) else None


Rows = tuple[tuple[str, ...], ...]

HEADINGS = ("rung", ">trials", ">frames of a trial", ">frames of an arm")


def spent(arm: ArmRecord) -> list[dict[str, Any]]:
    """`rungs` of an arm in `comparison.json`: its trials, training frames and seconds in each."""
    found = []
    for number in sorted({trial.rung for trial in arm.trials}):
        trials = [trial for trial in arm.trials if trial.rung == number]
        values = [trial.value for trial in trials if trial.state == "complete" and trial.value is not None]
        found.append(
            {
                "rung": number,
                "trials": len(trials),
                "frames": sum(trial.frames for trial in trials),
                "seconds": sum(trial.seconds for trial in trials),
                "best": max(values, default=None),
            }
        )
    return found


def rows(comparison: dict[str, Any]) -> Rows:
    """A line for each rung; none where no search had more than one."""
    rungs = [arm["rungs"] for arm in comparison["arms"]]
    longest = max((len(own) for own in rungs), default=0)
    if longest < 2:
        return ()
    table = []
    for i in range(longest):
        here = [own[i] for own in rungs if i < len(own)]
        per_trial = [row["frames"] / row["trials"] for row in here]
        table.append(
            (
                str(i + 1),
                _range([row["trials"] for row in here]),
                _range(per_trial),
                _range([r["frames"] for r in here]),
            )
        )
    whole = [arm["search_frames"] for arm in comparison["arms"]]
    return (*table, ("all", _range([sum(row["trials"] for row in own) for own in rungs]), "", _range(whole)))


def sentence(comparison: dict[str, Any]) -> str:
    """Whether all arms spent the same."""
    arms = [arm for arm in comparison["arms"] if arm["search"]]
    failed = {arm["arm"]: sum(trial["state"] == "failed" for trial in arm["search"]) for arm in arms}
    told = ", ".join(f"{arm} {counted(n, 'trial')}" for arm, n in failed.items() if n)
    if len({arm["search_frames"] for arm in arms}) == 1:
        return "Every arm spent the same frames."
    return f"The same frames were given to every arm; what failed ended early: {told}."


def _range(values: list[float]) -> str:
    return " to ".join(dict.fromkeys(count(value) for value in (min(values), max(values))))
