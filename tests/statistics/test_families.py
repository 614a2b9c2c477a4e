"""Differences judged together: against statsmodels, and by simulation."""

import numpy as np
import pytest
from scipy.stats import t
from statsmodels.stats.multitest import multipletests

from harness.statistics.families import family, holm
from harness.statistics.intervals import Difference


def difference(value, se, freedom):
    p = 2 * t.sf(abs(value) / se, freedom)
    return Difference(np.array(value), np.array(se), np.array(freedom), None, None, np.array(p), None)


def test_corrected_p_are_those_of_statsmodels():
    generator = np.random.default_rng(0)
    for n in (1, 2, 6, 15):
        p = generator.uniform(0, 0.2, n)
        assert holm(p.tolist()) == pytest.approx(multipletests(p, method="holm")[1])


def test_of_one_difference_the_simultaneous_interval_is_the_plain_one():
    (one,) = family([difference(0.02, 0.01, 5)], 0.95)
    half = t.ppf(0.975, 5) * 0.01
    assert (one.low, one.high) == pytest.approx((0.02 - half, 0.02 + half))
    assert one.p == pytest.approx(2 * t.sf(2, 5))


def test_an_interval_excludes_zero_exactly_where_its_difference_is_shown():
    generator = np.random.default_rng(0)
    for _ in range(200):
        each = [difference(value, 1.0, 8) for value in generator.normal(0, 3, 5)]
        for one, member in zip(each, family(each, 0.95), strict=True):
            is_open_at_zero = 0 in (member.low, member.high)
            assert (member.p <= 0.05) == (is_open_at_zero or member.low > 0 or member.high < 0)
            assert abs(one.difference - member.low) <= t.ppf(1 - 0.025 / 5, 8) + 1e-9
            assert member.low <= one.difference <= member.high


def test_a_difference_that_is_shown_alone_may_not_be_among_several():
    alone = family([difference(2.4, 1.0, 20)], 0.95)[0]
    among = family([difference(2.4, 1.0, 20), difference(0.3, 1.0, 20), difference(-0.1, 1.0, 20)], 0.95)[0]
    assert alone.low > 0 > among.low


@pytest.mark.parametrize("n_real", [0, 2, 5])
def test_a_false_finding_or_a_missed_truth_among_five_is_rare(n_real):
    """5 differences with independent errors; all intervals cover their truths at once in 95 % and more."""
    generator, truth = np.random.default_rng(1), np.repeat([3.0, 0.0], [n_real, 5 - n_real])
    false, missed, repetitions = 0, 0, 1500
    for _ in range(repetitions):
        squares = np.sqrt(generator.chisquare(12, 5) / 12)
        each = [difference(*row, 12) for row in zip(truth + generator.normal(0, 1, 5), squares, strict=True)]
        members = family(each, 0.95)
        false += any(member.p <= 0.05 for member, real in zip(members, truth, strict=True) if not real)
        missed += any(not m.low <= real <= m.high for m, real in zip(members, truth, strict=True))
    assert false / repetitions <= 0.065
    assert missed / repetitions <= 0.065
