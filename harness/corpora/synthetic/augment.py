"""The way from a mouth to a recording: a room, a microphone, noise; and 22,050 Hz to 16 kHz.

All of it is done on the spectrum of the whole utterance. Resampling then costs nothing: at a length of whole seconds
a bin is 1/seconds Hz wide at either rate, so the lower rate is the same spectrum, cut off at its half.

Shapes: N samples at the rate of the synthesiser, S whole seconds, K = 8000 S + 1 bins, M samples at 16 kHz.
"""

import numpy as np

RATE = 16000
"""Hz, of the recording."""

_TAIL_SECONDS = 0.4  # room for the longest reverberation, so that none of it comes round to the beginning


def record(samples: np.ndarray, rate: int, speech: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A recording (M,) float32 at 16 kHz, of 16-bit scale, from (N,) int16 at `rate` Hz and (N,) bool where one speaks.

    Drawn: reverberation of 0.05 to 0.35 s, a channel with 5 dB of deviation, noise at 0 to 20 dB below the speech
    with a spectrum that falls by 0 to 6 dB per octave, a gain of -12 to +6 dB.
    """
    seconds = int(np.ceil(len(samples) / rate + _TAIL_SECONDS))
    spectrum = resampled_spectrum(samples, rate, seconds)
    spectrum *= _room(seconds, rng)
    spectrum *= _channel(seconds, rng)
    power = _energy(spectrum) / np.count_nonzero(speech)  # of the speech alone: there is nothing yet in between
    noise = _noise(seconds, rng)
    snr = rng.uniform(0, 20)
    spectrum += noise * np.sqrt(power / (_energy(noise) / len(samples)) * 10 ** (-snr / 10), dtype=np.float32)
    spectrum *= np.float32(10 ** (rng.uniform(-12, 6) / 20))
    return np.fft.irfft(spectrum, RATE * seconds)[: len(samples) * RATE // rate]


def resampled_spectrum(samples: np.ndarray, rate: int, seconds: int) -> np.ndarray:
    """Spectrum (K,) complex64 at 16 kHz of a sound (N,) at `rate` Hz, padded to `seconds`."""
    spectrum = np.fft.rfft(samples.astype(np.float32), rate * seconds)[: RATE // 2 * seconds + 1]
    spectrum *= np.float32(RATE / rate)
    spectrum[-1] = spectrum[-1].real  # half the rate has no phase
    return spectrum


def _energy(spectrum: np.ndarray) -> float:
    """The energy of a spectrum (K,), up to a constant."""
    return float(np.sum(spectrum.real**2 + spectrum.imag**2, dtype=np.float64))


def _room(seconds: int, rng: np.random.Generator) -> np.ndarray:
    """Transfer function (K,): the direct sound, then noise that dies away by 60 dB in the reverberation time."""
    t60 = rng.uniform(0.05, 0.35)
    time = np.arange(int(_TAIL_SECONDS * RATE), dtype=np.float32) / RATE
    tail = rng.standard_normal(len(time), dtype=np.float32) * np.exp(-6.9 / t60 * time)
    direct_to_reverberant = rng.uniform(0, 12)  # dB
    tail *= np.sqrt(10 ** (-direct_to_reverberant / 10) / np.sum(tail**2))
    tail[0] += 1
    transfer: np.ndarray = np.fft.rfft(tail, RATE * seconds)
    return transfer


def _channel(seconds: int, rng: np.random.Generator) -> np.ndarray:
    """Gain (K,) through 8 points evenly spaced on a logarithmic axis, joined by straight lines."""
    points = np.geomspace(60, RATE / 2, 8)
    decibels = np.interp(_frequencies(seconds), points, rng.normal(0, 5, 8))
    gain: np.ndarray = (10 ** (decibels / 20)).astype(np.float32)
    return gain


def _noise(seconds: int, rng: np.random.Generator) -> np.ndarray:
    """Spectrum (K,) complex64 of steady noise."""
    bins = RATE // 2 * seconds + 1
    noise = rng.standard_normal(2 * bins, dtype=np.float32).view(np.complex64)
    slope = rng.uniform(0, 6)  # dB per octave
    spectrum: np.ndarray = noise * (np.maximum(_frequencies(seconds), 60) / 1000) ** np.float32(-slope / 6.02)
    return spectrum


def _frequencies(seconds: int) -> np.ndarray:
    """Frequencies (K,) float32 of the bins, Hz."""
    return np.arange(RATE // 2 * seconds + 1, dtype=np.float32) / np.float32(seconds)
