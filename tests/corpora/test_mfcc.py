"""The features: against an obvious slow version, and against real speech that was prepared elsewhere."""

from pathlib import Path

import numpy as np
import pytest
import scipy.fft
import scipy.signal
from scipy.io import wavfile

from harness.corpora import mfcc

REAL = Path(__file__).parents[3] / "shared" / "data"


def slow_mfcc(samples: np.ndarray, rate: int, n_coefficients: int, n_mels: int, low: float, high: float) -> np.ndarray:
    """One frame, one band, one coefficient at a time, float64."""

    def mel(hertz: float) -> float:
        return 1127.0 * np.log(1.0 + hertz / 700.0)

    length = round(0.025 * rate)
    n_fft = 2 ** int(np.ceil(np.log2(length)))
    edges = [mel(low) + i * (mel(high) - mel(low)) / (n_mels + 1) for i in range(n_mels + 2)]
    emphasised = [samples[0], *(samples[i] - 0.97 * samples[i - 1] for i in range(1, len(samples)))]
    rows = []
    while (first := int(len(rows) * 0.01 * rate + 1e-6)) + length <= len(samples):
        frame = np.array(emphasised[first : first + length], dtype=np.float64)
        frame = (frame - frame.mean()) * (0.54 - 0.46 * np.cos(2 * np.pi * np.arange(length) / (length - 1)))
        power = np.abs(np.fft.fft(frame, n_fft)) ** 2
        bands = np.zeros(n_mels)
        for band in range(n_mels):
            left, middle, right = edges[band : band + 3]
            for k in range(n_fft // 2 + 1):
                at = mel(k * rate / n_fft)
                if left < at < right:
                    bands[band] += power[k] * (
                        (at - left) / (middle - left) if at <= middle else (right - at) / (right - middle)
                    )
        rows.append(scipy.fft.dct(np.log(np.maximum(bands, 1.0)), norm="ortho")[:n_coefficients])
    return np.array(rows)


@pytest.mark.parametrize(
    ("rate", "n_coefficients", "n_mels", "high"),
    [(16000, 28, 40, 7600.0), (8000, 13, 23, 3800.0), (22050, 20, 30, 7600.0)],
)
def test_mfcc_is_what_the_slow_obvious_version_gives(rate: int, n_coefficients: int, n_mels: int, high: float) -> None:
    samples = np.random.default_rng(0).normal(0, 1000, rate // 8).astype(np.int16)
    fast = mfcc.mfcc(samples, rate, n_coefficients=n_coefficients, n_mels=n_mels, high=high)
    assert fast.dtype == np.float32
    np.testing.assert_allclose(
        fast, slow_mfcc(samples.astype(float), rate, n_coefficients, n_mels, 20.0, high), atol=1e-3
    )


def test_a_frame_lies_wholly_inside_the_signal() -> None:
    assert [mfcc.n_frames(n, 16000) for n in (0, 399, 400, 559, 560)] == [0, 0, 1, 1, 2]
    for rate in (8000, 16000, 22050, 44100):
        for n_samples in range(rate, rate + 1000, 7):
            starts = mfcc.starts(mfcc.n_frames(n_samples, rate) + 1, rate)
            assert starts[-2] + mfcc.frame_length(rate) <= n_samples < starts[-1] + mfcc.frame_length(rate)


def test_frames_are_10_ms_apart_where_that_is_no_whole_number_of_samples() -> None:
    assert mfcc.starts(5, 22050).tolist() == [0, 220, 441, 661, 882]


def test_the_centre_of_a_frame_is_its_middle_sample() -> None:
    assert mfcc.centres(3, 16000).tolist() == [200, 360, 520]


def test_a_signal_shorter_than_a_frame_has_no_frames() -> None:
    assert mfcc.mfcc(np.zeros(399), 16000).shape == (0, 28)


def test_digital_silence_is_finite() -> None:
    assert np.isfinite(mfcc.mfcc(np.zeros(16000), 16000)).all()


def test_bands_above_half_the_rate_are_refused() -> None:
    with pytest.raises(ValueError, match="need a sample rate of 15200 Hz or more, not 8000"):
        mfcc.mfcc(np.zeros(8000), 8000)
    with pytest.raises(ValueError, match="41 coefficients cannot come from 40 mel bands"):
        mfcc.mfcc(np.zeros(16000), 16000, n_coefficients=41)


@pytest.mark.skipif(not REAL.exists(), reason="the real speech in ../shared/data is not here")
def test_real_speech_gets_the_features_that_were_prepared_elsewhere() -> None:
    prepared = sorted(REAL.glob("timit-sample/*/mfcc/*.npy"))[::20]
    assert prepared
    for path in prepared:
        speaker, _, sentence = path.stem.rpartition("-")
        rate, samples = wavfile.read(REAL / "timit-raw" / speaker / f"{sentence}.wav")
        np.testing.assert_allclose(mfcc.mfcc(samples, rate), np.load(path), atol=1e-3)


def test_mfcc_is_what_kaldi_gives_where_its_options_say_the_same() -> None:
    """Kaldi pre-emphasises each frame by itself; so it gets a signal that was pre-emphasised as a whole."""
    knf = pytest.importorskip("kaldi_native_fbank", reason="kaldi-native-fbank is not installed")
    rng = np.random.default_rng(0)
    samples = scipy.signal.lfilter([1.0], [1.0, -0.9], rng.normal(0, 500, 32000)).astype(np.float32)
    for n_coefficients, n_mels, low, high in [(28, 40, 20.0, 7600.0), (13, 23, 20.0, 8000.0), (20, 80, 100.0, 7000.0)]:
        options = knf.MfccOptions()
        options.frame_opts.dither = options.frame_opts.preemph_coeff = 0.0
        options.frame_opts.window_type = "hamming"
        options.mel_opts.num_bins, options.mel_opts.low_freq, options.mel_opts.high_freq = n_mels, low, high
        options.num_ceps, options.use_energy, options.cepstral_lifter = n_coefficients, False, 0.0
        kaldi = knf.OnlineMfcc(options)
        kaldi.accept_waveform(16000, scipy.signal.lfilter([1.0, -0.97], [1.0], samples).tolist())
        kaldi.input_finished()
        theirs = np.array([kaldi.get_frame(i) for i in range(kaldi.num_frames_ready)])
        ours = mfcc.mfcc(samples, n_coefficients=n_coefficients, n_mels=n_mels, low=low, high=high)
        assert ours.shape == theirs.shape == (198, n_coefficients)
        assert np.linalg.norm(ours - theirs) < 1e-4 * np.linalg.norm(theirs)
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3)  # atol for those that cross zero
