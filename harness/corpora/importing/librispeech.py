"""LibriSpeech (Panayotov et al., ICASSP 2015) with alignments from elsewhere: its own splits, by its own names."""

from collections.abc import Collection
from pathlib import Path

from harness.corpora import audio
from harness.corpora.alignments.index import AlignmentIndex, find
from harness.corpora.importing.plan import Plan, Recording
from harness.errors import UserError

SPLITS = (
    "train-clean-100", "train-clean-360", "train-other-500", "dev-clean", "dev-other", "test-clean", "test-other",
)  # fmt: skip


def plan(root: Path, alignments: Path, only: Collection[str] = ()) -> Plan:
    """The plan of an import of the LibriSpeech in `root`, SPLIT/READER/CHAPTER/READER-CHAPTER-UTTERANCE.flac.

    Args:
        alignments: a folder of files named after the utterances (TextGrids as the Montreal Forced Aligner writes
            them), or a CTM file.
        only: of the splits that are there.

    Raises:
        UserError: there is none of its splits, or no alignment.
    """
    folders = _folders(root)
    absent = sorted(set(only) - folders.keys())
    if absent:
        raise UserError(f"{root}: no {', '.join(absent)}; the splits there are: {', '.join(folders)}")
    try:
        sources = find(alignments)
    except ValueError as error:
        raise UserError(str(error)) from None
    result = Plan("librispeech")
    for split, folder in folders.items():
        if split in only or not only:
            _add(result, split, folder, sources)
    return result


def _folders(root: Path) -> dict[str, Path]:
    places = [root, root / "LibriSpeech"]
    folders = {split: place / split for split in SPLITS for place in places if (place / split).is_dir()}
    if root.name in SPLITS and root.is_dir():
        folders = {root.name: root}
    if not folders:
        there = "no such folder" if not root.is_dir() else f"none of LibriSpeech's splits in it ({', '.join(SPLITS)})"
        raise UserError(f"{root}: {there}; for recordings in other folders: harness data import folder")
    return folders


def _add(plan: Plan, split: str, folder: Path, sources: AlignmentIndex) -> None:
    sounds = sorted(path for path in folder.rglob("*") if audio.is_audio(path))
    without, recordings = [], []
    for sound in sounds:
        own = sources.of(sound.relative_to(folder.parent))
        if len(own) == 1:
            reader = sound.stem.partition("-")[0]
            recordings.append(Recording(sound.stem, split, reader, sound, own[0]))
        else:
            without.append(f"{sound}: {_count(len(own))}")
    if without and not recordings:
        plan.refused.append(f"{folder}: no alignment for any of its {len(sounds):,} recordings; choose with --split")
    else:
        plan.refused += without
    plan.recordings += recordings


def _count(n: int) -> str:
    return f"{n} alignments with its name; one is allowed" if n else "no alignment with its name"
