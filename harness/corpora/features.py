"""Features of a corpus' frames: the settings of its MFCC, which stand beside its splits in `ROOT/features.json`.

A model is only right about frames that were made like those it was trained on. The file says how these were made, so
that audio can be brought to the same form, and another form be refused. A corpus without it says nothing.

Shapes: N samples, T frames, D features of a frame.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.corpora import mfcc, text
from harness.errors import UserError
from harness.files import write_text

FILE = "features.json"
_LARGEST = 10_000_000  # of any setting

FIXED: dict[str, Any] = {
    "kind": "mfcc",
    "frame_seconds": mfcc.FRAME_SECONDS,
    "step_seconds": 1 / mfcc.FRAMES_PER_SECOND,
    "pre_emphasis": mfcc.PRE_EMPHASIS,
    "window": "hamming",
}
"""Settings that are the same for every corpus that can be computed here; they are written down all the same."""


@dataclass(frozen=True)
class Features:
    """MFCC settings. Frames are 25 ms long, every 10 ms, and lie wholly inside the signal."""

    rate: int = 16000
    """Hz, of the audio."""
    n_coefficients: int = 28
    """C0 first."""
    n_mels: int = 40
    """Mel bands, between `low` and `high`."""
    low: float = 20.0
    """Hz."""
    high: float = 7600.0
    """Hz, at most half the rate."""
    deltas: int = 0
    """0: coefficients alone; 1: and their first differences; 2: and their second."""

    @property
    def width(self) -> int:
        """D: features of a frame."""
        return self.n_coefficients * (1 + self.deltas)

    def as_json(self) -> dict[str, Any]:
        return FIXED | asdict(self)

    def differences(self, other: "Features") -> list[str]:
        """Settings that are not the same: `n_mels 40 and 26`, say."""
        mine, theirs = asdict(self), asdict(other)
        return [f"{name} {mine[name]:g} and {theirs[name]:g}" for name in mine if mine[name] != theirs[name]]

    def mistakes(self) -> list[str]:
        """Settings that cannot be computed, each with what is allowed."""
        wrong = [f"{name} = {value:g}; above 0 is allowed" for name, value in asdict(self).items() if value < 0]
        wrong += [f"{name} = 0; 1 or more is allowed" for name in ("rate", "n_coefficients") if not getattr(self, name)]
        if self.deltas > 2:
            wrong.append(f"deltas = {self.deltas}; 0, 1 or 2 is allowed")
        if self.n_coefficients > self.n_mels:
            wrong.append(f"n_coefficients = {self.n_coefficients}; at most n_mels = {self.n_mels} is allowed")
        if not self.low < self.high <= self.rate / 2:
            wrong.append(
                f"low = {self.low:g}, high = {self.high:g}; low < high <= rate / 2 = {self.rate / 2:g} is allowed"
            )
        return wrong

    def compute(self, samples: np.ndarray) -> np.ndarray:
        """Features (T, D) float32 of (N,) samples of 16-bit scale at `rate` Hz; T is 0 for less than one frame."""
        settings = asdict(self)
        deltas = settings.pop("deltas")
        return mfcc.with_deltas(mfcc.mfcc(samples, **settings), deltas)


def read(root: Path) -> Features | None:
    """Features of the corpus in `root`; None if it does not say.

    Raises:
        UserError: the file says something that is unknown or cannot be.
    """
    path = root / FILE
    if not path.exists():
        return None
    try:
        facts = json.loads(text.read(path))
        if not isinstance(facts, dict):
            raise ValueError("a JSON object is allowed")
    except (ValueError, RecursionError) as error:  # of which JSONDecodeError is
        raise UserError(f"{path}: not readable as JSON ({error}); {_allowed()}") from None
    return parse(facts, str(path))


def write(root: Path, features: Features) -> None:
    """Write `ROOT/features.json`."""
    write_text(root / FILE, json.dumps(features.as_json(), indent=1) + "\n")


def parse(facts: dict[str, Any], where: str) -> Features:
    """Features from what `Features.as_json` gave. A key that is left out has its default.

    Args:
        where: how messages call the place.

    Raises:
        UserError: everything that is wrong with it, a line each.
    """
    own, wrong = asdict(Features()), []
    values = {key: value for key, value in facts.items() if key in own}
    for key, value in facts.items():
        if key in FIXED and value != FIXED[key]:
            wrong.append(f"{where}: {key} = {value!r}; only {FIXED[key]!r} can be computed here")
        elif key not in own and key not in FIXED:
            wrong.append(f"{where}: unknown key {key!r}; {_allowed()}")
    for key, value in values.items():
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        if not is_whole and not (isinstance(own[key], float) and isinstance(value, float)):
            kind = "number" if isinstance(own[key], float) else "whole number"
            wrong.append(f"{where}: {key} = {value!r}; a {kind} is allowed")
        elif not abs(value) <= _LARGEST:
            wrong.append(f"{where}: {key} = {str(value)[:20]}; at most {_LARGEST:,} is allowed")
    if not wrong:
        features = Features(**{key: type(own[key])(value) for key, value in values.items()})
        wrong = [f"{where}: {mistake}" for mistake in features.mistakes()]
    if wrong:
        raise UserError("\n".join(wrong))
    return features


def _allowed() -> str:
    return f"the keys are {', '.join(Features().as_json())}"
