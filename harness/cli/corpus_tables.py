"""The `[data]` lines of an experiment file for a corpus: which of its splits suit train, validation and test.

What is printed when a corpus has been made or imported.

`harness data import`: what was made, as a table, what was decided on the way, and the next command.

What `harness data info` prints: a corpus in tables that fit 80 columns.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from harness.corpora.importing.run import Result
from harness.corpora.kaggle.competition import Imported
from harness.corpora.mfcc import FRAMES_PER_SECOND
from harness.corpora.synthetic.make import Outcome
from harness.corpora.synthetic.sentences import SPLITS, Speaker
from harness.display.document import Block, Columns, Heading, Line, Table, numbers
from harness.display.wording import ABSENT, count, duration, percent

_TRAIN, _VALIDATION, _TEST = ("train",), ("validation", "valid", "val", "dev"), ("test",)


def data_lines(corpus: Path, labelled: Sequence[str], unlabelled: Sequence[str] = ()) -> list[str]:
    """Lines to copy; splits are told apart by how their names begin, `-clean` before `-other`.

    Args:
        labelled: the splits with labels; only these can be compared on.
        unlabelled: the other ones.
    """
    train, validation, test = (_choose(names, labelled) for names in (_TRAIN, _VALIDATION, _TEST))
    spelled = None if validation is None else json.dumps(validation)
    notes = {}
    if test is None and validation is not None:
        test, spelled = validation, "{ speakers = 0.1 }"
        notes["test"] = f"{', '.join(unlabelled)} without labels" if unlabelled else "no other split"
    if spelled is None or spelled.startswith("{"):
        spelled = "{ speakers = 0.1 }"
        notes["validation"] = "a tenth of the speakers of train"
    values = {
        "corpus": json.dumps(str(corpus), ensure_ascii=False),
        "train": json.dumps(train or "NAME"),
        "validation": spelled,
        "test": json.dumps(test or "NAME"),
    }
    missing = [key for key, name in (("train", train), ("test", test)) if name is None]
    notes |= {key: f"one of: {', '.join(labelled) or 'no split has labels'}" for key in missing}
    width = max(map(len, values.values()))
    lines = [
        f"{key:<10} = {value:<{width}}   # {notes[key]}" if key in notes else f"{key:<10} = {value}"
        for key, value in values.items()
    ]
    return ["[data]", *lines]


def _choose(beginnings: Sequence[str], splits: Iterable[str]) -> str | None:
    """The split whose name is, or begins with, one of these; a clean one first, then the first by name."""
    found = [name for name in splits if name.lower().startswith(tuple(beginnings))]
    return min(found, key=lambda name: (name not in beginnings, "clean" not in name, name), default=None)


_FRAMES_PER_MINUTE = 6000
_SHOWN = 20  # refusals of an imported corpus


def synthesized(folder: Path, everyone: list[Speaker], made: Outcome, seconds: float) -> list[Block]:
    """Splits, speed, and what to write in an experiment file."""
    rows = []
    for split in SPLITS:
        own = [speaker for speaker in everyone if speaker.split == split]
        n_utterances = sum(speaker.n_utterances for speaker in own)
        minutes = made.frames[split] / _FRAMES_PER_MINUTE
        rows.append((split, count(len(own)), count(n_utterances), count(made.frames[split]), f"{minutes:.1f}"))
    spoken, work = made.spoken / _FRAMES_PER_MINUTE, max(seconds, 1e-9) / 60
    return [
        Heading(str(folder)),
        Table(["split", *numbers("speakers", "utterances", "frames", "minutes")], rows),
        Line(""),
        Line(
            f"{spoken:.1f} minutes of speech in {duration(seconds)}: {count(spoken / work)} minutes per minute of work"
        ),
        *experiment_lines(folder, SPLITS),
    ]


def imported(found: Imported) -> list[Block]:
    """What is there, everything that is refused of it, and what to write in an experiment file."""
    if found.refused:
        told = [Line(f"{found.root}: {count(len(found.refused))} refused (harness data check {found.root}):")]
        told += [Line(refusal) for refusal in found.refused[:_SHOWN]]
    else:
        told = [Line(f"{found.root}: fine: {found.fine}")]
    return [*told, *experiment_lines(found.root, found.labelled, found.unlabelled)]


def experiment_lines(folder: Path, labelled: tuple[str, ...], unlabelled: tuple[str, ...] = ()) -> list[Block]:
    """What to write in an experiment file."""
    lines = data_lines(folder, labelled, unlabelled)
    return [Heading("In an experiment file"), *(Line(line) for line in lines), Line("")]


def import_tables(result: Result, root: str, command: str) -> list[Block]:
    """
    Args:
        root: the corpus, and
        command: this program, as one types them here.
    """
    plan, made = result.plan, result.imported
    rows = []
    for split in sorted(plan.splits(), key=_order):
        there = [recording for recording in plan.recordings if recording.split == split and recording.name in made]
        frames = sum(made[recording.name].frames for recording in there)
        speakers = len({recording.speaker for recording in there})
        hours = frames / FRAMES_PER_SECOND / 3600
        rows.append((split, f"{len(there):,}", f"{speakers:,}", f"{frames:,}", f"{hours:.2f}"))
    columns: Columns = ["split", *numbers("utterances", "speakers", "frames", "hours")]
    shown: list[Block] = [Heading(f"{plan.corpus}: {root}"), Table(columns, rows)]
    shown += [Line(note) for note in [*plan.notes, *_notes(result, root)]]
    shown += experiment_lines(result.root, tuple(plan.splits()))[:-1]
    usual = set(plan.splits()) == {"train", "validation", "test"}
    run = f"{command} run {'experiments/ladnn_vs_ffdnn.toml' if usual else 'FILE'} "
    sets = [f"--set study={result.root.name}", *([f"--set data.corpus={root}"] if usual else [])]
    return [*shown, Heading("Next"), Line(f"{command} data info {root}"), Line(run + " ".join(sets))]


def _order(split: str) -> tuple[int, str]:
    kind = split.partition("-")[0]
    known = ("train", "validation", "dev", "test")
    return known.index(kind) if kind in known else len(known), split


def _notes(result: Result, root: str) -> list[str]:
    notes = []
    unlabelled = sum(one.unlabelled for one in result.imported.values())
    if unlabelled:
        all_frames = sum(one.frames for one in result.imported.values())
        notes.append(f"{unlabelled:,} of {all_frames:,} frames are in no segment: labelled [SIL]")
    rates = Counter(one.rate for one in result.imported.values())
    notes += [f"{n:,} recordings of {rate} Hz" for rate, n in sorted(rates.items()) if len(rates) > 1]
    if result.refused:
        notes.append(f"{len(result.refused):,} recordings were refused and left out: {root}/refused.txt")
    return notes


def split_tables(name: str, splits: dict[str, dict[str, Any]]) -> list[Block]:
    """One table of the splits, and one of the phonemes for each labelled split."""
    rows = tuple(
        (split, *(count(facts[key]) for key in ("utterances", "speakers", "frames")), f"{facts['hours']:.2f}",
         str(facts["features"]), "no" if facts["phonemes"] is None else "yes")
        for split, facts in splits.items()
    )  # fmt: skip
    columns: Columns = ["split", *numbers("utterances", "speakers", "frames", "hours", "features", "labels")]
    shown: list[Block] = [Heading(name), Table(columns, rows)]
    for split, facts in splits.items():
        if facts["phonemes"] is not None:
            shown += [Heading(f"{split}: phonemes; share of frames in percent, durations in ms"), _phonemes(facts)]
    return [*shown, Line("")]


def _phonemes(facts: dict[str, Any]) -> Table:
    rows = tuple(
        (row["phoneme"], count(row["frames"]), percent(row["share"]), count(row["segments"]), *_durations(row))
        for row in facts["phonemes"]
    )
    return Table(["phoneme", *numbers("frames", "share", "segments", "mean", "median", "5 %", "95 %")], rows)


def _durations(row: dict[str, Any]) -> list[str]:
    values = (row[key] for key in ("mean_ms", "median_ms", "low_ms", "high_ms"))
    return [ABSENT if value is None else f"{value:.0f}" for value in values]
