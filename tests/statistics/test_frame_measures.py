"""What is asked of single frames: calibration, distance to boundaries, segments; against slow or outside versions."""

import itertools
import time

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from harness.statistics import frame_measures
from harness.statistics.frame_measures import (
    GROUPS,
    N_BINS,
    calibration_error,
    distances,
    edits,
    members,
    pooled,
    reliability,
)

LENGTHS = np.array([40, 1, 0, 25, 3])


def _frames(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels in runs, and predictions that are mostly right."""
    generator = np.random.default_rng(seed)
    truth = np.repeat(generator.integers(0, 4, 40), generator.integers(1, 6, 40))[: LENGTHS.sum()].astype(np.uint8)
    predicted = np.where(generator.random(len(truth)) < 0.7, truth, generator.integers(0, 4, len(truth)))
    return truth, predicted.astype(np.uint8)


def _utterances(frames: np.ndarray) -> list[np.ndarray]:
    return np.split(frames, np.cumsum(LENGTHS)[:-1])


@pytest.mark.parametrize("seed", range(5))
def test_distances_are_those_of_a_slow_search(seed):
    truth, _ = _frames(seed)
    expected = []
    for labels in _utterances(truth):
        for i in range(len(labels)):
            found = [abs(i - j) for j in range(len(labels)) for k in (j - 1, j + 1) if 0 <= k < len(labels)
                     if labels[j] != labels[k]]  # fmt: skip
            expected.append(min(found, default=len(truth)))
    assert distances(truth, LENGTHS).tolist() == expected


def test_the_end_of_an_utterance_is_no_boundary():
    assert distances(np.array([1, 1, 1, 2, 2, 2, 3]), np.array([3, 4])).tolist() == [7, 7, 7, 2, 1, 0, 0]


def test_every_frame_is_in_one_group():
    distance = distances(_frames(0)[0], LENGTHS)
    groups = members(distance)
    assert list(groups) == [name for name, _, _ in GROUPS]
    assert (np.sum(list(groups.values()), axis=0) == 1).all()
    assert (groups["3-5"] == np.isin(distance, [3, 4, 5])).all()


def test_the_bins_are_those_of_scikit_learn():
    generator = np.random.default_rng(0)
    probability = generator.beta(4, 2, 20_000)
    correct = generator.random(20_000) < probability**1.5
    bins = reliability(probability, correct)
    accuracy, confidence = calibration_curve(correct, probability, n_bins=N_BINS)
    assert [row.accuracy for row in bins] == pytest.approx(accuracy)
    assert [row.confidence for row in bins] == pytest.approx(confidence)
    frames = np.histogram(probability, np.linspace(0, 1, N_BINS + 1))[0]
    assert [row.frames for row in bins] == frames[frames > 0].tolist()
    assert calibration_error(bins) == pytest.approx(np.abs(accuracy - confidence) @ frames[frames > 0] / 20_000)


def test_who_is_right_as_often_as_sure_has_no_calibration_error():
    generator = np.random.default_rng(1)
    probability = generator.uniform(0.02, 1, 200_000).astype(np.float16)  # as finals keep it
    honest = calibration_error(reliability(probability, generator.random(200_000) < probability))
    assert honest < 0.01
    assert calibration_error(reliability(np.ones(10), np.zeros(10))) == 1
    assert calibration_error(reliability(np.full(10, 0.8), np.arange(10) < 6)) == pytest.approx(0.2)


def _collapsed(labels: np.ndarray, least: int = 1) -> list[int]:
    runs = [(int(label), len(list(run))) for label, run in itertools.groupby(labels)]
    return [label for label, _ in itertools.groupby(label for label, length in runs if length >= least)]


def _slow_distance(a: list[int], b: list[int]) -> int:
    """Levenshtein, cell by cell."""
    table = [[i + j if 0 in (i, j) else 0 for j in range(len(b) + 1)] for i in range(len(a) + 1)]
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            table[i][j] = min(table[i - 1][j] + 1, table[i][j - 1] + 1, table[i - 1][j - 1] + (a[i - 1] != b[j - 1]))
    return table[-1][-1]


@pytest.mark.parametrize("seed", range(10))
def test_edits_are_the_shortest_way(seed):
    truth, predicted = _frames(seed)
    found = edits(truth, predicted, LENGTHS)
    true = [_collapsed(labels) for labels in _utterances(truth)]
    other = [_collapsed(labels, least=3) for labels in _utterances(predicted)]
    assert found.total.tolist() == [_slow_distance(a, b) for a, b in zip(true, other, strict=True)]
    assert found.true.tolist() == [len(a) for a in true]
    surplus = [len(b) - len(a) for a, b in zip(true, other, strict=True)]
    assert (found.insertions - found.deletions).tolist() == surplus


def test_edits_of_known_kinds():
    truth = np.repeat(np.array([1, 2, 3], np.uint8), 3)
    cases = {(1, 1, 1, 2, 2, 2, 3, 3, 3): (0, 0, 0), (1, 1, 1, 4, 4, 4, 3, 3, 3): (1, 0, 0),
             (1, 1, 1, 1, 3, 3, 3, 3, 3): (0, 1, 0), (1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4): (0, 0, 1),
             (1, 1, 1, 4, 1, 1, 1, 2, 2, 2, 4, 4, 3, 3, 3): (0, 0, 0)}  # fmt: skip
    for predicted, expected in cases.items():
        longer = np.concatenate([truth, np.repeat(truth[-1:], len(predicted) - len(truth))])
        found = edits(longer, np.array(predicted, np.uint8), np.array([len(longer)]))
        assert (found.substitutions[0], found.deletions[0], found.insertions[0]) == expected


def test_two_thousand_seven_hundred_utterances_take_about_a_second():
    generator = np.random.default_rng(0)
    lengths = np.full(2700, 700)
    truth = np.repeat(generator.integers(0, 40, 2700 * 100), 7).astype(np.uint8)
    predicted = np.where(generator.random(len(truth)) < 0.75, truth, generator.integers(0, 40, len(truth)))
    start = time.perf_counter()
    edits(truth, predicted.astype(np.uint8), lengths)
    assert time.perf_counter() - start < 6


def test_bins_of_parts_together_are_those_of_all_frames():
    generator = np.random.default_rng(0)
    probability, right = generator.random(3000), generator.random(3000) < 0.6
    probability[:1000] /= 2  # the first part has no frames in the upper bins
    parts = [reliability(probability[i : i + 1000], right[i : i + 1000]) for i in (0, 1000, 2000)]
    for found, expected in zip(pooled(parts), reliability(probability, right), strict=True):
        assert vars(found) == pytest.approx(vars(expected))


def test_plain_segments_have_no_silence_merge_equal_neighbours_and_keep_short_ones():
    """Against an edit distance by hand: A sil A is one A, a single frame counts."""
    truth = np.array([0, 1, 1, 0, 1, 2, 2, 2])
    predicted = np.array([0, 1, 3, 3, 1, 2, 0, 2])
    found = frame_measures.plain_edits(truth, predicted, np.array([8]), silence=0)
    assert found.true.tolist() == [2], "A and B: the two A have only silence between them"
    assert found.total.tolist() == [2], "A C A B: C and an A are inserted"
    with_silence = frame_measures.plain_edits(truth, predicted, np.array([8]), silence=None)
    assert with_silence.true.tolist() == [5]


def test_sums_over_utterances_give_the_calibration_error_of_all_frames():
    generator = np.random.default_rng(0)
    probability, utterance = generator.uniform(0.1, 1, 500), np.sort(generator.integers(0, 7, 500))
    correct = generator.uniform(0, 1, 500) < probability**2
    right, sure = frame_measures.calibration_sums(probability, correct, utterance, 7)
    true = np.zeros_like(right)
    true[:, 0] = np.bincount(utterance, minlength=7)
    whole = frame_measures.calibration_of_sums(right.sum(0), sure.sum(0), true.sum(0))
    expected = frame_measures.calibration_error(frame_measures.reliability(probability, correct))
    assert float(whole) == pytest.approx(expected)


def test_the_floor_is_what_a_calibrated_model_is_measured_at():
    generator = np.random.default_rng(0)
    probability = generator.beta(4, 2, 3000)
    measured = [
        frame_measures.calibration_error(
            frame_measures.reliability(probability, generator.uniform(0, 1, 3000) < probability)
        )
        for _ in range(200)
    ]
    floor = frame_measures.calibration_floor(frame_measures.reliability(probability, probability > 0.5))
    assert np.mean(measured) == pytest.approx(floor, rel=0.05)
