"""Sound from a file: WAV, FLAC, NIST SPHERE (TIMIT's .WAV are), MP3 and what else libsndfile reads. One channel.

The only importer of soundfile. Samples have 16-bit scale whatever the file holds, so that the floor of a band's power
(`mfcc`) means the same. Too high a rate is brought down (polyphase, `scipy.signal.resample_poly`); too low a rate is
refused: what lies above half of it was never recorded, and mel bands there would hold the floor.
"""

import re
from math import gcd
from pathlib import Path

import numpy as np
import soundfile

ENDINGS = (".wav", ".flac", ".sph", ".nist", ".mp3", ".ogg", ".aif", ".aiff", ".au")
"""Endings of files that are taken for sound, in any case."""

_SCALE = 32768.0  # soundfile gives [-1, 1)
_DATA_CHUNK = re.compile(r"^data : (\d+) \(should be (\d+)\)", re.MULTILINE)
_NO_SIZE = (0, 0x7FFFF000, 0x7FFFFFFF, 0xFFFFFFFF)  # sizes that programs write which do not know the length


def is_audio(path: Path) -> bool:
    """Whether a file is sound, by its ending."""
    return path.suffix.lower() in ENDINGS


def read(path: Path) -> tuple[np.ndarray, int]:
    """Samples of a file (N,) float32 of 16-bit scale, and their rate in Hz.

    Raises:
        ValueError: it is missing, no sound, truncated, of several channels, empty or not finite.
    """
    if not path.is_file():
        raise ValueError("no such file")
    try:
        with soundfile.SoundFile(path) as file:
            samples = file.read(dtype="float32", always_2d=True)
            n_in_header, header, rate = file.frames, file.extra_info, file.samplerate
    except soundfile.LibsndfileError as error:
        raise ValueError(_unreadable(path, error)) from error
    _check_whole(path, len(samples), n_in_header, header)
    if samples.shape[1] != 1:
        raise ValueError(f"{samples.shape[1]} channels; mono is allowed (sox IN OUT remix 1)")
    if not len(samples):
        raise ValueError("no samples in it")
    samples = samples[:, 0] * np.float32(_SCALE)
    if not np.isfinite(samples).all():
        raise ValueError(f"sample {int(np.argmin(np.isfinite(samples)))} is not a finite number")
    return samples, rate


def at_rate(samples: np.ndarray, rate: int, new_rate: int) -> np.ndarray:
    """Samples at another rate: (N,) of `rate` Hz -> (ceil(N new_rate / rate),) float32 of `new_rate` Hz.

    Raises:
        ValueError: `new_rate` is above `rate`.
    """
    if rate == new_rate:
        return samples
    if rate < new_rate:
        raise ValueError(f"{rate} Hz; the features need {new_rate} Hz or more")
    from scipy.signal import resample_poly  # takes a while to import, and few need it

    divisor = gcd(rate, new_rate)
    resampled: np.ndarray = resample_poly(samples, new_rate // divisor, rate // divisor).astype(np.float32)
    return resampled


def _check_whole(path: Path, n_samples: int, n_in_header: int, description: str) -> None:
    """Refuse a truncated WAV or SPHERE file, of which libsndfile reads what is there: its header says what there was.

    Args:
        description: of the header, by libsndfile.
    """
    if chunk := _DATA_CHUNK.search(description):
        size, n_bytes = int(chunk[1]), int(chunk[2])
        if n_bytes < size and size not in _NO_SIZE:
            raise ValueError(f"truncated: {n_bytes:,} of {size:,} bytes of samples")
    with path.open("rb") as file:
        header = file.read(1024)
    if header.startswith(b"NIST_1A") and (count := re.search(rb"sample_count -i (\d+)", header)):
        n_in_header = int(count[1])
    if n_samples < n_in_header:
        raise ValueError(f"truncated: {n_samples:,} of {n_in_header:,} samples")


def _unreadable(path: Path, error: Exception) -> str:
    try:
        with path.open("rb") as file:
            header = file.read(1024)
    except OSError as denied:
        return f"cannot be read ({denied.strerror})"
    if not header:
        return "empty file"
    if header.startswith(b"NIST_1A") and b"shorten" in header:
        return "SPHERE compressed with shorten; sph2pipe (LDC) makes a WAV of it: sph2pipe -f rif IN OUT.wav"
    if header.startswith(b"fLaC"):
        return f"truncated or damaged FLAC ({error})"
    return f"not readable as sound ({str(error).rpartition(': ')[2]})"
