"""Predictions as files: a CSV of labels, TextGrids, posteriors. The ending of a name tells which.

Legend: F frames, U utterances, C classes.
"""

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import IO

import numpy as np

from harness.corpora.alignments import textgrid
from harness.errors import UserError
from harness.files import replacing
from harness.prediction.predict import Prediction
from harness.prediction.source import Input

FORMS = {
    ".csv": "id,label of every frame, utterances in the order of their names",
    ".npz": "posteriors (F, C), predicted (F,), utterances (U,), lengths (U,), phonemes (C,)",
    ".TextGrid": "the labels in time, of one utterance",
    "/": "a folder, with a TextGrid for each utterance",
}


def form(path: str) -> str:
    """The one of `FORMS` that a path asks for.

    Raises:
        UserError: none of them.
    """
    if path.endswith("/") or Path(path).is_dir() or not Path(path).suffix:
        return "/"
    for ending in FORMS:
        if path.lower().endswith(ending.lower()):
            return ending
    raise UserError(f"--out {path}: allowed are NAME{', NAME'.join(FORMS)}")


def check(outs: Iterable[str], n_utterances: int) -> None:
    """Refuse one TextGrid for several utterances.

    Raises:
        UserError: that.
    """
    for out in outs:
        if form(out) == ".TextGrid" and n_utterances > 1:
            folder = out.removesuffix(Path(out).suffix)
            raise UserError(f"--out {out}: {n_utterances} utterances; a folder has room for them: --out {folder}/")


def write(out: str, source: Input, prediction: Prediction, phonemes: Sequence[str]) -> str:
    """Write one file or folder; gives what it holds, for people."""
    kind, path = form(out), Path(out)
    (path if kind == "/" else path.parent).mkdir(parents=True, exist_ok=True)
    part = source.part
    if kind == ".csv":
        _replace(path, lambda file: file.write(_csv(prediction.predicted, phonemes).encode()))
        return f"{len(prediction.predicted):,} labels, as id,label"
    if kind == ".npz":
        assert prediction.posteriors is not None
        arrays = {
            "posteriors": prediction.posteriors,
            "predicted": prediction.predicted,
            "utterances": part.utterances,
            "lengths": part.lengths,
            "phonemes": np.array(phonemes),
        }
        _replace(path, lambda file: np.savez(file, allow_pickle=False, **arrays))
        return f"posteriors {prediction.posteriors.shape} {prediction.posteriors.dtype}"
    ends = np.cumsum(part.lengths)
    for u, (name, end) in enumerate(zip(part.utterances, ends, strict=True)):
        labels = prediction.predicted[end - part.lengths[u] : end]
        file = path / f"{name}.TextGrid" if kind == "/" else path
        file.write_text(textgrid.text([(textgrid.TIER, labels, phonemes)], source.edges(u)), encoding="utf-8")
    return f"{len(ends):,} TextGrid{'s' if len(ends) > 1 else ''}, tier {textgrid.TIER!r}"


def _csv(predicted: np.ndarray, phonemes: Sequence[str]) -> str:
    cells = []
    for phoneme in phonemes:
        cell = io.StringIO()
        csv.writer(cell, lineterminator="").writerow([phoneme])
        cells.append(cell.getvalue())
    rows = (f"{i},{cells[label]}" for i, label in enumerate(predicted.tolist()))
    return "\n".join(["id,label", *rows]) + "\n"


def _replace(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file, whole or not at all."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        write(file)
