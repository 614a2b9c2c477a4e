"""A trained model as a file that other programs run: ONNX, and PyTorch's own `.pt2` (torch.export).

The file takes windows of normalised frames and gives logits, any number at a time, in fp32. How windows are made of
frames, and frames of sound, stands in its metadata. The only importer of onnxruntime.

Legend: B batch, W window, D features, C classes.
"""

import contextlib
import json
import logging
import warnings
from collections.abc import Iterator
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.export import Dim, ExportedProgram

from harness.errors import RunFailed, UserError
from harness.files import temporary_folder
from harness.prediction.model import TrainedModel

ENDINGS = (".onnx", ".pt2")
LARGEST_DIFFERENCE = 1e-4
"""The largest difference of a logit, relative to the largest one where that is above 1."""
PT2_METADATA = "harness.json"
"""The extra file of a `.pt2` that holds what ONNX has as metadata."""

_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
_N_WINDOWS = 64  # windows
_NORMALISATION = {
    "utterance": "each coefficient minus its mean over the utterance, divided by its standard deviation there",
    "speaker": "each coefficient minus its mean over the speaker's frames, divided by its standard deviation there",
    "global": "each coefficient minus statistics.mean, divided by statistics.std",
    "frame": "each frame minus the mean of its coefficients, divided by their standard deviation",
    "none": "frames as they are",
}
_BOUNDARY = {
    "utterance": "Beyond the ends of the utterance frames are zeros, after the normalisation.",
    "stream": "Utterances follow each other, and windows reach into the neighbours; beyond the ends of all, zeros.",
}


def export(trained: TrainedModel, out: Path) -> dict[Path, float]:
    """Write `out`, and beside an ONNX file the `.pt2` of the same name.

    Returns:
        For each file the largest difference of its logits from the model's, on windows of noise.

    Raises:
        UserError: another ending, or packages are missing; RunFailed: the file does not compute what the model does.
    """
    if out.suffix.lower() not in ENDINGS:
        raise UserError(f"--out {out}: allowed are NAME.onnx (NAME.pt2 is written beside it) and NAME.pt2")
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if out.suffix.lower() == ".onnx" and missing:
        raise UserError(
            f"--out {out}: needs {', '.join(missing)}: pip install 'harness[export]', or pip install "
            f"{' '.join(missing)}; a NAME.pt2 needs nothing more"
        )
    saved = trained.saved
    model = saved.model.eval()
    noise = torch.Generator().manual_seed(0)
    windows = torch.randn(_N_WINDOWS, saved.left + 1 + saved.right, saved.d_features, generator=noise)
    example = windows[:2].clone()  # a `.pt2` keeps it, with all that lies in its memory
    facts = metadata(trained)
    out.parent.mkdir(parents=True, exist_ok=True)
    differences = {}
    with torch.inference_mode(), temporary_folder(out.parent, ".export") as folder:
        expected = model(windows).numpy()
        with _quietly():
            program = torch.export.export(model, (example,), dynamic_shapes=({0: Dim("batch")},))
            files = [_write_pt2(program, facts, folder / out.with_suffix(".pt2").name)]
            if out.suffix.lower() == ".onnx":
                files.insert(0, _write_onnx(model, example, facts, folder / out.name))
        for file in files:
            logits = _onnx_logits(file, windows) if file.suffix.lower() == ".onnx" else _pt2_logits(file, windows)
            differences[out.with_name(file.name)] = _difference(file, logits, expected)
        for file in files:
            file.replace(out.with_name(file.name))
    return differences


def metadata(trained: TrainedModel) -> dict[str, Any]:
    """Facts that one needs to make the windows from sound, and to read the logits."""
    saved, own_features = trained.saved, trained.features()
    window = saved.left + 1 + saved.right
    return {
        "study": trained.study,
        "arm": trained.result.arm,
        "seed": trained.result.seed,
        "architecture": saved.architecture,
        "input": f"windows (batch, {window}, {saved.d_features}) float32: a frame with the {saved.left} before and the "
        f"{saved.right} after it, in the order of time, normalised. {_BOUNDARY[saved.boundary]}",
        "output": f"logits (batch, {len(saved.phonemes)}); their softmax are the posteriors of the phonemes",
        "phonemes": list(saved.phonemes),
        "left": saved.left,
        "right": saved.right,
        "d_features": saved.d_features,
        "normalisation": saved.normalisation,
        "normalised": f"{_NORMALISATION[saved.normalisation]}; a standard deviation (of n, not n - 1) of 0 counts as 1",
        "boundary": saved.boundary,
        "statistics": saved.statistics and {name: values.tolist() for name, values in asdict(saved.statistics).items()},
        "features": own_features and own_features.as_json(),
        "trained_precision": trained.precision,
        "commit": trained.result.provenance.get("commit", "none"),
    }


def _write_onnx(model: torch.nn.Module, example: torch.Tensor, facts: dict[str, Any], file: Path) -> Path:
    program = torch.onnx.export(
        model,
        (example,),
        dynamo=True,
        dynamic_shapes=({0: Dim("batch")},),
        input_names=["windows"],
        output_names=["logits"],
        verbose=False,
    )
    assert program is not None
    for node in program.model.graph.all_nodes():
        node.metadata_props.clear()  # places in this machine's files
    program.model.metadata_props.update({name: _text(value) for name, value in facts.items()})
    program.model.doc_string = f"{facts['input']} {facts['output']}."
    program.save(str(file), external_data=False)
    return file


def _text(value: Any) -> str:
    """ONNX keeps texts alone: sentences as they are, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def _write_pt2(program: ExportedProgram, facts: dict[str, Any], file: Path) -> Path:
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # places in this machine's files
    torch.export.save(program, file, extra_files={PT2_METADATA: json.dumps(facts, indent=1)})
    return file


def _onnx_logits(file: Path, windows: torch.Tensor) -> np.ndarray:
    import onnxruntime

    logits: np.ndarray = onnxruntime.InferenceSession(str(file)).run(["logits"], {"windows": windows.numpy()})[0]
    return logits


def _pt2_logits(file: Path, windows: torch.Tensor) -> np.ndarray:
    logits: np.ndarray = torch.export.load(file).module()(windows).numpy()
    return logits


def _difference(file: Path, logits: np.ndarray, expected: np.ndarray) -> float:
    difference = float(np.abs(logits - expected).max())
    if not difference <= LARGEST_DIFFERENCE * max(1.0, float(np.abs(expected).max())):
        raise RunFailed(f"{file.name}: deleted: its logits differ from the model's by up to {difference:.2g}")
    return difference


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """The exporter tells of operators that are not installed and of its own deprecations."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
