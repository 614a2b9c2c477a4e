"""What a study can show before it is run: against simulated studies with the assumed variances."""

import numpy as np
import pytest

from harness.statistics import intervals, metrics, tallies
from harness.statistics.planning import TypicalSpread, expected_estimate, smallest_difference

SPREAD = TypicalSpread()


def studies(n_speakers, n_searches, ranges, truth, n=250):
    """Intervals (n, 2) of simulated studies with one final for each search."""
    generator, found = np.random.default_rng(0), []
    frames = np.full((n_speakers, 1), 20_000.0)
    for seed in range(n):
        taste = generator.normal(0, SPREAD.of_speaker, n_speakers)
        common = generator.normal(0, 0.01, (n_searches, 1))
        arms = []
        for side in (0.5, -0.5):
            own = SPREAD.of_paired_search / np.sqrt(2) if ranges else SPREAD.of_search
            of_search = generator.normal(0, own, (n_searches, 1)) + (common if ranges else 0)
            correct = ((0.6 + side * (truth + taste) + of_search) * frames[:, 0])[..., None]
            arms.append(tallies.Tally(correct, correct, frames, tuple(range(n_searches))))
        weights = tallies.draw_units(n_speakers, 200, seed)
        difference = intervals.paired_difference(
            *tallies.resample_with(weights, arms, [ranges] * 2), metrics.accuracy, seed=seed
        )
        found.append((float(difference.low), float(difference.high)))
    return np.array(found)


@pytest.mark.parametrize(("n_speakers", "n_searches", "ranges"), [(16, 5, "same"), (40, 10, "same"), (16, 10, "")])
def test_the_expected_half_and_power_are_those_of_simulated_studies(n_speakers, n_searches, ranges):
    estimate = expected_estimate(n_speakers, n_searches, True, bool(ranges), 0.95)
    smallest = smallest_difference(estimate)
    found = studies(n_speakers, n_searches, ranges, smallest)
    assert np.mean(found[:, 1] - found[:, 0]) / 2 == pytest.approx(estimate.half, rel=0.15)
    assert np.mean(found[:, 0] > 0) == pytest.approx(0.8, abs=0.08)


def test_more_speakers_and_more_searches_show_smaller_differences():
    planned = smallest_difference(expected_estimate(16, 5, True, True, 0.95))
    assert smallest_difference(expected_estimate(32, 5, True, True, 0.95)) < planned
    assert smallest_difference(expected_estimate(16, 10, True, True, 0.95)) < planned
    assert smallest_difference(expected_estimate(1, 5, True, True, 0.95)) is None
