"""The commands `harness data ...`: what is in a corpus, whether it is sound, and corpora from elsewhere."""

from pathlib import Path

import click

from harness.cli.imports import folder, librispeech, timit


@click.group()
def data() -> None:
    """Inspect, check, synthesise or import a corpus.

    PATH is a folder in the HW1P2 layout, or the name synthetic.
    """


@data.group(name="import")
def import_() -> None:
    """Convert a corpus to the HW1P2 layout."""


for command in (timit, librispeech, folder):
    import_.add_command(command)


@data.command()
@click.argument("path")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of the tables.")
def info(path: str, as_json: bool) -> None:
    """Speakers, hours, and each phoneme's frames and durations."""
    import json

    from harness.cli import corpus_tables
    from harness.corpora import check, corpus, layout
    from harness.display import panel, terminal
    from harness.display.progress import Progress
    from harness.settings import Data

    with panel.display() as display:
        progress = Progress(display)
        root = corpus.folder_of(Data(corpus=path), _cache(), progress.reading)
        layout.check_root(root)
        parts = corpus.load_splits(root, layout.splits(root), _cache(), progress.reading)
    splits = {name: check.of(part) for name, part in parts.items()}
    if as_json:
        click.echo(json.dumps({"corpus": path, "splits": splits}, indent=1))
    else:
        terminal.show(corpus_tables.split_tables(path, splits))


@data.command()
@click.argument("path")
def check(path: str) -> None:
    """Read the whole corpus PATH and list everything that is refused.

    Prints one line per refusal, with exit status 2; or one line if the corpus is sound.
    """
    from harness.corpora import check as checking
    from harness.corpora import corpus
    from harness.display import panel
    from harness.display.progress import Progress
    from harness.settings import Data

    with panel.display() as display:
        progress = Progress(display)
        root = corpus.folder_of(Data(corpus=path), _cache(), progress.reading)
        refused, fine = checking.check(root, progress.reading)
    click.echo("\n".join(refused) or f"{path}: fine: {fine}")
    if refused:
        click.get_current_context().exit(2)


@data.command()
@click.option(
    "--out",
    required=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="New folder for the corpus.",
)
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, max=6000, min_open=True),
    default=20.0,
    show_default=True,
    help="Minutes of speech in train; validation and test get a quarter each.",
)
@click.option(
    "--speakers",
    type=click.IntRange(min=2, max=99999),
    help="Speakers per split (validation and test at least 8), sharing its minutes.  [one per 18.5 s]",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed; another seed gives another corpus."
)
@click.option("--processes", type=click.IntRange(min=1), help="Parallel processes.  [one per core]")
def synthesize(out: Path, minutes: float, speakers: int | None, seed: int, processes: int | None) -> None:
    """Make a synthetic corpus of any size.

    The same arguments give the same bytes, whatever the number of processes. A stopped command resumes.
    """
    import time

    from harness.cli import corpus_tables
    from harness.corpora import destination
    from harness.corpora.synthetic import make, sentences
    from harness.display import panel, terminal
    from harness.display.progress import Progress

    everyone = sentences.speakers(minutes, seed, speakers)
    destination.check_room(out, sentences.n_bytes(everyone), "the corpus")
    with destination.reserve(out), panel.display() as display:
        progress = Progress(display)
        began = time.perf_counter()
        made = make.make(
            out,
            minutes=minutes,
            seed=seed,
            n_speakers=speakers,
            processes=processes,
            progress=lambda done, total: progress.reading("speaking", done, total),
        )
        seconds = time.perf_counter() - began
    terminal.show(corpus_tables.synthesized(out, everyone, made, seconds))


@import_.command()
@click.argument("competition")
@click.option(
    "--out", metavar="DIR", type=click.Path(path_type=Path), help="New folder for the corpus.  [corpora/COMPETITION]"
)
@click.option(
    "--zip",
    "packed",
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="Zip file, or unpacked folder, that you downloaded by hand.",
)
def kaggle(competition: str, out: Path | None, packed: Path | None) -> None:
    """The data of a Kaggle COMPETITION: 11785-hw1p2-f23.

    Or another year's. Downloads with Kaggle's own client and its credentials, unpacks, and checks. A command that was
    stopped goes on.
    """
    from harness.cli import corpus_tables
    from harness.corpora.kaggle import archive
    from harness.corpora.kaggle import competition as competitions
    from harness.display import panel, terminal
    from harness.display.progress import Progress
    from harness.errors import UserError

    name = competitions.name_of(competition)
    root = out or Path("corpora", name)
    with panel.display() as display:
        report = Progress(display).reading
        if packed is None:
            imported = competitions.from_kaggle(name, root, report)
        elif not packed.is_dir():
            imported = competitions.from_zip(packed, root, report)
        elif out is None:
            imported = competitions.examine(archive.locate(packed), report)
        else:
            raise UserError(f"--out {out}: without effect; the folder {packed} is used where it lies")
    terminal.show(corpus_tables.imported(imported))
    if imported.refused:
        click.get_current_context().exit(2)


def _cache() -> Path:
    from harness.conductor.workspace import cache, project_root

    return cache(project_root(Path.cwd()))
