"""Looking again: how often a study that grows until something shows finds a difference that is not there."""

import numpy as np
import pytest
from scipy.stats import norm

from harness.statistics import intervals, metrics, tallies
from harness.statistics.families import holm
from harness.statistics.looks import bound_of_error, level_of_look

N_SPEAKERS, SEEDS = 16, (2, 5, 10)


@pytest.fixture(scope="module")
def p_values():
    """(studies, looks): of a difference that is zero, with seeds added from look to look."""
    generator = np.random.default_rng(1)
    frames = np.full((N_SPEAKERS, 1), 20_000.0)
    found = []
    for study in range(600):
        taste = generator.normal(0, 0.003, N_SPEAKERS)
        of_seed = generator.normal(0, 0.006, (2, max(SEEDS), 1))
        weights = tallies.draw_units(N_SPEAKERS, 200, study)
        row = []
        for n in SEEDS:
            arms = []
            for side, own in zip((0.5, -0.5), of_seed[:, :n], strict=True):
                correct = ((0.6 + side * taste + own) * frames[:, 0])[..., None]
                arms.append(tallies.Tally(correct, correct, frames))
            pair = intervals.paired_difference(
                *tallies.resample_with(weights, arms, ["", ""]), metrics.accuracy, seed=study
            )
            row.append(float(pair.p))
        found.append(row)
    return np.array(found)


def test_three_planned_looks_err_no_more_often_than_one(p_values):
    levels = [level_of_look(k, 3, 0.95) for k in (1, 2, 3)]
    naive = np.mean((p_values <= 0.05).any(axis=1))
    planned = np.mean((p_values <= 1 - np.array(levels)).any(axis=1))
    assert naive > 0.065, "what is mended"
    assert planned <= 0.05 + 2 * 0.009


def test_looks_that_were_not_planned_stay_within_their_bound(p_values):
    levels = [level_of_look(k, 1, 0.95) for k in (1, 2, 3)]
    assert bound_of_error(3, 1, 0.95) == pytest.approx(0.1)
    assert np.mean((p_values <= 1 - np.array(levels)).any(axis=1)) <= 0.1


@pytest.mark.parametrize("n", [1, 2, 3, 5, 10])
def test_looks_at_equal_steps_spend_the_whole_error(n):
    generator = np.random.default_rng(0)
    sums = np.cumsum(generator.normal(size=(200_000, n)), axis=1) / np.sqrt(np.arange(1, n + 1))
    errors = 1 - np.array([level_of_look(k, n, 0.95) for k in range(1, n + 1)])
    assert np.mean((2 * norm.sf(np.abs(sums)) <= errors).any(axis=1)) == pytest.approx(0.05, abs=0.002)


def test_levels_of_pocock_type_are_those_of_the_literature():
    """Two looks at equal steps: boundaries 2.157 and 2.201, as in tables of Lan and DeMets's spending function."""
    boundaries = [norm.isf((1 - level_of_look(k, 2, 0.95)) / 2) for k in (1, 2)]
    assert boundaries == pytest.approx([2.157, 2.201], abs=2e-3)


def test_a_family_that_was_larger_stays_so():
    assert holm([0.01], least=3) == [pytest.approx(0.03)]
    assert holm([0.01, 0.02], least=3) == [pytest.approx(0.03), pytest.approx(0.04)]
