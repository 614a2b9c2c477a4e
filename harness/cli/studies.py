"""The commands that look after studies: `harness studies`, `stop`, `archive`, `delete`."""

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from harness.cli.report import project
from harness.errors import UserError

if TYPE_CHECKING:
    from harness.conductor.studies import Standing
    from harness.display.document import Block

_STUDY = click.argument("study")


@click.command()
@click.option("--archived", "with_archived", is_flag=True, help="Also those that were put aside.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list on standard output, and nothing else.")
def studies(with_archived: bool, as_json: bool) -> None:
    """Show how every study stands: running, stopped, failed, finished."""
    from harness.conductor.studies import standings
    from harness.display import terminal

    found = standings(project(), with_archived=with_archived)
    if as_json:
        click.echo(json.dumps([asdict(own) for own in found], indent=1, ensure_ascii=False))
    else:
        terminal.show(blocks(found))


def blocks(found: "list[Standing]") -> "list[Block]":
    """A table, and below it what to do about those that are not finished."""
    from harness.display.document import Heading, Line, Table, numbers

    if not found:
        return [Line("no study yet; `harness run FILE` makes one")]
    rows = [
        (own.study, own.state, f"{100 * own.done:.0f} %", own.when[:16].replace("T", " "), ", ".join(own.arms))
        for own in found
    ]
    shown: list[Block] = [Table(["study", "state", *numbers("runs done"), "when", "arms"], rows)]
    for own in found:
        match own.state:
            case "running":
                shown.append(Line(f"{own.study} runs on {own.host}; to stop it: harness stop {own.study}"))
            case "failed":
                shown += [Line(f"{own.study}: {own.why}"), Line(f"  to go on: {own.command}")]
            case "stopped":
                shown += [Line(f"{own.study}: to go on: {own.command}")]
    finished = [own.study for own in found if own.state == "finished"]
    if finished:
        shown += [Heading("Next"), Line(f"harness report --study {finished[0]}")]
    return shown


@click.command()
@_STUDY
def stop(study: str) -> None:
    """Stop a running STUDY, as Ctrl-C does; the same command that ran it goes on."""
    from harness.conductor import studies as looked_after

    standing = looked_after.stop(project(), study)
    click.echo(f"{study}: {standing.state}, {100 * standing.done:.0f} % of its runs are done")
    if standing.command:
        click.echo(f"to go on: {standing.command}")


@click.command()
@_STUDY
@click.option("--undo", is_flag=True, help="Bring an archived study back.")
def archive(study: str, undo: bool) -> None:
    """Put a STUDY aside: its name is free again, its results can still be read."""
    from harness.conductor import studies as looked_after

    root = project()
    if undo:
        click.echo(f"{looked_after.bring_back(root, study)}: is back")
        return
    name = looked_after.archive(root, study)
    click.echo(f"{study}: is archived")
    click.echo(f"to read it: harness report --study '{name}'")
    click.echo(f"to undo:    harness archive --undo {study}")


@click.command()
@_STUDY
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(study: str, yes: bool) -> None:
    """Delete a STUDY: its working folder for good, its runs into MLflow's trash.

    That its models were scored on a test split stays known as long as MLflow's trash holds it. A report that was
    written stays.
    """
    from harness.conductor import studies as looked_after

    root = project()
    if not yes:
        if not sys.stdin.isatty():
            raise UserError(f"{study}: nobody can be asked here; say --yes to delete it")
        click.confirm(f"Delete study {study}, with all its runs?", abort=True)
    looked_after.delete(root, study)
    click.echo(f"{study}: is deleted; MLflow keeps its runs in the trash until `mlflow gc`")
