"""What MLflow's compare page can show side by side: a confusion matrix as PNG, the phonemes as a Markdown table.

The page's figures as pictures of one arm, for MLflow's compare page: it sets files of one name side by side.

Every picture is 600 pixels wide, because that page shows no more, and has the other arms in grey: so all arms have the
same axes, and each can be looked at alone. Made from the numbers of `comparison.json` alone.
"""

import functools
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

_WIDTH = 600  # pixels; the compare page shows no more


def confusion_png(confusion: np.ndarray, phonemes: Sequence[str], title: str) -> bytes:
    """(C, C) counts, rows true and columns predicted -> a picture of each row's rates, 600 pixels wide."""
    from PIL import Image

    canvas, empty = _empty(tuple(phonemes))
    axes = canvas.figure.axes[0]
    rates = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    axes.images[0].set_data(np.sqrt(rates))  # the root shows small ones
    axes.title.set_text(title)
    canvas.restore_region(empty)
    for artist in (axes.images[0], *axes.spines.values(), axes.title):
        axes.draw_artist(artist)
    file = io.BytesIO()
    Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB").save(file, "PNG", compress_level=1)
    return file.getvalue()


@functools.lru_cache(maxsize=8)
def _empty(phonemes: tuple[str, ...]) -> tuple[Any, Any]:
    """The canvas without rates and title, and its pixels: the 80 labels are nine tenths of the work of drawing."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    n = len(phonemes)
    figure = Figure(figsize=(_WIDTH / 100, _WIDTH / 100), dpi=100)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0.09, 0.08, 0.86, 0.86))
    axes.imshow(np.zeros((n, n)), cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
    axes.set_xticks(range(n), phonemes, rotation=90, fontsize=6)
    axes.set_yticks(range(n), phonemes, fontsize=6)
    axes.tick_params(length=0, pad=1)
    axes.set_title("", fontsize=9)
    axes.set_xlabel("predicted", fontsize=8, labelpad=1)
    axes.set_ylabel("true", fontsize=8, labelpad=1)
    canvas.draw()
    return canvas, canvas.copy_from_bbox(figure.bbox)


def per_phoneme_markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """A line per phoneme: precision, recall and F1 in percent, support in frames."""
    lines = ["| phoneme | precision | recall | F1 | support |", "| --- | ---: | ---: | ---: | ---: |"]
    for row in rows:
        rates = " | ".join(f"{100 * row[name]:.1f}" for name in ("precision", "recall", "f1"))
        lines.append(f"| {row['phoneme']} | {rates} | {row['support']:,} |")
    return "\n".join(lines) + "\n"


_GREY, _DPI = "#b4bac2", 100
_MARKS = "oDs^*phX"

Arm = Mapping[str, Any]
Panel = Callable[[Any, Arm, Mapping[str, Any]], None]
"""Draws one arm into matplotlib's axes: in its colour and with its sign, or in grey."""


def arm_pictures(arm: str, comparison: Mapping[str, Any], colours: Sequence[str]) -> dict[str, bytes]:
    """File name -> PNG of an arm; what the comparison lacks is left out.

    Args:
        colours: of the arms, in their order.
    """
    arms = comparison["arms"]
    found = {}
    for name, (needed, panels, height) in _PICTURES.items():
        if all(row.get(key) for row in arms for key in needed):
            found[name] = _drawn(arm, comparison, panels, height, colours)
    return found


def _drawn(
    name: str, comparison: Mapping[str, Any], panels: Sequence[Panel], height: int, colours: Sequence[str]
) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image

    figure = Figure(figsize=(600 / _DPI, height / _DPI), dpi=_DPI)
    canvas = FigureCanvasAgg(figure)
    figure.suptitle(name, fontsize=10, x=0.02, ha="left", fontweight="bold")
    figure.subplots_adjust(left=0.1, right=0.965, top=1 - 50 / height, bottom=45 / height, hspace=0.4)
    for axes, panel in zip(figure.subplots(len(panels), 1, squeeze=False)[:, 0], panels, strict=True):
        axes.tick_params(labelsize=7, length=2)
        axes.grid(visible=True, color="#e6e9ed", linewidth=0.7)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        own = [arm["arm"] for arm in comparison["arms"]].index(name)
        order = [i for i in range(len(comparison["arms"])) if i != own]
        for i in [*order, own]:  # its own last, above the others
            style = {"color": colours[i % len(colours)] if i == own else _GREY, "marker": _MARKS[i % len(_MARKS)]}
            panel(axes, comparison["arms"][i], {**style, "zorder": 3 if i == own else 2, "about": comparison})
        axes.xaxis.label.set_size(8)
        axes.yaxis.label.set_size(8)
    canvas.draw()
    file = io.BytesIO()
    Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB").save(file, "PNG", compress_level=6)
    return file.getvalue()


def _line(look: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"color": look["color"], "marker": look["marker"], "zorder": look["zorder"], "markersize": 4, **more}


def _phonemes(axes: Any, arm: Arm, look: Mapping[str, Any]) -> None:
    rows = [row for row in arm["phonemes"] if row["support"]]
    names = [row["phoneme"] for row in rows]
    axes.plot([100 * row["f1"] for row in rows], range(len(rows)), **_line(look, linestyle="none"))
    axes.set(xlim=(0, 100), ylim=(len(rows) - 0.4, -0.6), xlabel="F1, %, pooled over seeds")
    axes.set_yticks(range(len(rows)), names)


def _speakers(axes: Any, arm: Arm, look: Mapping[str, Any]) -> None:
    arms = look["about"]["arms"]
    means = [{row["speaker"]: row["accuracy"]["mean"] for row in other["speakers"]} for other in arms]
    names = sorted(means[0], key=lambda name: sum(of_arm[name] for of_arm in means))
    own = {row["speaker"]: 100 * row["accuracy"]["mean"] for row in arm["speakers"]}
    axes.plot(range(len(names)), [own[name] for name in names], **_line(look, linestyle="none"))
    axes.set(ylabel="accuracy, %", xlabel="speakers, the hardest first")
    axes.set_xticks([])
    worst = arm["worst_speaker"]
    if look["zorder"] == 3:
        axes.set_title(f"worst: {worst['speaker']}, {100 * worst['accuracy']['mean']:.2f} %", loc="right", fontsize=8)


def _boundaries(axes: Any, arm: Arm, look: Mapping[str, Any]) -> None:
    rows = arm["boundaries"]
    axes.plot(
        [row["distance"] for row in rows], [100 * row["accuracy"]["mean"] for row in rows], **_line(look, linewidth=1.5)
    )
    axes.set(xlabel="frames to the nearest change", ylabel="accuracy, %")


def _calibration(axes: Any, arm: Arm, look: Mapping[str, Any]) -> None:
    rows = arm["calibration"]
    axes.plot([0, 100], [0, 100], color=_GREY, linestyle=":", linewidth=1)
    axes.plot(
        [100 * row["confidence"] for row in rows], [100 * row["accuracy"] for row in rows], **_line(look, linewidth=1.5)
    )
    axes.set(xlim=(0, 100), ylim=(0, 100), xlabel="probability of the predicted phoneme, %", ylabel="right, %")
    if look["zorder"] == 3:
        axes.set_title(
            f"calibration error {100 * arm['test']['calibration_error']['mean']:.2f} %", loc="right", fontsize=8
        )


def _learning(axes: Any, arm: Arm, look: Mapping[str, Any]) -> None:
    for history in arm["history"]:
        epochs = history["epochs"]
        axes.plot(
            [epoch["epoch"] for epoch in epochs],
            [100 * epoch["validation_accuracy"] for epoch in epochs],
            **_line(look, linewidth=1.2, markersize=3),
        )
    axes.set(xlabel="epoch", ylabel="validation accuracy, %")
    axes.xaxis.get_major_locator().set_params(integer=True)


def _effort(axes: Any, arm: Arm, look: Mapping[str, Any]) -> None:
    curve = arm["effort"]["curve"]
    ks = [row["trials"] for row in curve]
    axes.plot(ks, [100 * row["expected"] for row in curve], **_line(look, linewidth=1.5))
    bounded = [row for row in curve if row["low"] is not None and row["high"] is not None]
    if bounded and look["zorder"] == 3:
        low, high = ([100 * row[end] for row in bounded] for end in ("low", "high"))
        axes.fill_between([row["trials"] for row in bounded], low, high, color=look["color"], alpha=0.15, linewidth=0)
    axes.set(xlabel="random trials", ylabel="expected best on validation, %")
    axes.xaxis.get_major_locator().set_params(integer=True)


_PICTURES: dict[str, tuple[tuple[str, ...], tuple[Panel, ...], int]] = {
    "phonemes.png": (("phonemes",), (_phonemes,), 620),
    "speakers.png": (("speakers",), (_speakers,), 480),
    "boundaries_calibration.png": (("boundaries", "calibration"), (_boundaries, _calibration), 620),
    "learning.png": (("history",), (_learning,), 280),
    "budget.png": (("search",), (_effort,), 280),
}
"""File -> what an arm must have for it, its panels, its height in pixels."""
