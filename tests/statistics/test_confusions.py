"""Single confusions: their errors against the resampling of `stats`, and how often chance alone is called a finding."""

import numpy as np
import pytest

from harness.statistics import intervals, tallies
from harness.statistics.confusions import FEWEST, compare_confusions

C, SPEAKERS, PER_SPEAKER = 6, 16, 4
UNITS = [f"speaker {i // PER_SPEAKER}" for i in range(SPEAKERS * PER_SPEAKER)]


def _counts(generator: np.random.Generator, truth: np.ndarray, rates: np.ndarray, n_seeds: int = 3) -> list[np.ndarray]:
    """(U, C, C) for each seed: speakers (as the truth has them) and seeds vary what is taken for what."""
    of_speaker = np.repeat(generator.dirichlet(np.full(C, 40), SPEAKERS), PER_SPEAKER, axis=0)[:, None]
    found = []
    for _ in range(n_seeds):
        p = rates * of_speaker * generator.dirichlet(np.full(C, 2000), C)
        found.append(generator.multinomial(truth, p / p.sum(axis=-1, keepdims=True)))
    return found


def _truth(generator: np.random.Generator) -> np.ndarray:
    return generator.integers(20, 200, (len(UNITS), C))


RATES = np.eye(C) * 3 + 0.5


def test_p_is_that_of_resampling_speakers_and_seeds():
    generator = np.random.default_rng(0)
    truth = _truth(generator)
    a, b = (_counts(generator, truth, RATES) for _ in range(2))
    found = compare_confusions(a, b, UNITS)
    for true, predicted in ((0, 0), (1, 2), (5, 3)):
        each = [
            tallies.Tally.of_shares([seed[:, true, predicted] for seed in arm], truth[:, true], UNITS) for arm in (a, b)
        ]
        slow = intervals.paired_difference(*tallies.resample(each, 20_000), lambda c, p, n: c[..., 0] / n[..., 0])
        at = np.flatnonzero((found.true == true) & (found.predicted == predicted))[0]
        assert found.rate_a[at] - found.rate_b[at] == pytest.approx(slow.difference)
        assert found.p[at] == pytest.approx(slow.p, rel=0.2)


def test_a_planted_confusion_survives_and_the_others_do_not():
    generator = np.random.default_rng(1)
    truth, planted = _truth(generator), RATES.copy()
    planted[2, 4] += 1.5
    a, b = _counts(generator, truth, planted), _counts(generator, truth, RATES)
    found = compare_confusions(a, b, UNITS)
    surviving = {(int(t), int(p)) for t, p, q in zip(found.true, found.predicted, found.p_corrected, strict=True)
                 if q <= 0.05}  # fmt: skip
    assert (2, 4) in surviving
    assert {true for true, _ in surviving} == {2}


def test_cells_of_few_frames_are_not_tested():
    generator = np.random.default_rng(2)
    truth = _truth(generator)
    rare = np.where(np.eye(C) == 1, 1.0, 1e-5)
    a, b = (_counts(generator, truth, rare) for _ in range(2))
    total = np.sum([*a, *b], axis=(0, 1))
    found = compare_confusions(a, b, UNITS)
    assert len(found.p) == (total >= FEWEST).sum() < C * C


def test_one_speaker_gives_no_cells():
    counts = [np.ones((3, C, C), int)]
    assert compare_confusions(counts, counts, ["one"] * 3) is None


def test_an_arm_against_itself_has_no_finding():
    generator = np.random.default_rng(3)
    counts = _counts(generator, _truth(generator), RATES)
    assert (compare_confusions(counts, counts, UNITS).p_corrected == 1).all()


def test_where_there_is_no_difference_findings_are_rare():
    """Speakers weigh on both arms apart here, so that each repetition has 36 cells of chance."""
    generator = np.random.default_rng(4)
    repetitions = 200
    wrong = 0
    for _ in range(repetitions):
        truth = _truth(generator)
        found = compare_confusions(_counts(generator, truth, RATES), _counts(generator, truth, RATES), UNITS)
        wrong += bool((found.p_corrected <= 0.05).any())
    assert wrong / repetitions <= 0.10  # 5 % and three standard errors


def test_cells_that_fewer_than_five_speakers_have_are_not_tested():
    generator = np.random.default_rng(5)
    truth, certain = _truth(generator), np.eye(C)
    a, b = (_counts(generator, truth, certain) for _ in range(2))
    for arm, n in ((a, 60), (b, 30)):
        for seed in arm:
            for speaker in range(4):
                seed[speaker * PER_SPEAKER, 0, 1] += n + 5 * speaker
    found = compare_confusions(a, b, UNITS)
    assert (0, 1) not in set(zip(found.true.tolist(), found.predicted.tolist(), strict=True))
    for arm in (a, b):
        for seed in arm:
            seed[4 * PER_SPEAKER, 0, 1] += 1
    found = compare_confusions(a, b, UNITS)
    assert (0, 1) in set(zip(found.true.tolist(), found.predicted.tolist(), strict=True))
