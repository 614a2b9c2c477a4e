"""What a search is expected to find, and how soon a training gets there."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from opda.nonparametric import EmpiricalDistribution

from harness.comparison import effort
from harness.comparison.arm_model import Amount
from harness.comparison.effort import n_random, random_stage, score, tuning_curve
from harness.results import Epoch, Trial
from tests.records import make_record

SCORES = np.random.default_rng(3).beta(8, 4, 12)


def test_expected_best_is_the_mean_over_all_choices():
    for row in tuning_curve(SCORES):
        best = [max(chosen) for chosen in combinations(SCORES, row.trials)]
        assert row.expected == pytest.approx(np.mean(best))


def test_expected_best_is_unbiased_where_drawing_again_from_the_trials_is_not():
    """Dodge's own estimator draws with replacement, and is below the truth."""
    generator = np.random.default_rng(0)
    truth = generator.beta(8, 4, (100_000, 5)).max(axis=1).mean()
    ours, drawn_again = [], []
    for _ in range(2000):
        scores = generator.beta(8, 4, 5)
        ours.append(tuning_curve(scores)[4].expected)
        drawn_again.append(EmpiricalDistribution(scores).average_tuning_curve(5))
    assert np.mean(ours) == pytest.approx(truth, abs=0.005)
    assert np.mean(drawn_again) < truth - 0.01


def test_median_and_band_are_those_of_opda():
    ks = np.arange(1, len(SCORES) + 1)
    lower, point, upper = EmpiricalDistribution.confidence_bands(SCORES, 0.95, a=0.0, b=1.0, method="ks")
    curve = tuning_curve(SCORES, 0.95)
    assert [row.median for row in curve[1:]] == pytest.approx(point.quantile_tuning_curve(ks[1:]))
    assert curve[0].median == np.sort(SCORES)[5]  # of an even number the lower one of the middle two
    assert [1.0 if row.high is None else row.high for row in curve] == pytest.approx(lower.quantile_tuning_curve(ks))
    assert [0.0 if row.low is None else row.low for row in curve] == pytest.approx(upper.quantile_tuning_curve(ks))


def test_the_band_holds_for_all_numbers_of_trials_at_once():
    generator = np.random.default_rng(1)
    ks = np.arange(1, 21)
    truth = np.quantile(generator.beta(8, 4, 1_000_000), 0.5 ** (1 / ks))
    held = 0
    for _ in range(400):
        curve = tuning_curve(generator.beta(8, 4, 20))
        low = [-np.inf if row.low is None else row.low for row in curve]
        high = [np.inf if row.high is None else row.high for row in curve]
        held += bool((low <= truth).all() and (truth <= high).all())
    assert held >= 0.93 * 400


def test_only_random_trials_count():
    trials = tuple(Trial(i, "complete", i / 100, {}, 10, 1.0) for i in reversed(range(30)))
    assert [n_random(sampler, 30) for sampler in ("tpe", "random", "grid")] == [10, 30, 30]
    assert [t.number for t in random_stage(trials, 10)] == list(range(10))
    assert len(random_stage(trials, None)) == 10  # a record from before it was kept: as few as any sampler draws
    assert random_stage((), None) == []
    assert tuning_curve(np.array([])) == []


def test_a_failed_trial_reached_nothing():
    assert score(Trial(0, "failed", None, {}, 10, 1.0)) == 0


def _history(*accuracies: float) -> tuple[Epoch, ...]:
    return tuple(Epoch(i, 1.0, 0.5, 1.0, a, 1e-3, 100 * i, 2.0) for i, a in enumerate(accuracies, 1))


def test_a_target_is_reached_at_the_end_of_the_first_epoch_that_has_it():
    history = _history(0.5, 0.6, 0.55, 0.7)
    assert effort.reach(history, 0.5) == (100, 2.0)
    assert effort.reach(history, 0.56) == (200, 4.0)
    assert effort.reach(history, 0.7) == (400, 8.0)
    assert effort.reach(history, 0.71) is None


def test_not_reached_stays_not_reached():
    histories = [_history(0.5, 0.7), _history(0.7, 0.7), _history(0.5, 0.6)]
    found = effort.learning_speed(histories, 0.65)
    assert found.reached == 2
    assert found.frames == Amount(median=200, per_seed=(200, 100, None))
    assert effort.learning_speed(histories, 0.75).seconds == Amount(median=None, per_seed=(None,) * 3)
    half = effort.learning_speed(histories[1:], 0.65)
    assert half.reached == 1
    assert half.frames.median is None  # the mean of the middle two, one of which nobody knows


def test_targets_are_what_the_arm_has_after_so_many_epochs():
    finals = make_record().arms[1].finals
    curves = [(0.4, 0.5, 0.55, 0.56, 0.57), (0.5, 0.6, 0.65, 0.66, 0.63)]
    finals = [replace(f, history=_history(*c), best_epoch=b) for f, c, b in zip(finals, curves, (5, 4), strict=False)]
    found = effort.learning_targets(finals)
    assert [t.epochs for t in found] == [1, 2, 4, None]
    assert [t.accuracy for t in found] == pytest.approx([0.45, 0.55, 0.61, 0.615])
    falling = [replace(f, history=_history(0.6, 0.5), best_epoch=1) for f in finals]
    assert [t.epochs for t in effort.learning_targets(falling)] == [1]
