"""Sound from files: the samples that were written, in every format; what cannot be read is refused in words."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from harness.corpora import audio

RATE = 16000
REAL = Path(__file__).parents[3] / "shared" / "data"
FORMATS = [("wav", "WAV"), ("flac", "FLAC"), ("WAV", "NIST")]


@pytest.fixture(scope="module")
def samples() -> np.ndarray:
    return np.random.default_rng(0).normal(0, 3000, RATE).astype(np.int16)


@pytest.mark.parametrize(("ending", "kind"), FORMATS)
def test_samples_come_back_as_they_were_written(samples: np.ndarray, tmp_path: Path, ending: str, kind: str) -> None:
    path = tmp_path / f"a.{ending}"
    soundfile.write(path, samples, RATE, format=kind)
    read, rate = audio.read(path)
    assert (rate, read.dtype) == (RATE, np.float32)
    np.testing.assert_array_equal(read, samples)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_the_scale_is_that_of_16_bits_whatever_the_file_holds(
    samples: np.ndarray, tmp_path: Path, subtype: str
) -> None:
    soundfile.write(tmp_path / "a.wav", samples / 32768, RATE, subtype=subtype)
    np.testing.assert_allclose(audio.read(tmp_path / "a.wav")[0], samples, atol=1e-2)


@pytest.mark.parametrize(("ending", "kind"), FORMATS)
def test_a_truncated_file_is_refused(samples: np.ndarray, tmp_path: Path, ending: str, kind: str) -> None:
    path = tmp_path / f"a.{ending}"
    soundfile.write(path, samples, RATE, format=kind)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.raises(ValueError, match="truncated"):
        audio.read(path)


def test_what_is_no_sound_of_one_channel_is_refused_in_words(samples: np.ndarray, tmp_path: Path) -> None:
    def refusal(content: bytes) -> str:
        (tmp_path / "x.wav").write_bytes(content)
        with pytest.raises(ValueError) as told:  # noqa: PT011
            audio.read(tmp_path / "x.wav")
        return str(told.value)

    soundfile.write(tmp_path / "two.wav", np.stack([samples, samples], axis=1), RATE)
    soundfile.write(tmp_path / "none.wav", samples[:0], RATE)
    soundfile.write(tmp_path / "nan.wav", np.array([0.0, np.nan]), RATE, subtype="FLOAT")
    soundfile.write(tmp_path / "a.sph", samples, RATE, format="NIST")
    shorten = (tmp_path / "a.sph").read_bytes().replace(b"-s3 pcm", b"-s26 pcm,embedded-shorten-v2.00")
    assert refusal(b"") == "empty file"
    assert "not readable as sound" in refusal(b"some text")
    assert "2 channels; mono is allowed" in refusal((tmp_path / "two.wav").read_bytes())
    assert refusal((tmp_path / "none.wav").read_bytes()) == "no samples in it"
    assert refusal((tmp_path / "nan.wav").read_bytes()) == "sample 1 is not a finite number"
    assert "sph2pipe" in refusal(shorten)
    with pytest.raises(ValueError, match="no such file"):
        audio.read(tmp_path / "absent.wav")


def test_a_recording_of_unknown_length_from_a_pipe_is_read(samples: np.ndarray, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", samples, RATE)
    content = bytearray((tmp_path / "a.wav").read_bytes())
    content[4:8] = content[40:44] = b"\xff\xff\xff\xff"
    (tmp_path / "a.wav").write_bytes(content)
    np.testing.assert_array_equal(audio.read(tmp_path / "a.wav")[0], samples)


def test_a_higher_rate_is_brought_down_and_a_lower_one_refused() -> None:
    def tone(rate: int) -> np.ndarray:
        return (1000 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)).astype(np.float32)

    for rate in (48000, 44100, 22050):
        down = audio.at_rate(tone(rate), rate, RATE)
        assert down.shape == (RATE,)
        np.testing.assert_allclose(down[200:-200], tone(RATE)[200:-200], atol=5)
    assert audio.at_rate(tone(RATE), RATE, RATE) is not None
    with pytest.raises(ValueError, match="8000 Hz; the features need 16000 Hz or more"):
        audio.at_rate(tone(8000), 8000, RATE)


@pytest.mark.skipif(not REAL.exists(), reason="the real speech in ../shared/data is not here")
def test_recorded_speech_is_read() -> None:
    for path in [*sorted(REAL.glob("timit-raw/*/*.wav"))[::40], *sorted(REAL.glob("librispeech-raw/*/*.mp3"))[::60]]:
        samples, rate = audio.read(path)
        assert rate == RATE
        assert 100 < np.abs(samples).max() <= 32768
