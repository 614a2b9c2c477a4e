"""A folder of recordings and alignments of one's own, split by speaker.

Who speaks is told by a pattern, else by `speakers.csv` (`utterance,speaker`) in the folder, else by the first folder
below it. An utterance is called after its file, or after its path where two files have one name.
"""

import re
from collections import Counter
from pathlib import Path

from harness.corpora import audio, text
from harness.corpora.alignments.index import find
from harness.corpora.importing.plan import Plan, Recording
from harness.corpora.importing.speaker_splits import Fractions, assign
from harness.errors import UserError

_NAME = re.compile(r"[^\w.-]+")


def plan(
    root: Path,
    *,
    alignments: Path | None = None,
    speaker: str | None = None,
    fractions: Fractions | None = None,
    splits: Path | None = None,
) -> Plan:
    """The plan of an import from `root`.

    Args:
        alignments: where they are; beside the recordings unless given.
        speaker: a regular expression searched in a path below `root`; its group, or all of it, is who speaks.
        fractions: of the speakers, for validation and test.
        splits: a CSV file `speaker,split` instead.

    Raises:
        UserError: no recordings, no alignments, speakers that cannot be told or are too few.
    """
    if not root.is_dir():
        raise UserError(f"{root}: no such folder")
    sounds = sorted(path for path in root.rglob("*") if audio.is_audio(path))
    if not sounds:
        raise UserError(f"{root}: no recording in it; files that end in {' '.join(audio.ENDINGS)} (any case) are read")
    try:
        sources = find(alignments or root)
    except ValueError as error:
        raise UserError(f"{error}; give their folder with --alignments" if not alignments else str(error)) from None
    speakers = _speakers(root, sounds, speaker)
    split_of, how = assign(speakers.values(), fractions or Fractions(), splits)
    result = Plan("folder", notes=[how])
    stems = Counter(path.stem for path in sounds)
    for sound in sounds:
        place = sound.relative_to(root)
        name = _NAME.sub("_", sound.stem if stems[sound.stem] == 1 else "-".join(place.with_suffix("").parts))
        own = sources.of(place)
        if len(own) == 1:
            who, words = speakers[sound], _words(own[0].path)
            result.recordings.append(Recording(name, split_of[who], who, sound, own[0], words))
        else:
            what = f"{len(own)} alignments with its name; one is allowed" if own else "no alignment with its name"
            result.refused.append(f"{sound}: {what}")
    twice = [name for name, n in Counter(r.name for r in result.recordings).items() if n > 1]
    result.refused += [f"{root}: several recordings would be named {name}" for name in twice]
    return result


def _words(labels: Path) -> Path | None:
    """The words with times beside TIMIT's phones."""
    beside = [labels.with_suffix(ending) for ending in (".wrd", ".WRD")] if labels.suffix.lower() == ".phn" else []
    return next((path for path in beside if path.is_file()), None)


def _speakers(root: Path, sounds: list[Path], pattern: str | None) -> dict[Path, str]:
    """Recording -> who speaks."""
    if pattern is not None:
        speaker_of = _by_pattern(root, sounds, pattern)
        hint = f"--speaker {pattern!r} finds nothing in its path"
    elif (root / "speakers.csv").exists():
        try:
            rows = {row[0]: row[1] for row in text.rows(root / "speakers.csv") if len(row) == 2}
        except ValueError as error:
            raise UserError(f"{root / 'speakers.csv'}: {error}") from None
        speaker_of = {sound: rows.get(sound.stem, "") for sound in sounds}
        hint = f"{root / 'speakers.csv'} has no line for {{}}"
    else:
        places = {sound: sound.relative_to(root).parts for sound in sounds}
        speaker_of = {sound: parts[0] if len(parts) > 1 else "" for sound, parts in places.items()}
        hint = "not in a speaker's folder; give speakers.csv (utterance,speaker) or --speaker PATTERN"
    lines = [f"{sound}: {hint.replace('{}', sound.stem)}" for sound, name in speaker_of.items() if not name]
    if lines:
        more = [f"... and {len(lines) - 20} more"] if len(lines) > 20 else []
        raise UserError("\n".join([f"{root}: no speaker is known for {len(lines)}:", *lines[:20], *more]))
    return speaker_of


def _by_pattern(root: Path, sounds: list[Path], pattern: str) -> dict[Path, str]:
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise UserError(f"--speaker {pattern!r} is no regular expression: {error}") from None
    matches = {sound: expression.search(sound.relative_to(root).as_posix()) for sound in sounds}
    return {
        sound: (match[1] if expression.groups else match[0]) or "" if match else "" for sound, match in matches.items()
    }
