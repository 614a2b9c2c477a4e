"""What `harness reproduce` prints: a run then and now, and whether the two are the same."""

import numpy as np

from harness.conductor.reproduce import Reproduction
from harness.display.document import Block, Heading, Line, Table, numbers


def blocks(found: Reproduction) -> list[Block]:
    """The table of what was compared, and the answer."""
    then, now = found.then.history[-1].train_loss, found.now.history[-1].train_loss
    change = f"{now - then:+.2g}" if now != then else "0"
    loss = ("training loss of the last epoch", f"{then:.6f}", f"{now:.6f}", change)
    weights = [] if found.weights is None else [("weights, largest difference", "", "", f"{found.weights:.2g}")]
    machine = [(key, str(before), str(here)) for key, (before, here) in found.machine_differs.items()]
    machines: list[Block] = [Heading("Not the same machine"), Table(["what", "then", "now"], machine)]
    return [
        Heading(f"{found.name}, trained again"),
        Table(["what", *numbers("then", "now", "difference")], [_accuracies(found), *_labels(found), loss, *weights]),
        *(machines if machine else []),
        Line(""),
        Line(answer(found), strong=True),
        *(Line(f"note: {note}") for note in found.notes),
    ]


def answer(found: Reproduction) -> str:
    """The answer in a sentence."""
    epochs = f"{len(found.now.history)} epochs" if len(found.now.history) > 1 else "1 epoch"
    what = "the weights, " if found.weights is not None else ""
    if found.is_equal:
        return f"Equal bit for bit: {what}the learning curve of {epochs} and every label."
    if found.machine_differs:
        return "Not equal; other machines, threads or versions of torch may round differently."
    return "Not equal, although machine, threads and version of torch are the same."


def _accuracies(found: Reproduction) -> tuple[str, str, str, str]:
    part, (then, now) = list(found.parts.items())[-1]
    points = 100 * (now.accuracy - then.accuracy)
    difference = f"{points:+.2f} points" if points else "0"
    return f"{part} accuracy", f"{100 * then.accuracy:.2f} %", f"{100 * now.accuracy:.2f} %", difference


def _labels(found: Reproduction) -> list[tuple[str, str, str, str]]:
    rows = []
    for part, (then, now) in found.parts.items():
        n_frames = int(then.lengths.sum())
        if then.predicted is not None and now.predicted is not None and len(then.predicted) == len(now.predicted):
            n = int((then.predicted != now.predicted).sum())
            rows.append((f"frames of {part} with another label", "", f"of {n_frames:,}", f"{n:,}"))
        else:
            n = int(np.abs(then.counts.astype(int) - now.counts).sum()) // 2
            rows.append((f"frames of {part} counted elsewhere", "", f"of {n_frames:,}", f"{n:,}"))
    return rows
