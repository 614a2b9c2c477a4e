"""Several searches of each arm: what the interval over them covers, by simulation, and how its parts come together."""

import numpy as np
import pytest
from scipy.stats import t

from harness.statistics import draws, evidence, intervals, metrics, tallies


def simulated(generator, n_speakers, n_searches, n_seeds, spread, ranges, truth):
    """Tallies of two architectures `truth` apart, with crossed effects on accuracy.

    Standard deviations in points: search 0.8, of which half is shared by arms with the same ranges; seed 0.3; speaker
    on the difference 1.0; search or seed with speaker 0.5. Frames are binomial.

    Args:
        spread: coefficient of variation of the speakers' frames, log-normal.
    """
    frames = np.full(n_speakers, 15_000.0)
    if spread:
        variance = np.log(1 + spread**2)
        frames = np.maximum(200, frames * generator.lognormal(-variance / 2, np.sqrt(variance), n_speakers)).round()
    hard, taste = generator.normal(0, 0.05, n_speakers), generator.normal(0, 0.01, n_speakers)
    shared = generator.normal(0, 0.008 * np.sqrt(0.5), (n_searches, 1, 1)) if ranges else 0.0
    arms = []
    for side in (0.5, -0.5):
        of_search = generator.normal(0, 0.008 * np.sqrt(0.5 if ranges else 1.0), (n_searches, 1, 1)) + shared
        of_search = of_search + generator.normal(0, 0.005, (n_searches, 1, n_speakers))
        of_seed = generator.normal(0, 0.003, (n_searches, n_seeds, 1))
        of_seed = of_seed + generator.normal(0, 0.005, (n_searches, n_seeds, n_speakers))
        accuracy = 0.65 + hard + side * (truth + taste) + of_search + of_seed
        right = generator.binomial(frames.astype(int), np.clip(accuracy, 0, 1).reshape(-1, n_speakers))
        correct = right[..., None].astype(float)
        arms.append(tallies.Tally(correct, correct, frames[:, None], tuple(np.repeat(np.arange(n_searches), n_seeds))))
    return arms


def coverage(n_speakers, n_searches, n_seeds=1, spread=0.0, ranges="", truth=0.0, repetitions=1500):
    """Share of repetitions whose 95 % interval covers the difference of the architectures."""
    generator, covered = np.random.default_rng(1), 0
    for repetition in range(repetitions):
        arms = simulated(generator, n_speakers, n_searches, n_seeds, spread, ranges, truth)
        weights = tallies.draw_units(n_speakers, 200, repetition)
        resampled = tallies.resample_with(weights, arms, [ranges, ranges])
        found = intervals.paired_difference(*resampled, metrics.accuracy, seed=repetition)
        covered += bool(found.low <= truth <= found.high)
    return covered / repetitions


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n_speakers", "n_searches", "n_seeds", "spread", "ranges"),
    [(8, 3, 1, 1.0, ""), (40, 3, 2, 1.8, ""), (16, 5, 1, 1.8, "same"), (40, 5, 1, 0.0, "same"), (16, 10, 1, 0.0, "")],
)
def test_from_8_speakers_and_3_searches_on_the_difference_of_architectures_is_covered(
    n_speakers, n_searches, n_seeds, spread, ranges
):
    """At a true difference of zero, so that one less this share is how often an arm is called different from itself.
    The standard error of a share of 1,500 is 0.6 points."""
    assert 0.93 <= coverage(n_speakers, n_searches, n_seeds, spread, ranges) <= 0.98


@pytest.mark.slow
@pytest.mark.parametrize(("n_speakers", "n_searches", "spread"), [(5, 2, 1.0), (40, 2, 0.0), (5, 10, 0.0)])
def test_with_fewer_it_is_covered_in_90_of_100_and_more(n_speakers, n_searches, spread):
    assert coverage(n_speakers, n_searches, 1, spread, "same", truth=0.01, repetitions=800) >= 0.90


def test_an_interval_over_seeds_of_one_search_each_misses_the_architectures():
    """What made several searches necessary: the search's own variance is in no interval of one search."""
    generator, covered = np.random.default_rng(0), 0
    for repetition in range(300):
        arms = simulated(generator, 16, 1, 3, 0.0, "", 0.0)
        arms = [tallies.Tally(arm.correct, arm.predicted, arm.true) for arm in arms]
        found = intervals.paired_difference(
            *tallies.resample(arms, n_resamples=200, seed=repetition), metrics.accuracy, seed=repetition
        )
        covered += bool(found.low <= 0 <= found.high)
    assert covered / 300 < 0.75


def tally(shares, searches=None):
    """(S, G) accuracies of speakers with 1,000 frames each."""
    correct = np.asarray(shares)[..., None] * 1000.0
    return tallies.Tally(correct, correct, np.full((correct.shape[1], 1), 1000.0), searches)


def test_the_estimate_is_the_mean_of_the_searches_means_however_many_seeds_each_has():
    several = tally([[0.70, 0.72], [0.80, 0.82], [0.60, 0.62]], (1, 2, 1))
    assert several.value(metrics.accuracy).mean() == pytest.approx((0.66 + 0.81) / 2)
    assert several.total.of_draws(metrics.accuracy)[:, 0] == pytest.approx([0.66, 0.81])


def test_with_one_final_for_each_search_the_interval_is_that_over_seeds():
    """Search and seed cannot be told apart, and one who has searches has draws of both together."""
    rng = np.random.default_rng(0)
    shares = [0.7 + rng.normal(0, 0.02, (4, 12)) for _ in "ab"]
    found = [
        intervals.paired_difference(*tallies.resample([tally(own, searches) for own in shares]), metrics.accuracy)
        for searches in (None, (1, 2, 3, 4))
    ]
    assert found[0].se == pytest.approx(found[1].se)
    assert found[0].low == pytest.approx(found[1].low)
    assert found[1].sources.draws.are_searches
    assert float(found[1].sources.draws.within) == 0


def test_paired_searches_take_what_they_have_in_common_out_of_the_interval():
    rng = np.random.default_rng(0)
    common = rng.normal(0, 0.03, (6, 1))
    arms = [tally(0.7 + common + rng.normal(0, 0.003, (6, 12)), tuple(range(6))) for _ in "ab"]
    weights = tallies.draw_units(12, 2000)
    paired, apart = (
        intervals.paired_difference(*tallies.resample_with(weights, arms, ranges), metrics.accuracy)
        for ranges in (["depth 2 to 5"] * 2, ["depth 2 to 5", "depth 2 to 6"])
    )
    assert paired.sources.draws.are_paired
    assert not apart.sources.draws.are_paired
    assert paired.se < apart.se / 5
    of_search = arms[0].total.of_draws(metrics.accuracy)[:, 0] - arms[1].total.of_draws(metrics.accuracy)[:, 0]
    assert float(paired.sources.draws.variances[0]) == pytest.approx(of_search.var(ddof=1) / 6)


def test_the_seeds_within_searches_are_a_part_that_is_told_apart():
    rng = np.random.default_rng(0)
    values = 0.7 + np.repeat(rng.normal(0, 0.02, 3), 2)[:, None] + rng.normal(0, 0.01, (6, 1)) + np.zeros((6, 9))
    arm = tally(values, (1, 1, 2, 2, 3, 3))
    parts = draws.draw_parts([arm, tally(np.full((1, 9), 0.5))], metrics.accuracy)
    by_hand = sum(values[i : i + 2, 0].var(ddof=1) / 2 for i in (0, 2, 4)) / 9
    assert float(parts.within) == pytest.approx(by_hand)
    assert float(parts.variances[0]) == pytest.approx(values[:, 0].reshape(3, 2).mean(axis=1).var(ddof=1) / 3)


def test_two_seeds_that_happen_to_agree_take_their_variance_from_all_arms():
    rng = np.random.default_rng(0)
    speakers = rng.normal(0, 0.01, 20)
    agree = [tally(np.full((2, 1), 0.70 + gap) + speakers) for gap in (0.0, 0.01)]
    others = [tally(0.6 + rng.normal(0, 0.02, (2, 1)) + speakers) for _ in range(4)]
    of_all = draws.pooled_variance([*agree, *others], metrics.accuracy)
    alone = intervals.paired_difference(*tallies.resample(agree), metrics.accuracy)
    together = intervals.paired_difference(*tallies.resample(agree), metrics.accuracy, of_all=of_all)
    assert of_all.degrees_of_freedom == 6
    assert float(alone.se) == pytest.approx(0.0, abs=1e-9)
    assert float(together.se) == pytest.approx(np.sqrt(float(of_all.variance)))
    assert float(together.degrees_of_freedom) == 6


def test_the_interval_can_be_rebuilt_from_its_standard_error_and_freedom():
    rng = np.random.default_rng(0)
    arms = [tally(0.7 + rng.normal(0, 0.02, (3, 12)), (1, 2, 3)) for _ in "ab"]
    found = intervals.paired_difference(*tallies.resample(arms), metrics.accuracy)
    half = t.ppf(0.975, found.degrees_of_freedom) * found.se
    assert (found.low, found.high) == pytest.approx((found.difference - half, found.difference + half))


def test_more_searches_are_what_would_decide():
    rng = np.random.default_rng(3)
    arms = [tally(0.7 + gap + rng.normal(0, 0.01, (4, 1)) + np.zeros((4, 30)), (1, 2, 3, 4)) for gap in (0.004, 0.0)]
    found = intervals.paired_difference(*tallies.resample(arms), metrics.accuracy)
    estimate = evidence.of_difference(found, 0.95, 30)
    assert estimate.are_searches
    assert estimate.n_seeds == (4, 4)
    assert estimate.half == pytest.approx(float(found.high - found.difference))
