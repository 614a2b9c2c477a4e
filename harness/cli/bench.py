"""What `harness bench` prints above its JSON."""

from typing import Any

from harness.display.document import Block, Heading, Line, Table, numbers
from harness.display.wording import rounded


def blocks(found: dict[str, Any]) -> list[Block]:
    """The measurements as tables that fit 80 columns."""
    rows = []
    for arm in found["arms"]:
        per_second = [arm[part]["frames_per_second"] for part in ("gather", "forward", "step", "evaluate", "usual")]
        ratio = f"{arm['ratio_to_usual']:.1f} x"
        rows.append((arm["arm"], *(rounded(value) for value in per_second), ratio))
    steps = tuple(
        (
            arm["arm"],
            rounded(arm["parameters"]),
            str(arm["batch_size"]),
            f"{arm['step']['milliseconds']:.1f}",
            f"{100 * arm['step']['share_of_ceiling']:.0f} %",
            f"{100 * arm['gather']['share_of_step']:.1f} %",
            f"{rounded(arm['ceiling_flops'])}FLOP/s",
            f"{rounded(arm['peak_bytes'])}B",
        )
        for arm in found["arms"]
    )
    reading = found["reading"]
    return [
        Heading(f"{found['device']}, {found['precision']}, torch {found['torch']}"),
        Heading("Frames per second"),
        Table(["arm", *numbers("gather", "forward", "step", "evaluate", "usual way", "step to usual")], rows),
        Heading("The training step, and its share of the speed of the matrix products alone"),
        Table(
            ["arm", *numbers("parameters", "batch", "ms", "of ceiling", "gather", "ceiling", "peak")],
            steps,
        ),
        *(
            Line(
                f"{arm['arm']}: {arm['together']['models']} models as one batched model take "
                f"{arm['together']['ratio_to_one']:.2f} times the time of one"
            )
            for arm in found["arms"]
            if "together" in arm
        ),
        Heading(f"Reading {reading['utterances']:,} utterances, {reading['frames']:,} frames"),
        Line(
            f"usual way {reading['usual_seconds']:.2f} s, first time {reading['first_seconds']:.2f} s "
            f"({reading['ratio_to_usual']:.1f} x), from the store {reading['store_seconds']:.3f} s"
        ),
        Line(""),
    ]
