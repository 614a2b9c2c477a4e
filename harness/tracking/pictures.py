"""Pictures of one arm for MLflow's compare page, which sets files of one name side by side.

Every picture is 600 pixels wide, because that page shows no more. Those of the comparison have the other arms in grey:
so all arms have the same axes, and each can be looked at alone.

Legend: C classes.
"""

import functools
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from harness.comparison.arm_model import ComparedArm
from harness.comparison.model import Comparison

if TYPE_CHECKING:  # matplotlib takes a second, and a study's reading does without
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import FigureCanvasAgg

_WIDTH, _DPI = 600, 100
_GREY = "#b4bac2"
_MARKS = "oDs^*phX"


def confusion_png(confusion: np.ndarray, phonemes: Sequence[str], title: str) -> bytes:
    """(C, C) counts, rows true and columns predicted -> a picture of each row's rates."""
    canvas, empty = _empty_matrix(tuple(phonemes))
    axes = canvas.figure.axes[0]
    rates = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    axes.images[0].set_data(np.sqrt(rates))  # the root shows small ones
    axes.title.set_text(title)
    canvas.restore_region(empty)
    for artist in (axes.images[0], *axes.spines.values(), axes.title):
        axes.draw_artist(artist)
    return _png(canvas, compress_level=1)


@functools.lru_cache(maxsize=8)
def _empty_matrix(phonemes: tuple[str, ...]) -> tuple["FigureCanvasAgg", object]:
    """The canvas without rates and title, and its pixels: the 80 labels are nine tenths of the work of drawing."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    n = len(phonemes)
    figure = Figure(figsize=(_WIDTH / _DPI, _WIDTH / _DPI), dpi=_DPI)
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


def _png(canvas: "FigureCanvasAgg", compress_level: int) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    picture.save(file, "PNG", compress_level=compress_level)
    return file.getvalue()


@dataclass(frozen=True)
class Look:
    """How one arm is drawn in the picture of an arm."""

    colour: str
    marker: str
    is_own: bool
    """Whether the picture is this arm's: it has its colour and stands above the others, which are grey."""

    def plot(
        self, axes: "Axes", x: Sequence[float | str], y: Sequence[float], *, size: float = 4, width: float = 0
    ) -> None:
        """Points of this look; joined by a line where it has a width.

        Args:
            size: of the markers, in points.
            width: of the line, in points.
        """
        line = {"linewidth": width} if width else {"linestyle": "none"}
        axes.plot(x, y, color=self.colour, marker=self.marker, markersize=size, zorder=3 if self.is_own else 2, **line)


Panel: TypeAlias = "Callable[[Axes, ComparedArm, Look, Comparison], None]"
"""What draws one arm into matplotlib's axes."""


@dataclass(frozen=True)
class Picture:
    """Panels below each other in one file."""

    needs: Callable[[ComparedArm], bool]
    """Whether an arm has its numbers."""
    panels: tuple[Panel, ...]
    height: int
    """Pixels."""


def arm_pictures(arm: str, comparison: Comparison, colours: Sequence[str]) -> dict[str, bytes]:
    """File name -> PNG of an arm; a picture whose numbers some arm lacks is left out.

    Args:
        colours: of the arms, in their order.
    """
    return {
        name: _drawing(arm, comparison, picture, colours)
        for name, picture in _PICTURES.items()
        if all(picture.needs(row) for row in comparison.arms)
    }


def _drawing(name: str, comparison: Comparison, picture: Picture, colours: Sequence[str]) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height, arms = picture.height, comparison.arms
    figure = Figure(figsize=(_WIDTH / _DPI, height / _DPI), dpi=_DPI)
    canvas = FigureCanvasAgg(figure)
    figure.suptitle(name, fontsize=10, x=0.02, ha="left", fontweight="bold")
    figure.subplots_adjust(left=0.1, right=0.965, top=1 - 50 / height, bottom=45 / height, hspace=0.4)
    own = [arm.arm for arm in arms].index(name)
    order = [*(i for i in range(len(arms)) if i != own), own]  # its own last, above the others
    for axes, panel in zip(figure.subplots(len(picture.panels), 1, squeeze=False)[:, 0], picture.panels, strict=True):
        axes.tick_params(labelsize=7, length=2)
        axes.grid(visible=True, color="#e6e9ed", linewidth=0.7)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        for i in order:
            colour = colours[i % len(colours)] if i == own else _GREY
            panel(axes, arms[i], Look(colour, _MARKS[i % len(_MARKS)], i == own), comparison)
        axes.xaxis.label.set_size(8)
        axes.yaxis.label.set_size(8)
    canvas.draw()
    return _png(canvas, compress_level=6)


def _phonemes(axes: "Axes", arm: ComparedArm, look: Look, comparison: Comparison) -> None:
    rows = [row for row in arm.phonemes if row.support]
    look.plot(axes, [100 * row.f1 for row in rows], range(len(rows)))
    axes.set(xlim=(0, 100), ylim=(len(rows) - 0.4, -0.6), xlabel="F1, %, pooled over seeds")
    axes.set_yticks(range(len(rows)), [row.phoneme for row in rows])


def _speakers(axes: "Axes", arm: ComparedArm, look: Look, comparison: Comparison) -> None:
    means = [{row.speaker: row.accuracy.mean for row in other.speakers} for other in comparison.arms]
    names = sorted(means[0], key=lambda name: sum(of_arm[name] for of_arm in means))
    accuracy = {row.speaker: 100 * row.accuracy.mean for row in arm.speakers}
    look.plot(axes, range(len(names)), [accuracy[name] for name in names])
    axes.set(ylabel="accuracy, %", xlabel="speakers, the hardest first")
    axes.set_xticks([])
    worst = arm.worst_speaker
    if look.is_own:
        axes.set_title(f"worst: {worst.speaker}, {100 * worst.accuracy.mean:.2f} %", loc="right", fontsize=8)


def _boundaries(axes: "Axes", arm: ComparedArm, look: Look, comparison: Comparison) -> None:
    rows = arm.boundaries or ()
    look.plot(axes, [row.distance for row in rows], [100 * row.accuracy.mean for row in rows], width=1.5)
    axes.set(xlabel="frames to the nearest change", ylabel="accuracy, %")


def _calibration(axes: "Axes", arm: ComparedArm, look: Look, comparison: Comparison) -> None:
    rows = arm.calibration or ()
    axes.plot([0, 100], [0, 100], color=_GREY, linestyle=":", linewidth=1)
    look.plot(axes, [100 * row.confidence for row in rows], [100 * row.accuracy for row in rows], width=1.5)
    axes.set(xlim=(0, 100), ylim=(0, 100), xlabel="probability of the predicted phoneme, %", ylabel="right, %")
    if look.is_own:
        error = 100 * arm.test["calibration_error"].mean
        axes.set_title(f"calibration error {error:.2f} %", loc="right", fontsize=8)


def _learning(axes: "Axes", arm: ComparedArm, look: Look, comparison: Comparison) -> None:
    for curve in arm.history:
        accuracies = [100 * epoch.validation_accuracy for epoch in curve.epochs]
        look.plot(axes, [epoch.epoch for epoch in curve.epochs], accuracies, size=3, width=1.2)
    axes.set(xlabel="epoch", ylabel="validation accuracy, %")
    _whole_numbers(axes)


def _effort(axes: "Axes", arm: ComparedArm, look: Look, comparison: Comparison) -> None:
    curve = arm.effort.curve
    look.plot(axes, [best.trials for best in curve], [100 * best.expected for best in curve], width=1.5)
    bounds = [(best.trials, best.low, best.high) for best in curve if best.low is not None and best.high is not None]
    if bounds and look.is_own:
        low, high = [100 * low for _, low, _ in bounds], [100 * high for _, _, high in bounds]
        axes.fill_between([n for n, _, _ in bounds], low, high, color=look.colour, alpha=0.15, linewidth=0)
    axes.set(xlabel="random trials", ylabel="expected best on validation, %")
    _whole_numbers(axes)


def _whole_numbers(axes: "Axes") -> None:
    from matplotlib.ticker import MaxNLocator

    locator = axes.xaxis.get_major_locator()
    assert isinstance(locator, MaxNLocator)  # of an axis whose ticks nobody set
    locator.set_params(integer=True)


_PICTURES = {
    "phonemes.png": Picture(lambda arm: bool(arm.phonemes), (_phonemes,), 620),
    "speakers.png": Picture(lambda arm: bool(arm.speakers), (_speakers,), 480),
    "boundaries_calibration.png": Picture(
        lambda arm: bool(arm.boundaries and arm.calibration), (_boundaries, _calibration), 620
    ),
    "learning.png": Picture(lambda arm: bool(arm.history), (_learning,), 280),
    "budget.png": Picture(lambda arm: bool(arm.search), (_effort,), 280),
}
"""File -> picture of an arm."""
