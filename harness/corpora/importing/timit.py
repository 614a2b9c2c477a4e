"""TIMIT (Garofolo et al. 1993, LDC93S1): which recordings there are, and the splits that everybody uses.

Read as the LDC gives it (TRAIN/DR1/FCJF0/SA1.WAV, in any case) and flat as in NLTK's sample (dr1-fvmh0/sa1.wav). The
dialect sentences (SA), which every speaker reads, are left out: they would have train and test share texts.
Test is the core test set of 24 speakers, validation the 50 speakers of Halberstadt's development set (thesis, MIT
1998, as in Kaldi), both among TIMIT's test speakers; the other 94 of these are left out.
"""

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.corpora import audio
from harness.corpora.alignments.index import AlignmentFile
from harness.corpora.importing.plan import Plan, Recording
from harness.corpora.importing.speaker_splits import Fractions, assign
from harness.errors import UserError

_SPEAKER = re.compile(r"(?:(dr[1-8])[-_])?([fm][a-z]{3}[0-9])")
_DIALECT = re.compile(r"dr[1-8]")


@dataclass(frozen=True)
class _Sentence:
    """A recording by its place."""

    sound: Path
    usage: str
    """train, test, or "" where the folders do not say."""
    dialect: str
    speaker: str
    sentence: str

    @property
    def reader(self) -> str:
        return "-".join(filter(None, (self.dialect, self.speaker)))


def plan(root: Path, *, keep_sa: bool = False, fractions: Fractions | None = None, splits: Path | None = None) -> Plan:
    """The plan of an import of the TIMIT in `root`.

    Args:
        fractions: for a TIMIT without a core test speaker (a sample), which is split by speaker.
        splits: a CSV file `speaker,split` (names as in `dr1-fvmh0`), instead of any of this.

    Raises:
        UserError: it is no TIMIT, or has too few speakers.
    """
    sentences = _find(root)
    own = [s for s in sentences if keep_sa or not s.sentence.startswith("sa")]
    result = Plan("timit")
    if len(own) < len(sentences):
        result.notes.append(
            f"{len(sentences) - len(own)} SA sentences, which every speaker reads, are left out (--keep-sa)"
        )
    split_of: Mapping[str, str] = _standard(own, result) if splits is None and _has_core(own) else {}
    if not split_of:
        split_of, how = assign((s.reader for s in own), fractions or Fractions(), splits)
        result.notes.append(how if splits else f"no speaker of the core test set is here; {how}")
    for s in own:
        if s.reader in split_of:
            files = {path.suffix.lower(): path for path in s.sound.parent.iterdir() if _stem(path) == _stem(s.sound)}
            name = f"{s.reader}-{s.sentence}"
            if ".phn" not in files:
                result.refused.append(f"{s.sound}: no .phn beside it")
                continue
            labels, words = AlignmentFile(files[".phn"]), files.get(".wrd")
            result.recordings.append(Recording(name, split_of[s.reader], s.reader, s.sound, labels, words))
    return result


def _find(root: Path) -> list[_Sentence]:
    if not root.is_dir():
        raise UserError(f"{root}: no such folder; TIMIT's top folder is wanted, which holds TRAIN and TEST")
    sentences: dict[tuple[str, str], _Sentence] = {}
    for path in sorted(root.rglob("*"), key=lambda path: (len(path.name), path)):  # SA1.WAV before SA1.WAV.wav
        match = _SPEAKER.fullmatch(path.parent.name.lower())
        if match and audio.is_audio(path):
            above = [part.lower() for part in (*path.relative_to(root).parts[-3::-1], root.name)]
            dialect = match[1] or next((part for part in above if _DIALECT.fullmatch(part)), "")
            usage = next((part for part in above if part in ("train", "test")), "")
            sentences.setdefault((match[2], _stem(path)), _Sentence(path, usage, dialect, match[2], _stem(path)))
    if not sentences:
        raise UserError(
            f"{root}: no TIMIT recording in it; TRAIN/DR1/FCJF0/SA1.WAV or dr1-fcjf0/sa1.wav (any case) is looked for"
        )
    return sorted(sentences.values(), key=lambda s: (s.reader, s.sentence))


def _stem(path: Path) -> str:
    return path.name.lower().partition(".")[0]


def _has_core(sentences: Iterable[_Sentence]) -> bool:
    core = {speaker for speaker, split in _official_splits().items() if split == "test"}
    return any(s.speaker in core for s in sentences)


def _standard(sentences: list[_Sentence], plan: Plan) -> dict[str, str]:
    """Reader -> split for those that are in one; says what is not as it should be."""
    split_of = _official_splits()
    speakers = {s.speaker: s for s in sentences}
    for split, title in (("test", "core test"), ("validation", "development")):
        names = {speaker for speaker, of in split_of.items() if of == split}
        absent = sorted(names - speakers.keys())
        if absent:
            plan.notes.append(
                f"{len(absent)} of the {len(names)} {title} speakers are not here: {', '.join(absent[:5])}"
                + (" ..." if len(absent) > 5 else "")
            )
    others = [s for s in speakers.values() if s.speaker not in split_of and s.usage == "test"]
    if others:
        plan.notes.append(f"{len(others)} test speakers are in neither the core test nor the development set: left out")
    left_out = {s.reader for s in others}
    return {s.reader: split_of.get(s.speaker, "train") for s in sentences if s.reader not in left_out}


def _official_splits() -> dict[str, str]:
    with Path(__file__).with_name("timit_speakers.csv").open(newline="", encoding="utf-8") as table:
        return {row["speaker"]: row["split"] for row in csv.DictReader(table)}
