"""What MLflow's compare page can show side by side: a confusion matrix as PNG, the phonemes as a Markdown table."""

import functools
import io
from collections.abc import Mapping, Sequence
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
