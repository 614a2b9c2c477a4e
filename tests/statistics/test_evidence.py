"""Surely within bounds or not, and how much more would decide: by algebra, against textbooks, and by simulation."""

import math

import numpy as np
import pytest
from scipy.stats import nct, t, ttest_1samp, ttest_ind

from harness.statistics import evidence, intervals, metrics, tallies
from harness.statistics.evidence import Estimate

N = 1e6  # frames of a unit: so many that shares are as good as continuous


def tally(shares):
    """(S, G) shares of right frames."""
    correct = N * shares[:, :, None]
    return tallies.Tally(correct, correct, np.full((shares.shape[1], 1), N))


def study(generator, n_units, n_seeds, gap, unit=0.02, seed=0.01, both=0.02):
    """Tallies of two arms: `gap` apart, with spreads over units (of the difference), seeds and both."""
    own = [generator.normal(0, seed, (n_seeds, 1)) + generator.normal(0, both, (n_seeds, n_units)) for _ in "ab"]
    shared, taste = generator.normal(0, 0.05, n_units), generator.normal(0, unit, n_units)
    return tally(0.6 + gap + shared + taste + own[0]), tally(0.6 + shared + own[1])


def estimated(a, b, n_resamples=400):
    found = intervals.paired_difference(*tallies.resample([a, b], n_resamples), metrics.accuracy)
    return evidence.of_difference(found, 0.95, a.n_units), found


def true_estimate(value, n_units, n_seeds, unit=0.02, seed=0.01, both=0.02):
    """With the variances that `study` has."""
    of_both = both**2 / (n_units * n_seeds)
    per_arm = seed**2 / n_seeds + of_both
    return Estimate(
        value, 0.95, unit**2 / n_units + 2 * of_both, (per_arm, per_arm), 2 * of_both, n_units, (n_seeds,) * 2
    )


def test_the_interval_is_that_of_the_verdict():
    a, b = study(np.random.default_rng(0), 8, 3, 0.01)
    estimate, found = estimated(a, b)
    assert (estimate.value - estimate.half, estimate.value + estimate.half) == pytest.approx((found.low, found.high))
    assert estimate.degrees_of_freedom == pytest.approx(float(found.degrees_of_freedom))


def test_the_parts_of_the_variance_are_those_that_were_put_in():
    generator = np.random.default_rng(1)
    each = [estimated(*study(generator, 10, 4, 0.0))[0] for _ in range(150)]
    expected = true_estimate(0.0, 10, 4)
    assert np.mean([e.of_units for e in each]) == pytest.approx(expected.of_units, rel=0.1)
    assert np.mean([sum(e.of_seeds) for e in each]) == pytest.approx(sum(expected.of_seeds), rel=0.1)
    assert np.mean([e.of_both for e in each]) == pytest.approx(expected.of_both, rel=0.3)
    assert expected.se**2 == pytest.approx(0.02**2 / 10 + 2 * 0.01**2 / 4 + 2 * 0.02**2 / 40)


def test_more_units_and_seeds_divide_each_part_of_the_variance():
    now = true_estimate(0.0, 10, 4)
    for units, seeds in ((0, 0), (30, 0), (0, 12), (30, 12)):
        expected = true_estimate(0.0, 10 + units, 4 + seeds)
        grown = now.grown(units=units, seeds=seeds)
        assert grown.se == pytest.approx(expected.se)
        assert grown.degrees_of_freedom == pytest.approx(expected.degrees_of_freedom)


def test_one_arm_alone_has_the_interval_of_a_t_test():
    shares = np.random.default_rng(2).normal(0.6, 0.04, (1, 12))
    (only,) = tallies.resample([tally(shares)], 20_000)
    found = intervals.one_arm_interval(only, metrics.accuracy)
    expected = ttest_1samp(shares[0], 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=0.01)


def test_means_of_seeds_have_the_interval_of_welch():
    generator = np.random.default_rng(3)
    a, b = generator.normal(0.6, 0.02, 5), generator.normal(0.5, 0.01, 4)
    estimate = evidence.of_means([a, b], 0.95)
    expected = ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    assert estimate.value - estimate.half == pytest.approx(expected.low)
    assert estimate.value + estimate.half == pytest.approx(expected.high)


@pytest.mark.parametrize(
    ("value", "low", "high", "answer"),
    [(0.05, 0, math.inf, True), (-0.05, 0, math.inf, False), (0.01, 0, math.inf, None),
     (0.0, -0.05, 0.05, True), (0.1, -0.05, 0.05, False), (-0.1, -0.05, 0.05, False), (0.0, -0.01, 0.01, None)],
)  # fmt: skip
def test_within_outside_or_undecided(value, low, high, answer):
    estimate = Estimate(value, 0.95, 1e-4, (0.0,), 0.0, 30, (1,))  # +- 0.0204
    assert evidence.within(estimate, low, high) is answer


def test_without_an_interval_nothing_is_sure():
    assert evidence.within(Estimate(0.5, 0.95, 0.0, (0.0,), 0.0, 1, (3,)), 0, math.inf) is None
    assert evidence.within(evidence.of_means([[0.5]], 0.95), 0, math.inf) is None
    assert evidence.within(evidence.of_means([[0.5, 0.5]], 0.95), 0, math.inf) is True, "two seeds that agree wholly"


def test_the_number_of_units_is_that_of_a_textbook_t_test():
    """One seed, units alone: the power of the t test by the noncentral distribution, effect 0.5."""
    estimate = Estimate(0.5, 0.95, 1 / 6, (0.0,), 0.0, 6, (1,))
    n = evidence.needed(estimate, 0, math.inf)
    expected = next(
        n for n in range(7, 100) if nct.sf(t.ppf(0.975, n - 1), n - 1, 0.5 * math.sqrt(n)) >= evidence.POWER
    )
    assert abs(6 + n.units - expected) <= 1
    assert n.seeds is None
    assert n.both is None


@pytest.mark.parametrize(
    ("which", "gap", "low", "high", "spreads"),
    [
        ("units", 0.012, 0.0, math.inf, (0.02, 0.002, 0.02)),
        ("units", -0.012, 0.0, math.inf, (0.02, 0.002, 0.02)),
        ("units", 0.003, -0.018, 0.018, (0.02, 0.003, 0.02)),
        ("seeds", 0.012, 0.0, math.inf, (0.004, 0.01, 0.02)),
        ("both", 0.012, 0.0, math.inf, (0.02, 0.01, 0.02)),
    ],
)
def test_with_so_many_more_four_of_five_studies_are_decided(which, gap, low, high, spreads):
    needed = evidence.needed(true_estimate(gap, 8, 3, *spreads), low, high)
    more = getattr(needed, which)
    n_units, n_seeds = {"units": (more, 0), "seeds": (0, more), "both": more}[which]
    generator = np.random.default_rng(4)
    truth = low <= gap <= high
    studies = [study(generator, 8 + n_units, 3 + n_seeds, gap, *spreads) for _ in range(400)]
    answers = [evidence.within(estimated(a, b, 200)[0], low, high) for a, b in studies]
    assert np.mean([answer is truth for answer in answers]) == pytest.approx(evidence.POWER, abs=0.08)
    assert np.mean([answer is (not truth) for answer in answers]) < 0.01


def test_where_neither_alone_decides_both_may_and_on_the_edge_nothing_does():
    both = evidence.needed(true_estimate(0.011, 8, 3, unit=0.03, seed=0.015), 0, math.inf)
    assert (both.units, both.seeds) == (None, None)
    assert both.both
    assert evidence.power(true_estimate(0.011, 8, 3, 0.03, 0.015).grown(*both.both), 0, math.inf) >= evidence.POWER
    assert evidence.needed(true_estimate(0.0, 8, 3), 0, math.inf) == evidence.Needed(None, None, None)
