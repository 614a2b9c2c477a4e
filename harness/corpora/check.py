"""Checks of a corpus: the content of its splits, and everything in them that would be refused, in one reading.

A segment is a run of equal labels within an utterance; two phonemes of one class in a row count as one.

Legend: F frames, U utterances, S segments.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from harness.corpora import features, layout
from harness.corpora.mfcc import STEP_MS
from harness.corpora.store import Part
from harness.errors import UserError
from harness.files import Report, count_of

_MOST_NAMES = 5  # of shared speakers
_T = TypeVar("_T")


def of(part: Part) -> dict[str, Any]:
    """Facts of a split for `harness data info --json`: durations in ms, shares in [0, 1].

    Keys: utterances, speakers, frames, hours, features, digest, phonemes; the last is None of an unlabelled split, else
    [{phoneme, frames, share, segments, mean_ms, median_ms, low_ms, high_ms}], the low and high ends being the 5th and
    the 95th percentile, and all four None of a phoneme that does not occur.
    """
    facts = part.summary() | {
        "hours": part.n_frames * STEP_MS / 3.6e6,
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
            durations = {key: float(value) * STEP_MS for key, value in zip(durations, values, strict=True)}
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


@dataclass
class _Split:
    """Facts of a split, counted while it is read."""

    is_labelled: bool
    speakers: set[str]
    utterances: int = 0
    frames: int = 0
    d_features: int = 0


def check(root: Path, progress: Report | None = None) -> tuple[list[str], str]:
    """Read all of a corpus, anew, and leave nothing behind.

    Returns:
        What is refused, a line each (none if the corpus is sound), and in words what was read.

    Raises:
        UserError: there is no corpus.
    """
    layout.check_root(root)
    refusals: list[str] = []
    phonemes = _or_refusal(layout.phonemes_of, root, refusals)
    own_features = _or_refusal(features.read, root, refusals)
    n_refusals = len(refusals)
    speakers = _or_refusal(layout.speakers_of, root, refusals)
    has_speakers = len(refusals) == n_refusals
    splits = {name: _read(root / name, phonemes, speakers, refusals, progress) for name in layout.splits(root)}
    readable = {name: split for name, split in splits.items() if split.utterances}
    for name, split in readable.items():
        first, its = next(iter(readable.items()))
        if own_features and own_features.width != split.d_features:
            refusals.append(f"{root / name}: {layout.unlike(own_features, split.d_features)}")
        elif not own_features and split.d_features != its.d_features:
            refusals.append(f"{root / name}: {split.d_features} features a frame; {first} has {its.d_features}")
    names = [name for name, split in readable.items() if split.is_labelled and has_speakers]
    for a, b in combinations(names, 2):
        if shared := readable[a].speakers & readable[b].speakers:
            refusals.append(f"{root}: {shared_speakers(a, b, shared)}")
    return refusals, _summary(readable, len(phonemes or ()))


def shared_speakers(a: str, b: str, shared: Collection[str]) -> str:
    """The reason why two splits cannot be compared on."""
    names = ", ".join(sorted(shared)[:_MOST_NAMES]) + (", ..." if len(shared) > _MOST_NAMES else "")
    return (
        f"{a} and {b} share {len(shared)} speakers ({names}): a score would not apply to new speakers; "
        "choose splits by speaker, or mend speakers.csv"
    )


def _or_refusal(read: Callable[[Path], _T], root: Path, refusals: list[str]) -> _T | None:
    try:
        return read(root)
    except UserError as refusal:
        refusals += str(refusal).splitlines()
        return None


def _read(
    folder: Path,
    phonemes: tuple[str, ...] | None,
    speakers: dict[str, str] | None,
    refusals: list[str],
    progress: Report | None,
) -> _Split:
    split = _Split((folder / "transcript").is_dir(), set())
    report = count_of(progress, f"checking {folder.name}")
    try:
        for utterance in layout.utterances(folder, phonemes, speakers, refusals, report):
            split.utterances += 1
            split.frames += len(utterance.frames)
            split.d_features = utterance.frames.shape[1]
            split.speakers.add(utterance.speaker)
    except UserError as refusal:
        refusals.append(str(refusal))
    return split


def _summary(splits: dict[str, _Split], n_classes: int) -> str:
    n_utterances = sum(split.utterances for split in splits.values())
    n_frames = sum(split.frames for split in splits.values())
    speakers = set().union(*(split.speakers for split in splits.values()))
    without_labels = [name for name, split in splits.items() if not split.is_labelled]
    d_features = max((split.d_features for split in splits.values()), default=0)
    without = f" ({', '.join(without_labels)} without labels)" if without_labels else ""
    return (
        f"{', '.join(splits)}{without}; "
        f"{n_utterances:,} utterances, {len(speakers):,} speakers, {n_frames:,} frames of {d_features} features, "
        f"{n_classes} classes"
    )
