"""Intervals: against a slow obvious version, against textbook formulas, and by simulation."""

import functools
import time

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.stats import norm, t, ttest_rel

from harness.statistics import intervals, metrics, tallies
from harness.statistics.intervals import Verdict

S, U, C, R = 3, 12, 4, 30
UNITS = [f"speaker {i % 5}" for i in range(U)]


def _counts(seed: int, n_seeds: int = S) -> list[np.ndarray]:
    """(U, C, C) counts of each seed; the same truth for every argument."""
    truth = np.random.default_rng(99).integers(5, 60, (U, C))
    generator = np.random.default_rng(seed)
    likely = np.eye(C) * 4 + 1
    return [
        np.array([[generator.multinomial(n, likely[c] / likely[c].sum()) for c, n in enumerate(row)] for row in truth])
        for _ in range(n_seeds)
    ]


def _slow_metric(name: str, counts: np.ndarray) -> float:
    """(C, C) -> the metric, spelled out."""
    if name == "accuracy":
        return sum(counts[c, c] for c in range(C)) / counts.sum()
    f1 = [2 * counts[c, c] / (counts[c].sum() + counts[:, c].sum()) for c in range(C) if counts[c].sum()]
    return sum(f1) / len(f1)


def _slow_standard_error(a: list[np.ndarray], b: list[np.ndarray], name: str) -> float:
    """Every resample built utterance by utterance and seed by seed."""
    speakers = sorted(set(UNITS))
    speaker_draws = tallies.draw(len(speakers), R, np.random.default_rng([0, 0]))
    seed_draws = [tallies.draw(S, R, np.random.default_rng([0, 1 + arm])) for arm in (0, 1)]

    def value(arm: list[np.ndarray], drawn_speakers: list[str], drawn_seeds: list[int]) -> float:
        per_seed = []
        for s in drawn_seeds:
            counts = np.zeros((C, C))
            for speaker in drawn_speakers:
                for u in range(U):
                    if UNITS[u] == speaker:
                        counts += arm[s][u]
            per_seed.append(_slow_metric(name, counts))
        return sum(per_seed) / len(per_seed)

    both, units, seeds = [], [], []
    every = list(range(S))
    for r in range(R):
        drawn = [speaker for i, speaker in enumerate(speakers) for _ in range(int(speaker_draws[r, i]))]
        drawn_seeds = [[s for s in every for _ in range(int(seed_draws[arm][r, s]))] for arm in (0, 1)]
        assert len(drawn) == len(speakers) - 1
        both.append(value(a, drawn, drawn_seeds[0]) - value(b, drawn, drawn_seeds[1]))
        units.append(value(a, drawn, every) - value(b, drawn, every))
        seeds.append(value(a, speakers, drawn_seeds[0]) - value(b, speakers, drawn_seeds[1]))
    difference = value(a, speakers, every) - value(b, speakers, every)
    interaction = np.array(both) - units - seeds + difference
    return max(np.var(both) - 2 * np.var(interaction), np.var(units), np.var(seeds)) ** 0.5


@pytest.mark.parametrize("name", ["accuracy", "macro_f1"])
def test_standard_error_is_that_of_a_slow_loop(name):
    a, b = _counts(1), _counts(2)
    resampled = tallies.resample([tallies.Tally.of(arm, UNITS) for arm in (a, b)], n_resamples=R)
    found = intervals.paired_difference(*resampled, getattr(metrics, name))
    assert found.se == pytest.approx(_slow_standard_error(a, b, name))
    assert found.difference == pytest.approx(
        np.mean([_slow_metric(name, s.sum(axis=0)) for s in a])
        - np.mean([_slow_metric(name, s.sum(axis=0)) for s in b])
    )


def test_clustered_se_is_that_of_statsmodels():
    """The difference in accuracy as a regression of frames, errors clustered by speaker."""
    counts = [_counts(arm) for arm in (1, 2)]
    a, b = (tallies.Tally.of(arm, UNITS) for arm in counts)
    found = intervals.paired_difference(*tallies.resample([a, b]), metrics.accuracy)
    right = [np.mean([seed.trace(axis1=1, axis2=2) for seed in arm], axis=0) for arm in counts]
    frames = counts[0][0].sum(axis=(1, 2))
    each, codes = (right[0] - right[1]) / frames, np.unique(UNITS, return_inverse=True)[1]
    fit = sm.WLS(each, np.ones(U), weights=frames).fit(cov_type="cluster", cov_kwds={"groups": codes})
    assert found.difference == pytest.approx(fit.params[0])
    assert found.clustered_se == pytest.approx(fit.bse[0], rel=0.1)


def test_with_one_seed_and_equal_speakers_the_interval_is_that_of_a_paired_t_test():
    generator = np.random.default_rng(0)
    right = generator.binomial(1000, 0.7, (2, 12)).astype(float)
    each = [tallies.Tally(arm[None, :, None], arm[None, :, None], np.full((12, 1), 1000.0)) for arm in right]
    found = intervals.paired_difference(*tallies.resample(each, n_resamples=20_000), metrics.accuracy)
    expected = ttest_rel(*right / 1000)
    low, high = expected.confidence_interval(0.95)
    assert found.degrees_of_freedom == expected.df
    assert (found.low, found.high) == pytest.approx((low, high), rel=0.03)
    assert found.p == pytest.approx(expected.pvalue, rel=0.05)


def test_shares_are_counted_per_unit():
    counts = _counts(1)
    tally = tallies.Tally.of(counts, UNITS)
    right = [seed.trace(axis1=1, axis2=2) for seed in counts]
    shares = tallies.Tally.of_shares(right, counts[0].sum(axis=(1, 2)), UNITS)
    assert shares.of_seeds(metrics.accuracy) == pytest.approx(tally.of_seeds(metrics.accuracy))


def test_naive_se_is_binomial_for_accuracy():
    confusion = np.sum(_counts(1)[0], axis=0)
    p, n_frames = np.trace(confusion) / confusion.sum(), confusion.sum()
    assert naive_se(confusion, metrics.accuracy) == pytest.approx(np.sqrt(p * (1 - p) / n_frames), rel=0.01)


def test_naive_se_of_macro_f1_is_that_of_resampling_frames():
    confusion = np.sum(_counts(1)[0], axis=0)
    generator = np.random.default_rng(0)
    frames = generator.multinomial(confusion.sum(), confusion.ravel() / confusion.sum(), size=4000)
    replicates = metrics.macro_f1(*metrics.marginals(frames.reshape(-1, C, C)))
    assert naive_se(confusion, metrics.macro_f1) == pytest.approx(replicates.std(), rel=0.05)


def test_interval_is_deterministic_for_a_seed():
    arms = [tallies.Tally.of(_counts(arm), UNITS) for arm in (1, 2)]
    first, again, other = (
        intervals.paired_difference(*tallies.resample(arms, seed=seed), metrics.accuracy, seed=seed)
        for seed in (0, 0, 1)
    )
    assert first.low == again.low
    assert first.low != other.low
    assert first.low == pytest.approx(other.low, abs=0.1 * (first.high - first.low))


def test_a_pair_has_the_same_interval_from_either_side():
    arms = tallies.resample([tallies.Tally.of(_counts(arm), UNITS) for arm in (1, 2, 3)])
    one, other = (intervals.paired_difference(*pair, metrics.accuracy) for pair in (arms[1:], arms[:0:-1]))
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low), abs=1e-12)


def test_p_value_and_interval_agree():
    arms = tallies.resample([tallies.Tally.of(_counts(arm), UNITS) for arm in (1, 2)])
    p = intervals.paired_difference(*arms, metrics.accuracy).p
    edge = intervals.paired_difference(*arms, metrics.accuracy, level=1 - p)
    assert min(abs(edge.low), abs(edge.high)) == pytest.approx(0, abs=1e-9)


def test_an_arm_against_itself_shows_no_difference():
    arm = tallies.Tally.of(_counts(1), UNITS)
    found = intervals.paired_difference(*tallies.resample([arm, arm]), metrics.accuracy)
    assert found.difference == 0
    assert found.p == 1
    assert intervals.verdict("a", "b", found) == (Verdict.NO_DIFFERENCE, None)


def test_of_one_speaker_there_is_no_interval():
    arms = [tallies.Tally.of(_counts(arm), ["one"] * U) for arm in (1, 2)]
    found = intervals.paired_difference(*tallies.resample(arms), metrics.accuracy)
    assert found.low is found.high is found.clustered_se is found.p is None
    assert intervals.verdict("a", "b", found) == (Verdict.NO_INTERVAL, None)


def test_of_one_seed_speakers_alone_make_the_interval():
    arms = [tallies.Tally.of(_counts(arm, n_seeds=1), UNITS) for arm in (1, 2)]
    found = intervals.paired_difference(*tallies.resample(arms), metrics.accuracy)
    counts = _counts(1, n_seeds=1)[0]
    frames = [sum(counts[u].sum() for u in range(U) if UNITS[u] == unit) for unit in sorted(set(UNITS))]
    effective = sum(frames) ** 2 / sum(n**2 for n in frames)  # Kish: the speakers have unequal numbers of frames
    assert effective < len(set(UNITS))
    assert found.degrees_of_freedom == pytest.approx(effective - 1)
    assert found.se == pytest.approx(found.clustered_se, rel=0.1)
    assert found.high - found.difference == pytest.approx(t.ppf(0.975, effective - 1) * found.se)


def test_verdicts_name_the_better_arm():
    arm = np.stack([np.diag([8, 8])] * 4)
    worse = np.stack([np.array([[7, 1], [k, 8 - k]]) for k in (1, 1, 2, 2)])
    each = [tallies.Tally.of([counts], list("abcd")) for counts in (arm, worse)]
    good, bad = tallies.resample(each)
    better = (Verdict.BETTER, "x")
    assert intervals.verdict("x", "y", intervals.paired_difference(good, bad, metrics.accuracy)) == better
    assert intervals.verdict("y", "x", intervals.paired_difference(bad, good, metrics.accuracy)) == better


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (-0.004, 0.005, (Verdict.EQUAL, None)),
        (0.001, 0.004, (Verdict.EQUAL, None)),  # surely better, and surely not by what would matter
        (-0.004, 0.006, (Verdict.NO_DIFFERENCE, None)),
        (0.001, 0.006, (Verdict.BETTER, "a")),
        (-0.006, -0.001, (Verdict.BETTER, "b")),
    ],
)
def test_practically_equal_is_an_interval_within_the_margin(low, high, expected):
    low, high = np.float64(low), np.float64(high)
    difference = intervals.Difference((low + high) / 2, None, None, low, high, None, None)
    assert intervals.verdict("a", "b", difference, margin=0.005) == expected
    lower = expected[0], {"a": "b", "b": "a"}.get(expected[1])
    assert intervals.verdict("a", "b", difference, margin=0.005, lower_is_better=True) == lower
    assert intervals.verdict("a", "b", difference)[0] is not Verdict.EQUAL


def test_per_class_metrics_give_one_interval_per_class():
    arms = tallies.resample([tallies.Tally.of(_counts(arm), UNITS) for arm in (1, 2)])
    found = intervals.paired_difference(*arms, metrics.f1, pooled=True)
    assert found.low.shape == found.p.shape == intervals.corrected(found.p).shape == (C,)
    assert (intervals.corrected(found.p) >= found.p).all()
    pooled = [metrics.f1(*metrics.marginals(np.sum(_counts(arm), axis=(0, 1)))) for arm in (1, 2)]
    assert found.difference == pytest.approx(pooled[0] - pooled[1])


def _simulated(
    generator: np.random.Generator,
    n_speakers: int,
    n_seeds: int,
    interaction: float,
    *,
    truth: float = 0.01,
    n_utterances: int = 20,
) -> list[tallies.Tally]:
    """Two arms whose accuracies differ by `truth`; speakers, utterances and seeds each have a share in what is seen.

    What a speaker does to the difference has the standard deviation 0.4 points, what a seed does to an arm 0.15;
    `interaction` is what a seed does with a single utterance.
    """
    frames = generator.integers(300, 1500, (n_speakers, n_utterances))
    hard = generator.normal(0, 0.05, (n_speakers, 1)) + generator.normal(0, 0.05, (n_speakers, n_utterances))
    taste = generator.normal(0, 0.004, (n_speakers, 1)) + generator.normal(0, 0.015, (n_speakers, n_utterances))
    each = []
    for side in (0.5, -0.5):
        of_seed = generator.normal(0, 0.0015, (n_seeds, 1, 1))
        noise = generator.normal(0, interaction, (n_seeds, n_speakers, n_utterances))
        accuracy = 0.74 + hard + side * (truth + taste) + of_seed + noise
        correct = generator.binomial(frames, np.clip(accuracy, 0, 1)).sum(axis=2)[..., None].astype(float)
        each.append(tallies.Tally(correct, correct, frames.sum(axis=1)[:, None].astype(float)))
    return each


@functools.cache
def _coverage(repetitions: int, n_speakers: int, n_seeds: int, interaction: float = 0.01, truth: float = 0.01) -> float:
    """Share of repetitions whose 95 % interval covers the true difference."""
    generator = np.random.default_rng(1)
    covered = 0
    for repetition in range(repetitions):
        arms = _simulated(generator, n_speakers, n_seeds, interaction, truth=truth)
        resampled = tallies.resample(arms, n_resamples=400, seed=repetition)
        found = intervals.paired_difference(*resampled, metrics.accuracy, seed=repetition)
        covered += bool(found.low <= truth <= found.high)
    return covered / repetitions


@pytest.mark.parametrize(
    ("n_speakers", "n_seeds", "interaction"), [(40, 5, 0.01), (40, 3, 0.05), (8, 3, 0.01), (2, 3, 0.01)]
)
def test_intervals_cover_the_truth_about_as_often_as_they_say(n_speakers, n_seeds, interaction):
    """300 repetitions tell 95 % from 91; the slow tests below look closer, with so many that their own chance is small:
    the standard error of a coverage from 2,000 repetitions is 0.5 points. What is covered does not depend on the true
    difference: an arm against itself and two that differ share a simulation."""
    assert 0.91 <= _coverage(300, n_speakers, n_seeds, interaction) <= 0.99


@pytest.mark.slow
@pytest.mark.parametrize(("n_seeds", "interaction"), [(3, 0.01), (5, 0.01), (3, 0.05)])
def test_with_40_speakers_intervals_cover_the_truth_in_93_to_97_of_100(n_seeds, interaction):
    assert 0.93 <= _coverage(2000, 40, n_seeds, interaction, truth=0.0) <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize(("n_seeds", "interaction"), [(3, 0.01), (5, 0.01), (2, 0.01)])
def test_with_8_speakers_intervals_cover_the_truth_in_90_of_100_and_more(n_seeds, interaction):
    assert _coverage(2000, 8, n_seeds, interaction, truth=0.0) >= 0.90


@pytest.mark.slow
@pytest.mark.parametrize("n_speakers", [40, 8])
@pytest.mark.parametrize("n_seeds", [3, 5])
def test_an_arm_against_itself_trained_again_is_called_different_in_6_of_100_at_most(n_speakers, n_seeds):
    """The same arm, other seeds: what differs is chance alone."""
    assert 1 - _coverage(2000, n_speakers, n_seeds, 0.01, truth=0.0) <= 0.06


def test_drawing_utterances_again_within_speakers_would_count_their_spread_twice():
    generator = np.random.default_rng(0)
    n_speakers, n_utterances, repetitions = 40, 8, 200
    means, whole, twice = [], [], []
    for _ in range(repetitions):
        found = generator.normal(0, 0.4, (n_speakers, 1)) + generator.normal(0, 1.5, (n_speakers, n_utterances))
        means.append(found.mean())
        speakers = tallies.draw(n_speakers, 200, generator)
        whole.append((speakers @ found.mean(axis=1) / (n_speakers - 1)).std())
        again = generator.integers(n_utterances, size=(200, n_speakers, n_utterances))
        drawn = np.take_along_axis(np.broadcast_to(found, again.shape), again, axis=2).mean(axis=2)
        twice.append(((speakers * drawn).sum(axis=1) / (n_speakers - 1)).std())
    assert np.mean(whole) == pytest.approx(np.std(means), rel=0.1)
    assert np.mean(twice) > 1.2 * np.std(means)


def test_two_thousand_resamples_of_2700_utterances_take_about_a_second():
    generator = np.random.default_rng(0)
    frames = generator.integers(100, 1500, 2700)
    correct = generator.binomial(frames, 0.75, (2, 5, 2700)).astype(float)[..., None]
    each = [tallies.Tally(arm, arm, frames[:, None].astype(float)) for arm in correct]
    start = time.perf_counter()
    intervals.paired_difference(*tallies.resample(each, n_resamples=2000), metrics.accuracy)
    assert time.perf_counter() - start < 4  # 0.2 s on an idle core


def naive_se(confusion, metric):
    """Of one arm, one seed, from its counts."""
    frames = np.repeat(np.arange(confusion.size), confusion.ravel())
    return intervals.naive_se(intervals.influence([frames], len(confusion), metric))


def test_the_naive_error_of_a_difference_is_that_of_paired_frames():
    """Against numpy on the frames themselves; an arm against itself has none."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 5, 4000)
    arms = [[np.where(rng.random(4000) < p, truth, rng.integers(0, 5, 4000)) for _ in range(2)] for p in (0.6, 0.7)]
    kinds = [[truth * 5 + predicted for predicted in seeds] for seeds in arms]
    correct = [np.mean([predicted == truth for predicted in seeds], axis=0) for seeds in arms]
    expected = np.std(correct[0] - correct[1]) / np.sqrt(4000)
    one, other = (intervals.influence(seeds, 5, metrics.accuracy) for seeds in kinds)
    assert intervals.naive_se(one - other) == pytest.approx(expected, rel=1e-3)
    assert intervals.naive_se(one - one) == 0


def test_of_the_intervals_of_differences_picked_out_few_miss_and_all_exclude_zero():
    """Of 40, a fourth are real. Their own 95 % intervals miss the truth too often once only findings are looked at."""
    rng = np.random.default_rng(0)
    truth = np.repeat([0.0, 2.0], [30, 10])
    missed = {"own": [], "corrected": []}
    for _ in range(2000):
        difference = truth + rng.normal(size=40)
        se, freedom = np.ones(40), np.full(40, np.inf)
        p = 2 * norm.sf(np.abs(difference))
        low, high = difference - norm.ppf(0.975), difference + norm.ppf(0.975)
        found = intervals.Difference(difference, se, freedom, low, high, p, None)
        p_corrected = intervals.corrected(p)
        wide_low, wide_high, level = intervals.selected_intervals(found, p_corrected, 0.95)
        picked = p_corrected <= 0.05
        assert level == pytest.approx(1 - 0.05 * max(1, picked.sum()) / 40)
        assert np.array_equal(picked, (wide_low > 0) | (wide_high < 0))
        for name, ends in (("own", (low, high)), ("corrected", (wide_low, wide_high))):
            outside = (truth < ends[0]) | (truth > ends[1])
            missed[name].append(outside[picked].mean() if picked.any() else 0.0)
    assert np.mean(missed["own"]) > 0.06
    assert np.mean(missed["corrected"]) <= 0.05
