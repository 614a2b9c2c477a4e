"""The command line: parse, call one function, print errors, exit status. Imports nothing heavy before it is needed."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from harness import __version__
from harness.errors import Interrupted, RunFailed, UserError


class Commands(click.Group):
    """Turns what went wrong into a line on standard error and an exit status: 2 the user's, 1 a run's, 130 stopped."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except UserError as error:
            _fail(str(error), 2)
        except RunFailed as error:
            _fail(f"failed: {error}", 1)
        except (Interrupted, KeyboardInterrupt):
            _fail("stopped; what is finished is kept, and the same command goes on from here", 130)
        except BrokenPipeError:  # the reader of a pipe went away
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(0)


def _fail(message: str, status: int) -> None:
    click.echo(message, err=True)
    sys.exit(status)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="harness")
def main() -> None:
    """Compare frame classifiers in speech, honestly and fast.

    \b
    harness run experiments/ladnn_vs_ffdnn.toml    train, tune and compare
    mlflow ui                                      look at every run
    harness report --study ladnn                   the comparison again, from MLflow
    """


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--plan", is_flag=True, help="Say what would be run and what it costs; train nothing.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option(
    "--set",
    "overrides",
    metavar="KEY=VALUE",
    multiple=True,
    help="Change a setting of the file: training.epochs=2, data.corpus=PATH. May be given several times.",
)
@click.option("--restart", is_flag=True, help="Archive what there is of this study and begin anew.")
def run(file: Path, plan: bool, device: str, overrides: tuple[str, ...], restart: bool) -> None:
    """Run the study of an experiment FILE, or go on with it where it stopped."""
    from harness import config

    experiment = config.load(file, overrides)
    root = _root()
    if plan:
        from harness import planning

        _display(lambda display: planning.plan(experiment, root, device, display))
        return
    from harness import finished

    comparison = None if restart else finished.comparison(experiment, root)
    link = ""
    if comparison is None:
        from harness.conduct import conduct
        from harness.progress import Progress

        comparison, link = _display(
            lambda display: conduct(experiment, root, device=device, restart=restart, progress=Progress(display))
        )
    _show(comparison, root / "reports" / experiment.study, root, link)


@main.command()
@click.option("--study", required=True, metavar="NAME", help="The study, as its file names it.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder of the files.  [reports/NAME]")
@click.option("--json", "as_json", is_flag=True, help="Print comparison.json instead of the tables.")
def report(study: str, out: Path | None, as_json: bool) -> None:
    """Print the comparison of a study and write its files, from MLflow alone."""
    from harness import finished

    root = _root()
    comparison = finished.of_study(study, root)
    _show(comparison, out or root / "reports" / study, root, "", as_json)
