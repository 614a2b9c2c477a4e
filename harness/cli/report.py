"""The command `harness report`: a comparison again, from MLflow alone, in the form that is asked for."""

import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.errors import UserError

if TYPE_CHECKING:  # `harness --help` loads neither numpy nor pandas
    from harness.comparison.model import Comparison
    from harness.results import StudyRecord


@click.command()
@click.option(
    "--study",
    "studies",
    multiple=True,
    metavar="NAME",
    help="Study to compare; repeat it to compare the arms of several.",
)
@click.option(
    "--run",
    "runs",
    multiple=True,
    metavar="ID",
    help="Final run, by MLflow id or its first characters; give two or more.",
)
@click.option("--json", "as_json", is_flag=True, help="Print comparison.json instead of the tables.")
@click.option("--markdown", is_flag=True, help="Print a short Markdown report, for an issue; write no files.")
@click.option("--latex", is_flag=True, help="Print a short LaTeX report, for a paper; write no files.")
@click.option(
    "--figures",
    metavar="FOLDER",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write every figure as PDF and SVG, and figures.tex; no other files.",
)
@click.option(
    "--disagreements",
    nargs=2,
    metavar="A B",
    help="List where exactly one of two arms is right; --out FILE.csv, or FOLDER/ for TextGrids.",
)
@click.option("--seed", type=int, metavar="N", help="Seed for --disagreements.  [the first that both have]")
@click.option("--out", metavar="PATH", help="Folder of the files.  [reports/NAME]")
@click.option("--all", "everything", is_flag=True, help="Also print the long tables.")
def report(
    studies: tuple[str, ...],
    runs: tuple[str, ...],
    as_json: bool,
    markdown: bool,
    latex: bool,
    figures: Path | None,
    disagreements: tuple[str, str] | None,
    seed: int | None,
    out: str | None,
    everything: bool,
) -> None:
    """Print the comparison of a study and write its files, from MLflow alone.

    \b
    harness report --study A                 one study
    harness report --study A --study B       the arms of both; they must have the same test data
    harness report --run 8f18 --run f55f     two trained models
    """
    forms = {"--json": as_json, "--markdown": markdown, "--latex": latex, "--figures": figures}
    _check(forms | {"--disagreements": disagreements}, seed, out)
    from harness.conductor import load

    root = project()
    record = load.load_record(studies, runs, root)
    if disagreements:
        assert out
        _disagreements(record, disagreements, seed, out)
        return
    from harness.comparison.compare import compare

    comparison = compare(record)
    if markdown or latex:
        from harness.report import paste

        if markdown:
            click.echo(paste.markdown(paste.blocks(comparison, everything=everything)), nl=False)
        else:
            click.echo(paste.paper(comparison, everything=everything), nl=False)
        return
    if figures is not None:
        _figures(comparison, figures)
        return
    options = [part for name in studies for part in ("--study", name)] + [part for i in runs for part in ("--run", i)]
    folder = Path(out) if out else _reports(root, comparison)
    if as_json:
        from harness.report import files

        files.write(comparison, folder)
        click.echo(files.as_json(comparison), nl=False)
    else:
        show(comparison, root, options, folder, everything)


def _check(forms: dict[str, Any], seed: int | None, out: str | None) -> None:
    """Refuse what does not go together, all at once."""
    wanted = " and ".join(name for name, is_wanted in forms.items() if is_wanted)
    mistakes = []
    if " and " in wanted:
        mistakes.append(f"{wanted}: give one of them")
    if forms["--disagreements"] and not out:
        mistakes.append("--disagreements: give an output, --out FILE.csv, or --out FOLDER/ for TextGrids")
    if seed is not None and not forms["--disagreements"]:
        mistakes.append(f"--seed {seed}: only --disagreements takes a seed")
    if out and (forms["--markdown"] or forms["--latex"]):
        mistakes.append(f"--out {out}: {wanted} is printed; write it to a file with > FILE")
    if out and forms["--figures"]:
        mistakes.append(f"--out {out}: --figures FOLDER names their folder; leave it out")
    if out and not forms["--disagreements"] and Path(out).is_file():
        mistakes.append(f"--out {out}: is a file; a report needs a folder")
    if mistakes:
        raise UserError("\n".join(mistakes))


def _figures(comparison: "Comparison", folder: Path) -> None:
    from harness.report import drawing, outline

    found = outline.figures(comparison)
    with click.progressbar(found, label="figures", file=sys.stderr) as shown:
        drawing.write(comparison, shown, folder)
    click.echo(f"{_typed(folder)}: {len(found)} figures as PDF and SVG; figures.tex shows each with its caption")


def _disagreements(record: "StudyRecord", arms: tuple[str, str], seed: int | None, out: str) -> None:
    from harness.display.document import Heading, Line
    from harness.display.terminal import show
    from harness.report import disagreements

    disagreements.check(out)
    between = disagreements.between(record, *arms, seed)
    files = disagreements.write(out, between)
    show([*disagreements.blocks(between), Heading("Written"), *map(Line, files)])


def show(
    comparison: "Comparison",
    root: Path,
    chosen: Sequence[str],
    folder: Path | None = None,
    everything: bool = False,
) -> None:
    """Tables, files, and what to do next.

    Args:
        chosen: the options that name what is compared.
        folder: of the files; `reports/NAME` unless given.
    """
    from harness.display import terminal
    from harness.display.document import Heading, Line
    from harness.report import files, outline
    from harness.tracking import store

    folder = folder or _reports(root, comparison)
    files.write(comparison, folder)
    again = f"{_own_command()} {shlex.join(['report', *chosen])}"
    next_ = [
        ("report", shlex.quote(_typed(folder / "index.html"))),
        ("every run", f"{store.ui_command(root)}   (takes half a minute to start)"),
        ("side by side", store.open_store(root).view(comparison.study)),
        ("all tables" if not everything else "in short", again if everything else f"{again} --all"),
        ("to paste", f"{again} --markdown   (or --latex)"),
    ]
    lines = [Line(f"{what + ':':<14}{how}") for what, how in next_ if how]
    terminal.show([*outline.blocks(comparison, everything=everything), Heading("Next"), *lines])


def project() -> Path:
    """The project's folder; the architectures that lie in it are found from then on."""
    from harness.conductor.workspace import project_root
    from harness.experiment.load import look_in

    root = project_root(Path.cwd())
    look_in(root)
    return root


def _reports(root: Path, comparison: "Comparison") -> Path:
    """Of several: reports/A+B; a run's name is ARM seed N, or STUDY/ARM seed N."""
    names = comparison.studies
    if len(names) == 1:
        return root / "reports" / names[0]
    return root / "reports" / "+".join(name.replace("/", "-").replace(" ", "_") for name in names)


def _typed(path: Path) -> str:
    """A path as one types it here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _own_command() -> str:
    """This command as it works when typed in this shell."""
    here = Path(sys.argv[0])
    command = shutil.which("harness")
    return "harness" if command and Path(command).resolve() == here.resolve() else shlex.quote(_typed(here.absolute()))
