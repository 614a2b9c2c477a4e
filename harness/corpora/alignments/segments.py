"""Segments: what is said when, the one form of every alignment file, and the frames that they cover.

Shapes: S segments, T frames.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

ROUNDING = 0.0101
"""Seconds that segments may overlap: what times rounded to 10 ms can give."""


class Segment(NamedTuple):
    """A symbol from `start` up to, but without, `end`, both in seconds."""

    start: float
    end: float
    symbol: str


def check(segments: Sequence[Segment]) -> None:
    """Refuse segments that are in no order.

    Raises:
        ValueError: there is none, one ends before it starts, or one starts before the one before it ends.
    """
    if not segments:
        raise ValueError("no segment in it")
    for segment in segments:
        if not (math.isfinite(segment.start) and math.isfinite(segment.end)):
            raise ValueError(f"{segment.symbol!r} from {segment.start:g} to {segment.end:g} s is at no time")
    if segments[0].start < 0:
        raise ValueError(f"{segments[0].symbol!r} starts at {segments[0].start:g} s, before the recording")
    for segment in segments:
        if segment.end < segment.start:
            raise ValueError(f"{segment.symbol!r} at {segment.start:g} s ends before that, at {segment.end:g} s")
    for before, after in pairwise(segments):
        if after.start < before.end - ROUNDING:
            raise ValueError(
                f"{after.symbol!r} starts at {after.start:g} s, before {before.symbol!r} ends at {before.end:g} s"
            )


def covering(segments: Sequence[Segment], seconds: np.ndarray) -> np.ndarray:
    """Indices (T,) of the segments that hold each time, -1 where none does.

    Args:
        segments: in order of time, as `check` wants them.
        seconds: (T,) times, those of the frames' centres.
    """
    starts = np.array([segment.start for segment in segments])
    ends = np.array([segment.end for segment in segments])
    last_begun = np.searchsorted(starts, seconds, side="right") - 1
    return np.where((last_begun >= 0) & (seconds < ends[last_begun]), last_begun, -1)
