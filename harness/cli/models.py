"""The commands that put a trained model to use: `harness predict`, `harness export`."""

import time
from pathlib import Path

import click

from harness import prints
from harness.cli.report import project

_STUDY = click.option("--study", required=True, metavar="NAME", help="Name of the study.")
_ARM = click.option("--arm", required=True, metavar="NAME", help="Name of the arm.")
_SEED = click.option("--seed", type=int, metavar="N", help="Seed of the final run.  [the first of the comparison]")


@click.command()
@click.argument("data")
@_STUDY
@_ARM
@_SEED
@click.option("--ensemble", is_flag=True, help="Average the posteriors of all seeds of the arm.")
@click.option("--split", metavar="SPLIT", help="Split of the corpus.  [its only one]")
@click.option("--out", "outs", required=True, multiple=True, metavar="FILE", help="Repeatable.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
def predict(
    data: str,
    study: str,
    arm: str,
    seed: int | None,
    ensemble: bool,
    split: str | None,
    outs: tuple[str, ...],
    device: str,
) -> None:
    """Label DATA, frame by frame, with a trained model.

    DATA is a corpus (a folder in the HW1P2 layout, with or without transcripts), a sound file, or a folder of sound
    files. The ending of FILE selects the format:

    \b
    NAME.csv       id,label for every frame, utterances in the order of their names
    NAME.npz       posteriors
    NAME.TextGrid  labels in time, of one utterance
    FOLDER/        a TextGrid for each utterance

    With transcripts it also prints the classification report.
    """
    from harness.errors import UserError
    from harness.prediction import model, outputs, source

    forms = [outputs.form(out) for out in outs]
    if ensemble and seed is not None:
        raise UserError(f"--seed {seed}: --ensemble uses all seeds; give only one of the two options")
    root = project()
    with prints.kept():
        models = model.load_all(root, study, arm) if ensemble else [model.load(root, study, arm, seed)]

    from harness.cli import prediction_table
    from harness.conductor.workspace import cache
    from harness.display import panel, terminal
    from harness.display.document import Line
    from harness.display.progress import Progress
    from harness.frames.device import choose_device
    from harness.prediction.predict import predict as labelled
    from harness.tracking.store import open_store
    from harness.training import provenance

    chosen = choose_device(device)
    with panel.display() as display:
        progress = Progress(display)
        found = source.read(data, split, models[0], cache(root), progress.reading)
        outputs.check(outs, len(found.part.lengths))
        started = time.perf_counter()
        with prints.shown_after(arm):
            prediction = labelled(
                models,
                found.part,
                chosen,
                keep_posteriors=".npz" in forms,
                progress=lambda done, total: progress.reading("labelling", done, total),
            )
        seconds = time.perf_counter() - started
    written = [(out, outputs.write(out, found, prediction, models[0].saved.phonemes)) for out in outs]
    files = [Line(f"{out}: {what}") for out, what in written]
    if prediction.confusion is not None:  # a look at this split, which those who test on it shall know of
        open_store(root).note_scored(study, found.part.digest[:8])
    machine = provenance.of_machine(chosen.type, models[0].precision)["device"]
    terminal.show([*prediction_table.blocks(models, found, prediction, seconds, machine), *files])


@click.command()
@click.argument("run_id")
@click.option("--corpus", metavar="PATH", help="Where its corpus lies now.  [where it lay then]")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
def reproduce(run_id: str, corpus: str | None, device: str) -> None:
    """Train a run again from its record in MLflow and compare the results.

    RUN_ID is the id of a trial or a final in MLflow, or its first characters. On the same kind of machine the result is
    equal bit for bit, or else the exit status is 1; on another one it says by how much it differs.
    """
    from harness.cli import reproduction
    from harness.conductor.reproduce import reproduce as reproduced
    from harness.display import panel, terminal
    from harness.display.progress import Progress

    with panel.display() as display:
        found = reproduced(run_id, project(), device=device, corpus=corpus, progress=Progress(display))
    terminal.show(reproduction.blocks(found))
    if not found.is_equal and not found.machine_differs:
        click.get_current_context().exit(1)


@click.command()
@_STUDY
@_ARM
@_SEED
@click.option("--out", required=True, metavar="FILE", type=click.Path(path_type=Path, dir_okay=False))
def export(study: str, arm: str, seed: int | None, out: Path) -> None:
    """Write a trained model as ONNX, with a .pt2 (torch.export) beside it; as .pt2 alone if FILE is one.

    Its input is a batch of windows of normalised frames, its output their logits; the metadata describe the rest.
    """
    from harness.display import wording
    from harness.prediction import export as exporting
    from harness.prediction.model import load

    with prints.shown_after(arm):
        model = load(project(), study, arm, seed)
        differences = exporting.export(model, out)
    size = wording.count(model.result.parameters)
    whose = f"study {study}, arm {model.result.arm} ({model.saved.architecture}), seed {model.result.seed}"
    click.echo(f"{whose}: {size} parameters")
    for file, difference in differences.items():
        click.echo(f"{file}: {file.stat().st_size:,} bytes; logits differ from torch's by at most {difference:.1g}")
    if model.saved.note:
        click.echo(f"note: {model.saved.note}")
    if model.features() is None:
        click.echo("note: the feature settings are unknown and therefore not in the files (docs/using-a-model.md)")
