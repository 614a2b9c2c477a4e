"""What a search of so many trials is expected to find: scores compared at equal tuning effort.

Only trials that were drawn at random count, because only they are draws of one and the same thing. Legend: n of them,
sorted scores v[1..n].

The expected best of k trials (Dodge et al. 2019, Show your work: improved reporting of experimental results) is the
mean of the best over all choices of k of the n, which is unbiased (Tang et al. 2020, Showing your work doesn't always
work). Its spread is not knowable from few trials; what is, without any assumption, is a band for the median best: the
band of Kolmogorov and Smirnov holds for the whole distribution of scores, and so for the best of k for all k at once
(Lourie, Cho and He 2024, Show your work with confidence). Where an end would need scores that no trial had, there is
none.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy.stats import kstwo

from harness.results import Trial


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
