"""The probability of being better for a new speaker with new seeds is right as often as it says, by simulation."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import norm, t

from harness.statistics import metrics, tallies
from harness.statistics.superiority import probability_better

FRAMES = 10_000.0


def _tally(accuracy: np.ndarray) -> tallies.Tally:
    """(S, G) accuracies, all units with the same frames."""
    correct = (accuracy * FRAMES)[..., None]
    return tallies.Tally(correct, correct, np.full((accuracy.shape[1], 1), FRAMES))


def _arms(generator, mean, n_units, n_seeds, unit=0.01, seed=0.006, both=0.008):
    """Accuracies (S + 1, G + 1) of two arms; the last seed and unit are those nobody has seen."""
    shared = generator.normal(0.7, 0.05, n_units + 1)
    taste = generator.normal(mean, unit, n_units + 1)
    arms = []
    for side in (1.0, 0.0):
        own = generator.normal(0, seed, (n_seeds + 1, 1)) + generator.normal(0, both, (n_seeds + 1, n_units + 1))
        arms.append(shared + side * taste + own)
    return arms


def _said_and_came(repetitions, n_units, n_seeds, **spread):
    generator = np.random.default_rng(0)
    said, came = [], []
    for _ in range(repetitions):
        a, b = _arms(generator, generator.uniform(-0.08, 0.08), n_units, n_seeds, **spread)
        said.append(probability_better(_tally(a[:-1, :-1]), _tally(b[:-1, :-1]), metrics.accuracy))
        came.append(a[-1, -1] > b[-1, -1])
    return np.array(said), np.array(came)


@pytest.mark.parametrize(
    ("n_units", "n_seeds", "spread"),
    [
        (40, 3, {}),
        (8, 3, {}),
        (8, 3, {"unit": 0.002, "seed": 0.02}),
        (8, 3, {"unit": 0.002, "both": 0.02}),
        (16, 5, {"unit": 0.03}),
    ],
)
def test_what_is_said_with_a_probability_comes_as_often(n_units, n_seeds, spread):
    """Given that nothing is known beforehand of how much better either arm might be."""
    said, came = _said_and_came(6000, n_units, n_seeds, **spread)
    for low, high in pairwise([0, 0.1, 0.3, 0.5, 0.7, 0.9, 1]):
        inside = (said > low) & (said <= high)
        error = 3 * np.sqrt(0.25 / inside.sum())
        assert came[inside].mean() == pytest.approx(said[inside].mean(), abs=max(0.02, error))


def test_with_many_speakers_and_seeds_it_is_the_normal_probability():
    generator = np.random.default_rng(0)
    a, b = _arms(generator, 0.01, 2000, 200)
    expected = norm.cdf(0.01 / np.sqrt(0.01**2 + 2 * 0.006**2 + 2 * 0.008**2))
    assert probability_better(_tally(a), _tally(b), metrics.accuracy) == pytest.approx(expected, abs=0.02)


def test_with_one_seed_it_is_the_prediction_interval_of_one_sample():
    a, b = (arm[:1] for arm in _arms(np.random.default_rng(1), 0.01, 9, 0))
    each = (a - b)[0]
    expected = t.cdf(each.mean() / (each.std(ddof=1) * np.sqrt(1 + 1 / len(each))), len(each) - 1)
    assert probability_better(_tally(a), _tally(b), metrics.accuracy) == pytest.approx(expected)


def test_the_two_sides_add_up_and_one_unit_says_nothing():
    a, b = (_tally(arm) for arm in _arms(np.random.default_rng(2), 0.01, 8, 2))
    ways = probability_better(a, b, metrics.accuracy), probability_better(b, a, metrics.accuracy)
    assert sum(ways) == pytest.approx(1)
    assert probability_better(a.total, b.total, metrics.accuracy) is None
    same = _tally(np.full((1, 5), 0.5))
    assert probability_better(same, same, metrics.accuracy) == 0.5
