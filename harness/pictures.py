"""What MLflow's compare page can show side by side: a confusion matrix as PNG, the phonemes as a Markdown table."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

_WIDTH = 600  # pixels; the compare page shows no more


def confusion_png(confusion: np.ndarray, phonemes: Sequence[str], title: str) -> bytes:
    """(C, C) counts, rows true and columns predicted -> a picture of each row's rates, 600 pixels wide."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rates = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    figure = Figure(figsize=(_WIDTH / 100, _WIDTH / 100), dpi=100)
    axes = figure.add_axes((0.09, 0.08, 0.86, 0.86))
    axes.imshow(np.sqrt(rates), cmap="Blues", vmin=0, vmax=1, interpolation="nearest")  # the root shows small ones
    axes.set_xticks(range(len(phonemes)), phonemes, rotation=90, fontsize=6)
    axes.set_yticks(range(len(phonemes)), phonemes, fontsize=6)
    axes.tick_params(length=0, pad=1)
    axes.set_title(title, fontsize=9)
    axes.set_xlabel("predicted", fontsize=8, labelpad=1)
    axes.set_ylabel("true", fontsize=8, labelpad=1)
    file = io.BytesIO()
    FigureCanvasAgg(figure).print_png(file, pil_kwargs={"compress_level": 1})
    return file.getvalue()


def per_phoneme_markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """A line per phoneme: precision, recall and F1 in percent, support in frames."""
    lines = ["| phoneme | precision | recall | F1 | support |", "| --- | ---: | ---: | ---: | ---: |"]
    for row in rows:
        rates = " | ".join(f"{100 * row[name]:.1f}" for name in ("precision", "recall", "f1"))
        lines.append(f"| {row['phoneme']} | {rates} | {row['support']:,} |")
    return "\n".join(lines) + "\n"
