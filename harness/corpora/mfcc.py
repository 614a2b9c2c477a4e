"""Mel-frequency cepstral coefficients (Davis and Mermelstein 1980), every 10 ms, in numpy alone.

Pre-emphasis over the utterance; 25 ms frames, mean removed, Hamming window; power spectrum; triangular mel bands;
natural logarithm; orthonormal DCT-II. No liftering, no padding: a frame lies wholly inside the signal. Numpy rather
than scipy because importing scipy costs a fresh process more than its faster FFT saves.

Shapes: N samples, T frames, L samples of a frame, M mel bands, K bins of the spectrum.
"""

from functools import lru_cache

import numpy as np

FRAMES_PER_SECOND = 100
FRAME_SECONDS = 0.025
PRE_EMPHASIS = 0.97
LOG_FLOOR = 1.0
"""Of a band's power, for samples of 16-bit scale: one unit squared is below anything that a microphone records."""


def frame_length(rate: int) -> int:
    """L: samples of a frame at `rate` Hz."""
    return round(FRAME_SECONDS * rate)


def n_frames(n_samples: int, rate: int) -> int:
    """T: frames that lie wholly inside a signal; 0 if it is shorter than a frame."""
    return max(0, 1 + (n_samples - frame_length(rate)) * FRAMES_PER_SECOND // rate)


def starts(frames: int, rate: int) -> np.ndarray:
    """(T,) first sample of each frame. Rounded down where 10 ms are no whole number of samples (22,050 Hz: 220.5)."""
    return np.arange(frames) * rate // FRAMES_PER_SECOND


def centres(frames: int, rate: int) -> np.ndarray:
    """(T,) centre sample of each frame: what is said there is the frame's label."""
    return starts(frames, rate) + frame_length(rate) // 2


def edges(frames: int, rate: int, seconds: float | None = None) -> np.ndarray:
    """(T + 1,) seconds at which frames begin and end: midway between the centres of neighbours.

    Args:
        seconds: how long the sound is; unless given it ends with its last frame.
    """
    middle = centres(frames, rate) / rate
    end = (starts(frames, rate)[-1] + frame_length(rate)) / rate if seconds is None else seconds
    return np.concatenate([[0.0], (middle[:-1] + middle[1:]) / 2, [end]])


def mfcc(
    samples: np.ndarray,
    rate: int = 16000,
    *,
    n_coefficients: int = 28,
    n_mels: int = 40,
    low: float = 20.0,
    high: float = 7600.0,
) -> np.ndarray:
    """(N,) samples of 16-bit scale, integer or float -> (T, n_coefficients) float32, C0 first.

    Args:
        rate: of the samples, Hz.
        n_mels: bands, equally wide in mel, between `low` and `high` Hz.

    Raises:
        ValueError: a band would lie above half the sample rate, or there are more coefficients than bands.
    """
    if high > rate / 2:
        raise ValueError(f"mel bands up to {high:g} Hz need a sample rate of {2 * high:g} Hz or more, not {rate}")
    if n_coefficients > n_mels:
        raise ValueError(f"{n_coefficients} coefficients cannot come from {n_mels} mel bands")
    length = frame_length(rate)
    signal = np.asarray(samples, dtype=np.float32)
    signal = np.append(signal[:1], signal[1:] - np.float32(PRE_EMPHASIS) * signal[:-1])
    first = starts(n_frames(len(signal), rate), rate)
    frames = signal[first[:, None] + np.arange(length)]  # (T, L)
    frames -= frames.mean(axis=1, keepdims=True)
    frames *= np.hamming(length).astype(np.float32)
    n_fft = 1 << (length - 1).bit_length()
    spectrum = np.fft.rfft(frames, n_fft)  # (T, K)
    power = spectrum.real**2 + spectrum.imag**2
    bands = power.astype(np.float32) @ mel_filters(rate, n_fft, n_mels, low, high)
    return np.log(np.maximum(bands, LOG_FLOOR)) @ dct(n_mels)[:, :n_coefficients]


def with_deltas(features: np.ndarray, order: int, reach: int = 2) -> np.ndarray:
    """(T, D) -> (T, D (1 + order)): beside the features the slope of each over `reach` frames each side, then the slope
    of that. Beyond the ends the outermost frame is repeated (HTK book, eq. 5.16).
    """
    blocks = [features]
    weights = np.arange(-reach, reach + 1, dtype=np.float32) / (2 * sum(n * n for n in range(1, reach + 1)))
    for _ in range(order if len(features) else 0):
        padded = np.pad(blocks[-1], ((reach, reach), (0, 0)), mode="edge")
        blocks.append(sum(weight * padded[n : n + len(features)] for n, weight in enumerate(weights)))
    return (
        np.concatenate(blocks, axis=1) if len(features) else np.empty((0, features.shape[1] * (1 + order)), np.float32)
    )


def mel(hertz: np.ndarray | float) -> np.ndarray:
    """Hz to mel (O'Shaughnessy 1987)."""
    return 2595.0 * np.log10(1.0 + np.asarray(hertz, dtype=np.float64) / 700.0)


@lru_cache
def mel_filters(rate: int, n_fft: int, n_mels: int, low: float, high: float) -> np.ndarray:
    """(K, M) float32 weights: triangles over the mel axis, each from its left to its right neighbour's centre."""
    edges = np.linspace(mel(low), mel(high), n_mels + 2)
    bins = mel(np.arange(n_fft // 2 + 1) * rate / n_fft)[:, None]  # (K, 1)
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return np.maximum(0.0, np.minimum(rising, falling)).astype(np.float32)


@lru_cache
def dct(n: int) -> np.ndarray:
    """(n, n) float32 orthonormal DCT-II as a matrix; column k is the cosine of coefficient k."""
    angles = np.pi / n * (np.arange(n)[:, None] + 0.5) * np.arange(n)
    scale = np.where(np.arange(n) == 0, np.sqrt(1.0 / n), np.sqrt(2.0 / n))
    return (scale * np.cos(angles)).astype(np.float32)
