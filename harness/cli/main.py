"""The command line: parse, call one function, print errors, exit status. Imports nothing heavy before it is needed."""

import atexit
import gc
import io
import os
import sys
from pathlib import Path
from typing import Any

import click

from harness import __version__, failures, prints
from harness.cli import data, models, report, studies
from harness.errors import Interrupted, RunFailed, UserError

# Read when torch is imported. Its threads would else spin while they wait for each other, which makes small models
# several times slower as soon as another process wants a core (docs/performance.md).
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # some microseconds, as long as the next operation mostly takes to come

# At its end Python would look through all that torch and mlflow imported for garbage: 1.5 s, for nothing.
atexit.register(gc.freeze)

_SECONDS = "Approximate time for each measurement."
_RESTART_ARM = "Train this arm anew, and keep the others. Repeatable."


class Commands(click.Group):
    """Turns what went wrong into a line on standard error and an exit status: 2 the user's, 1 a run's, 130 stopped."""

    def invoke(self, ctx: click.Context) -> Any:
        for stream in (sys.stdout, sys.stderr):  # in an encoding that lacks a character, a "?" stands for it
            if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
                stream.reconfigure(errors="replace")
        try:
            return super().invoke(ctx)
        except UserError as error:
            _fail(str(error), 2)
        except RunFailed as error:
            _fail(f"failed: {error}", 1)
        except (Interrupted, KeyboardInterrupt):
            _fail("stopped; finished work is saved, and the same command resumes from here", 130)
        except BrokenPipeError:  # the reader of a pipe went away
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(0)
        except Exception as error:
            if sentence := failures.of_medium(error):
                _fail(sentence, 1)
            if fault := _fault_of_architecture(error):
                _fail(fault, 2)
            raise


def _fault_of_architecture(error: Exception) -> str | None:
    """What went wrong in the code of an architecture; None unless one was used."""
    import architectures

    return architectures.fault_of(error)


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
    harness report --study ladnn                   print the comparison again, from MLflow
    """


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--plan", is_flag=True, help="Print what would run and what it would cost; train nothing.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option(
    "--set",
    "overrides",
    metavar="KEY=VALUE",
    multiple=True,
    help="Override a setting of the file: training.epochs=2, data.corpus=PATH. Repeatable.",
)
@click.option("--amend", is_flag=True, help="Train arms anew whose settings the file has changed.")
@click.option("--restart-arm", "restart_arms", metavar="NAME", multiple=True, help=_RESTART_ARM)
@click.option("--restart", is_flag=True, help="Archive the existing study and start again.")
def run(
    file: Path,
    plan: bool,
    device: str,
    overrides: tuple[str, ...],
    amend: bool,
    restart_arms: tuple[str, ...],
    restart: bool,
) -> None:
    """Run the study of an experiment FILE, or resume it where it stopped."""
    from harness.experiment.load import load

    root = report.project()
    experiment = load(file, overrides)
    if plan:
        from harness.conductor.plan import plan as planned
        from harness.display import panel, terminal
        from harness.display.progress import Progress

        with panel.display() as display:
            blocks = planned(experiment, root, device, Progress(display))
        terminal.show(blocks)
        return
    from harness.api.running import run_study

    comparison = run_study(experiment, root, device=device, amend=amend, restart_arms=restart_arms, restart=restart)
    report.show(comparison, root, ["--study", experiment.study])


@main.command(name="bench")
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--arm", "only", multiple=True, metavar="NAME", help="Measure only this arm. Repeatable.")
@click.option("--batch-size", type=click.IntRange(min=1), help="Frames per batch.  [each arm's own]")
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), default=1.0, show_default=True, help=_SECONDS)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option("--precision", type=click.Choice(["auto", "fp32", "bf16"]), default="auto", show_default=True)
def bench_(
    file: Path | None, only: tuple[str, ...], batch_size: int | None, seconds: float, device: str, precision: str
) -> None:
    """Benchmark the training step and its parts against the machine's ceiling and a usual trainer.

    Measures the arms of an experiment FILE at the low ends of their ranges. Without FILE: a reference LA-DNN, an FF-DNN
    with the same widths, and a small model. The last line of the output is one JSON document.
    """
    import json

    from harness.bench.measure import arms_of, bench
    from harness.cli.bench import blocks
    from harness.display import terminal
    from harness.frames.device import choose, choose_device

    arms, chosen = arms_of(file, only), choose_device(device)
    arithmetic = choose(chosen) if precision == "auto" else precision
    with prints.shown_after("bench"):
        found = bench(
            arms,
            device=chosen,
            arithmetic=arithmetic,
            batch_size=batch_size,
            seconds=seconds,
            say=lambda text: click.echo(text, err=True),
        )
    terminal.show(blocks(found))
    click.echo(json.dumps(found))


main.add_command(data.data)
main.add_command(report.report)
main.add_command(models.predict)
main.add_command(models.export)
main.add_command(models.reproduce)
main.add_command(studies.studies)
main.add_command(studies.stop)
main.add_command(studies.archive)
main.add_command(studies.delete)


@main.command(name="list")
def list_() -> None:
    """List architectures with their hyper-parameters, corpora and studies."""
    from harness.cli import listing
    from harness.display import terminal

    terminal.show(listing.blocks(report.project()))
