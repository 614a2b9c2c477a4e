"""Speakers of the synthetic corpus: an espeak-ng voice each, drawn at random around two vocal tract lengths."""

from dataclasses import dataclass

import numpy as np

_FORMANTS = 9  # 0 is a low-frequency component, 1 to 3 make the vowels, 6 to 8 are weak


@dataclass(frozen=True)
class Voice:
    """The voice of a speaker."""

    text: str
    """An espeak-ng voice file."""
    rate: int
    """Words a minute."""


def draw(rng: np.random.Generator) -> Voice:
    """A new speaker."""
    short_tract = rng.random() < 0.5
    pitch = rng.uniform(150, 230) if short_tract else rng.uniform(72, 130)
    tract = (1.15 if short_tract else 1.0) * np.exp(rng.normal(0, 0.075))  # scale of all formants
    lines = [
        "language variant",
        "flutter 0",  # flutter and echo would fill the closures of stops, which are told by their exact zeros
        "echo 0 0",
        f"pitch {pitch:.0f} {pitch * rng.uniform(1.2, 1.7):.0f}",
        *(_formant(number, tract, rng) for number in range(_FORMANTS)),
        f"voicing {rng.uniform(75, 130):.0f}",
        f"consonants {rng.uniform(70, 150):.0f} {rng.uniform(70, 150):.0f}",
        _tone(rng),
    ]
    if rng.random() < 0.4:
        lines.append("breath " + " ".join(f"{strength:.0f}" for strength in rng.uniform(0, 6, 8)))
    if rng.random() < 0.25:
        lines.append(f"klatt {rng.integers(1, 5)}")
    return Voice("\n".join(lines) + "\n", round(rng.uniform(160, 265)))


def _formant(number: int, tract: float, rng: np.random.Generator) -> str:
    """Frequency, strength and width in percent of the default."""
    frequency = 100 * tract * np.exp(rng.normal(0, 0.075))
    return f"formant {number} {frequency:.0f} {rng.uniform(75, 130):.0f} {rng.uniform(75, 140):.0f}"


def _tone(rng: np.random.Generator) -> str:
    """A tilt of voiced sounds: amplitudes (0 to 255) at three frequencies in Hz."""
    low, middle, high = rng.uniform(140, 200), rng.uniform(100, 170), rng.uniform(70, 150)
    return f"tone 600 {low:.0f} 1200 {middle:.0f} 2000 {high:.0f}"
