"""`harness data import`: what was made, as a table, what was decided on the way, and the next command."""

from collections import Counter

from harness.corpora.importing import Result
from harness.corpora.mfcc import FRAMES_PER_SECOND
from harness.made_table import experiment_lines
from harness.screen import Block, Heading, Line, Table


def blocks(result: Result, root: str, command: str) -> list[Block]:
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
    shown: list[Block] = [Heading(f"{plan.corpus}: {root}"), Table(_COLUMNS, tuple(rows))]
    shown += [Line(note) for note in [*plan.notes, *_notes(result, root)]]
    shown += experiment_lines(result.root, tuple(plan.splits()))[:-1]
    usual = set(plan.splits()) == {"train", "validation", "test"}
    run = f"{command} run {'experiments/ladnn_vs_ffdnn.toml' if usual else 'FILE'} "
    sets = [f"--set study={result.root.name}", *([f"--set data.corpus={root}"] if usual else [])]
    return [*shown, Heading("Next"), Line(f"{command} data info {root}"), Line(run + " ".join(sets))]


_COLUMNS = ("split", ">utterances", ">speakers", ">frames", ">hours")


def _order(split: str) -> tuple[int, str]:
    kind = split.partition("-")[0]
    known = ("train", "validation", "dev", "test")
    return known.index(kind) if kind in known else len(known), split


def _notes(result: Result, root: str) -> list[str]:
    notes = []
    unlabelled = sum(one.unlabelled for one in result.imported.values())
    if unlabelled:
        all_frames = sum(one.frames for one in result.imported.values())
        notes.append(f"{unlabelled:,} of {all_frames:,} frames stand under no label: they are [SIL]")
    rates = Counter(one.rate for one in result.imported.values())
    notes += [f"{n:,} recordings of {rate} Hz" for rate, n in sorted(rates.items()) if len(rates) > 1]
    if result.refused:
        notes.append(f"{len(result.refused):,} recordings were refused and left out: {root}/refused.txt")
    return notes
