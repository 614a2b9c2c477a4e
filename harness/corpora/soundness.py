"""Whether a corpus is sound: everything that would be refused in any of its splits, found in one reading."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TypeVar

from harness.corpora import features, hw1p2
from harness.errors import UserError

_NAMED = 5  # of shared speakers
_T = TypeVar("_T")

Progress = Callable[[str, int, int], None]
"""Called with (what is done, done, total)."""


@dataclass
class _Split:
    """What was seen of a split while it was read."""

    labelled: bool
    speakers: set[str]
    utterances: int = 0
    frames: int = 0
    d_features: int = 0


def check(root: Path, progress: Progress | None = None) -> tuple[list[str], str]:
    """Read all of a corpus, anew, and leave nothing behind.

    Returns:
        What is refused, a line each (none if the corpus is sound), and in words what was read.

    Raises:
        UserError: there is no corpus.
    """
    hw1p2.check_root(root)
    refused: list[str] = []
    phonemes = _or_refused(hw1p2.phonemes_of, root, refused)
    made = _or_refused(features.read, root, refused)
    n_refused = len(refused)
    speakers = _or_refused(hw1p2.speakers_of, root, refused)
    speakers_known = len(refused) == n_refused
    seen = {name: _read(root / name, phonemes, speakers, refused, progress) for name in hw1p2.splits(root)}
    sound = {name: split for name, split in seen.items() if split.utterances}
    for name, split in sound.items():
        first, its = next(iter(sound.items()))
        if made and made.width != split.d_features:
            refused.append(f"{root / name}: {hw1p2.unlike(made, split.d_features)}")
        elif not made and split.d_features != its.d_features:
            refused.append(f"{root / name}: {split.d_features} features a frame; {first} has {its.d_features}")
    labelled = [name for name, split in sound.items() if split.labelled and speakers_known]
    for a, b in combinations(labelled, 2):
        if shared := sound[a].speakers & sound[b].speakers:
            refused.append(f"{root}: {shared_speakers(a, b, shared)}")
    return refused, _fine(sound, len(phonemes or ()))


def shared_speakers(a: str, b: str, shared: Collection[str]) -> str:
    """Why two splits cannot be compared on."""
    named = ", ".join(sorted(shared)[:_NAMED]) + (", ..." if len(shared) > _NAMED else "")
    return (
        f"{a} and {b} share {len(shared)} speakers ({named}): a score would not tell of new speakers; "
        "choose splits by speaker, or mend speakers.csv"
    )


def _or_refused(read: Callable[[Path], _T], root: Path, refused: list[str]) -> _T | None:
    try:
        return read(root)
    except UserError as refusal:
        refused += str(refusal).splitlines()
        return None


def _read(
    folder: Path,
    phonemes: tuple[str, ...] | None,
    speakers: dict[str, str] | None,
    refused: list[str],
    progress: Progress | None,
) -> _Split:
    split = _Split((folder / "transcript").is_dir(), set())
    report = (lambda done, total: progress(f"checking {folder.name}", done, total)) if progress else None
    try:
        for utterance in hw1p2.utterances(folder, phonemes, speakers, refused, report):
            split.utterances += 1
            split.frames += len(utterance.frames)
            split.d_features = utterance.frames.shape[1]
            split.speakers.add(utterance.speaker)
    except UserError as refusal:
        refused.append(str(refusal))
    return split


def _fine(splits: dict[str, _Split], n_classes: int) -> str:
    n_utterances = sum(split.utterances for split in splits.values())
    n_frames = sum(split.frames for split in splits.values())
    speakers = set().union(*(split.speakers for split in splits.values()))
    unlabelled = [name for name, split in splits.items() if not split.labelled]
    d_features = max((split.d_features for split in splits.values()), default=0)
    without = f" ({', '.join(unlabelled)} without labels)" if unlabelled else ""
    return (
        f"{', '.join(splits)}{without}; "
        f"{n_utterances:,} utterances, {len(speakers):,} speakers, {n_frames:,} frames of {d_features} features, "
        f"{n_classes} classes"
    )
