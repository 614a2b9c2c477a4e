"""What is printed when a corpus has been made or imported."""

from pathlib import Path

from harness.corpora.competition import Imported
from harness.corpora.data_lines import data_lines
from harness.corpora.synthesis import Made
from harness.corpora.synthetic import SPLITS, Speaker
from harness.report.wording import count, duration
from harness.screen import Block, Heading, Line, Table

_FRAMES_PER_MINUTE = 6000
_SHOWN = 20  # refusals of an imported corpus


def synthesized(folder: Path, everyone: list[Speaker], made: Made, seconds: float) -> list[Block]:
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
        Table(("split", ">speakers", ">utterances", ">frames", ">minutes"), tuple(rows)),
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
