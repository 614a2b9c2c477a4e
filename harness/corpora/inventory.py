"""What a split holds: utterances, speakers, hours, and how often and how long each phoneme is spoken.

A segment is a run of equal labels within an utterance; two phonemes of one class in a row count as one.
Legend: F frames, U utterances, S segments.
"""

from typing import Any

import numpy as np

from harness.corpora.store import Part

FRAME_MS = 10
"""From one frame to the next."""


def of(part: Part) -> dict[str, Any]:
    """As `harness data info --json` gives it: durations in ms, shares in [0, 1].

    Keys: utterances, speakers, frames, hours, features, digest, phonemes; the last is None of an unlabelled split, else
    [{phoneme, frames, share, segments, mean_ms, median_ms, low_ms, high_ms}], the low and high ends being the 5th and
    the 95th percentile, and all four None of a phoneme that does not occur.
    """
    facts = part.summary() | {
        "hours": part.n_frames * FRAME_MS / 3.6e6,
        "features": part.d_features,
        "digest": part.digest,
    }
    return facts | {"phonemes": None if part.labels is None else _phonemes(part)}


def _phonemes(part: Part) -> list[dict[str, Any]]:
    labels, lengths = segments(part)
    order = np.argsort(labels, kind="stable")
    ends = np.cumsum(np.bincount(labels, minlength=len(part.phonemes)))
    rows = []
    for phoneme, own in zip(part.phonemes, np.split(lengths[order], ends[:-1]), strict=True):
        n_frames = int(own.sum())
        durations = dict.fromkeys(("mean_ms", "median_ms", "low_ms", "high_ms"))
        if len(own):
            low, median, high = np.percentile(own, [5, 50, 95])
            values = (own.mean(), median, low, high)
            durations = {key: float(value) * FRAME_MS for key, value in zip(durations, values, strict=True)}
        row = {"phoneme": phoneme, "frames": n_frames, "share": n_frames / part.n_frames, "segments": len(own)}
        rows.append(row | durations)
    return rows


def segments(part: Part) -> tuple[np.ndarray, np.ndarray]:
    """A labelled part's runs of equal labels, none across utterances: (S,) labels, (S,) lengths in frames."""
    assert part.labels is not None
    labels = part.labels[part.rows()]
    begins = np.ones(len(labels), dtype=bool)
    begins[1:] = labels[1:] != labels[:-1]
    begins[np.cumsum(part.lengths) - part.lengths] = True
    at = np.flatnonzero(begins)
    return labels[at], np.diff(at, append=len(labels))
