"""`features.json`: what it says, what is refused, and that it goes with the frames into the saved model."""

import json

import numpy as np
import pytest
from scipy.signal import savgol_filter

from harness.corpora import features, layout, mfcc
from harness.corpora.features import Features
from harness.errors import UserError
from tests.small_corpus import write_corpus


def test_what_is_written_is_read(tmp_path):
    assert features.read(tmp_path) is None
    own = Features(rate=8000, n_coefficients=13, n_mels=26, high=4000, deltas=2)
    features.write(tmp_path, own)
    assert features.read(tmp_path) == own
    assert own.width == 39


def test_what_is_left_out_has_its_default_and_a_whole_number_serves_as_hz(tmp_path):
    (tmp_path / "features.json").write_text('{"n_coefficients": 13, "high": 7000}')
    found = features.read(tmp_path)
    assert found == Features(n_coefficients=13, high=7000.0)
    assert isinstance(found.high, float)


def test_all_mistakes_are_told_at_once(tmp_path):
    facts = {"rate": "16k", "n_mells": 40, "pre_emphasis": 0.95, "deltas": True}
    (tmp_path / "features.json").write_text(json.dumps(facts))
    with pytest.raises(UserError) as refusal:
        features.read(tmp_path)
    lines = str(refusal.value).splitlines()
    assert len(lines) == 4
    for line, part in zip(lines, ["unknown key 'n_mells'", "only 0.97", "rate = '16k'", "deltas = True"], strict=True):
        assert part in line


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1]", "a JSON object"),
        ("{", "not readable as JSON"),
        ('{"high": 9000}', "low < high <= rate / 2 = 8000"),
        ('{"low": 300, "high": 300}', "low < high"),
        ('{"n_coefficients": 41}', "at most n_mels = 40"),
        ('{"n_coefficients": 0}', "n_coefficients = 0; 1 or more"),
        ('{"deltas": 3}', "0, 1 or 2"),
        ('{"rate": -1}', "rate = -1"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, text, message):
    (tmp_path / "features.json").write_text(text)
    with pytest.raises(UserError, match=message):
        features.read(tmp_path)


@pytest.mark.parametrize("n_frames", [1, 2, 5, 40])
def test_deltas_are_slopes_of_a_line_through_five_frames(n_frames):
    rng = np.random.default_rng(n_frames)
    frames = rng.normal(size=(n_frames, 3)).astype(np.float32)

    def slopes(values):
        padded = np.pad(values, ((4, 4), (0, 0)), mode="edge")  # repeated ends; the filter's own edges are cut off
        return savgol_filter(padded, 5, polyorder=1, deriv=1, axis=0)[4:-4]

    found = mfcc.with_deltas(frames, 2)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[:, :3], frames)
    np.testing.assert_allclose(found[:, 3:6], slopes(frames), atol=1e-6)
    np.testing.assert_allclose(found[:, 6:], slopes(found[:, 3:6]), atol=1e-6)


@pytest.mark.parametrize("deltas", [0, 1, 2])
@pytest.mark.parametrize("n_samples", [0, 399, 400, 16000])
def test_frames_have_the_width_that_is_told(deltas, n_samples):
    own = Features(deltas=deltas)
    samples = np.random.default_rng(0).normal(scale=1000, size=n_samples)
    assert own.compute(samples).shape == (mfcc.n_frames(n_samples, 16000), own.width)


def test_a_split_carries_the_features_of_its_corpus_and_its_store_stays(tmp_path):
    root = write_corpus(tmp_path / "corpus")
    plain = layout.load(root, "train", tmp_path / "stores")
    assert plain.features is None
    features.write(root, Features(n_coefficients=6))
    told = layout.load(root, "train", tmp_path / "stores")
    assert told.features == told.select(np.array([0])).features == Features(n_coefficients=6)
    assert told.digest == plain.digest
    assert len(list((tmp_path / "stores").iterdir())) == 1


def test_frames_of_another_width_than_the_corpus_says_are_refused(tmp_path):
    root = write_corpus(tmp_path / "corpus")
    features.write(root, Features(n_coefficients=3))
    with pytest.raises(UserError, match=r"frames of 6 features; by .*features.json \(3 coefficients, deltas 0\) .* 3"):
        layout.load(root, "train", tmp_path / "stores")
