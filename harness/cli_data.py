"""The commands `harness data ...`: what is in a corpus, whether it is sound, and corpora from elsewhere."""

from pathlib import Path

import click


@click.group()
def data() -> None:
    """Look at a corpus, check it, make one, import one.

    PATH is a folder in the HW1P2 layout, or the name synthetic.
    """


@data.group(name="import")
def import_() -> None:
    """Bring a corpus into the HW1P2 layout."""


@data.command()
@click.argument("path")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of the tables.")
def info(path: str, as_json: bool) -> None:
    """Speakers, hours, and each phoneme's frames and durations."""
    import json

    from harness import corpora, inventory_table, screen
    from harness.corpora import hw1p2, inventory
    from harness.progress import Progress
    from harness.settings import Data

    with screen.display() as display:
        progress = Progress(display)
        root = corpora.folder_of(Data(corpus=path), _cache(), progress.reading)
        hw1p2.check_root(root)
        parts = corpora.load_splits(root, hw1p2.splits(root), _cache(), progress.reading)
    splits = {name: inventory.of(part) for name, part in parts.items()}
    if as_json:
        click.echo(json.dumps({"corpus": path, "splits": splits}, indent=1))
    else:
        screen.show(inventory_table.blocks(path, splits))


@data.command()
@click.argument("path")
def check(path: str) -> None:
    """Read all of the corpus PATH; list everything that is refused.

    A line for each refusal, and exit status 2; one line if all is fine.
    """
    from harness import corpora, screen
    from harness.corpora import soundness
    from harness.progress import Progress
    from harness.settings import Data

    with screen.display() as display:
        progress = Progress(display)
        root = corpora.folder_of(Data(corpus=path), _cache(), progress.reading)
        refused, fine = soundness.check(root, progress.reading)
    click.echo("\n".join(refused) or f"{path}: fine: {fine}")
    if refused:
        click.get_current_context().exit(2)


def _cache() -> Path:
    from harness.workspace import cache, project_root

    return cache(project_root(Path.cwd()))
