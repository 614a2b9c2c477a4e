"""The answers to a study's claims, as `comparison.json` holds them."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from harness.comparison.json_form import Json


class Answer(Enum):
    """What a study says of a claim, or of a part of one."""

    SUPPORTED = "supported"
    REFUTED = "refuted"
    UNDECIDED = "undecided"


class Scale(Enum):
    """What kind of number a claim is about."""

    POINTS = "points"
    """A difference of fractions, in [-1, 1]."""
    PERCENT = "percent"
    """A fraction, in [0, 1]."""
    SHARE = "share"
    """A ratio, 0 or more; said in percent."""
    POWER = "power"
    """The decadic logarithm of a ratio."""


@dataclass(frozen=True, kw_only=True)
class PartAnswer:
    """One thing that a claim says, and what was found of it."""

    scale: Scale
    at_least: float
    at_most: float
    """What is claimed: a value in [at_least, at_most]; without end where infinite (null in the JSON)."""
    why_not: str
    """Why nothing can be said of it; "" if something can."""
    value: float | None
    low: float | None
    high: float | None
    """Ends of the value's interval."""
    answer: Answer
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """How much more of it would decide a claim; None where no number up to `most` would."""

    units: int | None
    seeds: int | None
    """Seeds, or searches of each arm where the interval is over searches."""
    both: tuple[int, int] | None
    """Units and seeds together, where neither alone does."""
    are_searches: bool
    """Whether `seeds` counts searches."""
    power: float
    """The probability in (0, 1) with which it would be decided, were the estimate the truth."""
    most: int
    """More of anything than this is no advice."""


@dataclass(frozen=True, kw_only=True)
class ClaimAnswer:
    """A claim of the experiment file, answered."""

    claim: str
    """In the words of the file."""
    kind: str
    """better, equal, threshold, fewer_frames or gradients."""
    settings: Mapping[str, Json]
    """What else the file says of it."""
    answer: Answer
    parts: tuple[PartAnswer, ...]
    more: Evidence | None
    """None where it is decided, or where it cannot be told."""
    stated_after_the_runs: bool
    level: float
    """Of the intervals, in (0, 1)."""
    outlook: str | None
    """What would decide it, in words; None where it is decided."""
    sentence: str
