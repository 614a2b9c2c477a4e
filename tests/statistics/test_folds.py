"""Folds of a cross-validation as a level of the interval: by hand, and by simulation."""

import numpy as np
import pytest

from harness.statistics import intervals, metrics, tallies
from harness.statistics.folds import Folds, fold_variance


def tally(shares, searches=None, frames=None):
    """(S, G) accuracies of speakers."""
    shares = np.asarray(shares)
    sizes = np.full(shares.shape[1], 15_000.0) if frames is None else frames
    correct = (shares * sizes)[..., None]
    return tallies.Tally(correct, correct, sizes[:, None], searches)


def simulated(generator, n_speakers, n_folds, n_searches, training_set):
    """Two arms of the same accuracy, whose difference depends on speakers (SD 1 point), searches (0.5 in each fold)
    and the training set of the fold (SD `training_set` points, with a correlation of 0.25 between folds)."""
    of_units = np.arange(n_speakers) % n_folds
    taste = generator.normal(0, 0.01, n_speakers)
    sets = np.sqrt(0.25) * generator.normal() + np.sqrt(0.75) * generator.normal(size=n_folds)
    arms = []
    for side in (0.5, -0.5):
        own = generator.normal(0, 0.005 / np.sqrt(2), (n_searches, n_folds))
        own = own + side * 0.01 * training_set * sets
        noise = generator.normal(0, 0.002, (n_searches, n_speakers))
        arms.append(tally(0.65 + side * taste + own[:, of_units] + noise, tuple(range(n_searches))))
    return arms, Folds(of_units, 1 / (n_folds - 2))


def coverage(n_speakers, n_searches, training_set, repetitions=800):
    """Share of repetitions whose interval covers the true difference, which is 0: of 5 folds."""
    generator, covered = np.random.default_rng(1), 0
    for repetition in range(repetitions):
        arms, folds = simulated(generator, n_speakers, 5, n_searches, training_set)
        resampled = tallies.resample(arms, n_resamples=200, seed=repetition)
        found = intervals.paired_difference(*resampled, metrics.accuracy, seed=repetition, folds=folds)
        covered += bool(found.low <= 0 <= found.high)
    return covered / repetitions


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n_speakers", "n_searches", "training_set"), [(10, 3, 0.0), (10, 1, 0.3), (20, 3, 0.3), (40, 3, 0.3)]
)
def test_intervals_of_cross_validated_studies_cover_the_truth(n_speakers, n_searches, training_set):
    """Conservative where training sets do not matter: no exact interval exists (Bengio and Grandvalet 2004)."""
    assert coverage(n_speakers, n_searches, training_set) >= 0.92


@pytest.mark.slow
def test_training_sets_that_matter_as_much_as_speakers_are_covered_in_90_of_100():
    """Three fifths of what a speaker does: with 20 speakers, three times the standard error over speakers."""
    assert coverage(20, 3, 0.6) >= 0.895


def test_folds_as_alike_as_their_speakers_and_searches_add_nothing():
    """Within each fold the same speakers' differences; what folds vary by then is less than by chance."""
    taste = np.tile([0.01, -0.01], 5)
    arms = [tally([0.7 + side * taste] * 2, (1, 2)) for side in (0.5, -0.5)]
    found = fold_variance(arms, metrics.accuracy, Folds(np.repeat(np.arange(5), 2), 0.5))
    assert float(found.excess) == 0
    assert float(found.clusters) == pytest.approx(0, abs=1e-20)


def test_what_folds_vary_by_beyond_speakers_enters_with_nadeau_and_bengios_factor():
    of_fold = np.array([0.03, -0.02, 0.01, 0.00, -0.01])
    speakers = np.tile([0.004, -0.004], 5)
    of_units = np.repeat(np.arange(5), 2)
    arms = [tally([0.7 + 0.5 * side * (of_fold[of_units] + speakers)]) for side in (1, -1)]
    found = fold_variance(arms, metrics.accuracy, Folds(of_units, 0.25))
    variance, within = of_fold.var(ddof=1), np.mean([np.array([0.004, -0.004]).var(ddof=1) / 2] * 5)
    assert float(found.excess) == pytest.approx((variance - within) * (1 / 5 + 0.25))
    assert float(found.clusters) == pytest.approx(variance / 5)
    assert found.degrees_of_freedom == 4


def test_the_interval_is_never_narrower_than_without_folds():
    generator = np.random.default_rng(0)
    for _ in range(20):
        arms, folds = simulated(generator, 15, 5, 3, 0.3)
        resampled = tallies.resample(arms, n_resamples=200)
        without, found = (intervals.paired_difference(*resampled, metrics.accuracy, folds=own) for own in (None, folds))
        assert found.high - found.low >= 0.999 * (without.high - without.low)


def test_macro_f1_and_single_phonemes_have_folds_too():
    generator = np.random.default_rng(0)
    counts = [generator.integers(1, 60, (12, 4, 4)) for _ in range(4)]
    units = [f"speaker {i:02}" for i in range(12)]
    arms = tallies.resample([tallies.Tally.of(counts[:2], units), tallies.Tally.of(counts[2:], units)], 200)
    folds = Folds(np.arange(12) % 3, 0.5)
    assert intervals.paired_difference(*arms, metrics.macro_f1, folds=folds).sources.folds.n_folds == 3
    assert intervals.paired_difference(*arms, metrics.f1, pooled=True, folds=folds).low.shape == (4,)
