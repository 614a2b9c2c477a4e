"""Mel-frequency cepstral coefficients (Davis and Mermelstein 1980), every 10 ms, in numpy alone.

Pre-emphasis over the utterance; 25 ms frames, mean removed, Hamming window; power spectrum; triangular mel bands;
natural logarithm; orthonormal DCT-II. No liftering, no padding: a frame lies wholly inside the signal. Numpy rather
than scipy because importing scipy costs a fresh process more than its faster FFT saves.

Shapes: N samples, T frames, L samples of a frame, M mel bands, K bins of the spectrum.
"""

from functools import lru_cache

import numpy as np

FRAMES_PER_SECOND = 100
STEP_MS = 1000 // FRAMES_PER_SECOND
"""Milliseconds from one frame to the next."""
FRAME_SECONDS = 0.025
"""The length of a frame."""
PRE_EMPHASIS = 0.97
LOG_FLOOR = 1.0
"""The least power of a band, for samples of 16-bit scale: below anything that a microphone records."""


def frame_length(rate: int) -> int:
    """Samples of a frame (L) at `rate` Hz."""
    return round(FRAME_SECONDS * rate)


def n_frames(n_samples: int, rate: int) -> int:
    """Frames (T) that lie wholly inside a signal; 0 if it is shorter than a frame."""
    return max(0, 1 + (n_samples - frame_length(rate)) * FRAMES_PER_SECOND // rate)


def starts(frames: int, rate: int) -> np.ndarray:
    """First sample (T,) of each frame, rounded down where 10 ms are no whole number of samples (22,050 Hz: 220.5)."""
    return np.arange(frames) * rate // FRAMES_PER_SECOND


def centres(frames: int, rate: int) -> np.ndarray:
    """Centre sample (T,) of each frame: the phoneme that is said there is the frame's label."""
    return starts(frames, rate) + frame_length(rate) // 2


def edges(frames: int, rate: int, seconds: float | None = None) -> np.ndarray:
    """Times (T + 1,) in seconds at which frames begin and end: midway between the centres of neighbours.

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
    """MFCC (T, n_coefficients) float32, C0 first, from (N,) samples of 16-bit scale, integer or float.

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
    cepstra: np.ndarray = np.log(np.maximum(bands, LOG_FLOOR)) @ dct(n_mels)[:, :n_coefficients]
    return cepstra


def with_deltas(features: np.ndarray, order: int, reach: int = 2) -> np.ndarray:
    """Features with their deltas, (T, D) -> (T, D (1 + order)): the slope of each over `reach` frames each side, then
    the slope of that. Beyond the ends the outermost frame is repeated (HTK book, eq. 5.16).
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
    """Mel of a frequency in Hz (O'Shaughnessy 1987)."""
    return 2595.0 * np.log10(1.0 + np.asarray(hertz, dtype=np.float64) / 700.0)


@lru_cache
def mel_filters(rate: int, n_fft: int, n_mels: int, low: float, high: float) -> np.ndarray:
    """Mel bands as weights (K, M) float32: triangles over the mel axis, from one neighbour's centre to the other's."""
    edges = np.linspace(mel(low), mel(high), n_mels + 2)
    bins = mel(np.arange(n_fft // 2 + 1) * rate / n_fft)[:, None]  # (K, 1)
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    weights: np.ndarray = np.maximum(0.0, np.minimum(rising, falling)).astype(np.float32)
    return weights


@lru_cache
def dct(n: int) -> np.ndarray:
    """Orthonormal DCT-II as a matrix (n, n) float32; column k is the cosine of coefficient k."""
    angles = np.pi / n * (np.arange(n)[:, None] + 0.5) * np.arange(n)
    scale = np.where(np.arange(n) == 0, np.sqrt(1.0 / n), np.sqrt(2.0 / n))
    matrix: np.ndarray = (scale * np.cos(angles)).astype(np.float32)
    return matrix
