"""A trained model on disk: weights as safetensors, everything else that is needed to use it as JSON. No pickle."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import architectures
from harness import checksums
from harness.corpora import features as corpus_features
from harness.corpora.features import Features
from harness.errors import Damaged, UserError
from harness.files import replacing, write_text
from harness.frames.normalisation import Statistics
from harness.settings import Boundary, Normalisation, Params, Settings

_SAMPLE = "sample.safetensors"
_TOLERANCE = 1e-3  # of the largest logit: another processor rounds otherwise, other code computes something else


@dataclass(frozen=True)
class SavedModel:
    """A model and how its input is made."""

    model: nn.Module
    architecture: str
    params: Params
    left: int
    right: int
    """Context, frames each side."""
    d_features: int
    phonemes: tuple[str, ...]
    normalisation: Normalisation
    boundary: Boundary
    statistics: Statistics | None
    """Statistics of the training frames, for normalisation "global"."""
    features: Features | None = None
    """Features of its corpus; None if the corpus did not say."""
    note: str = ""
    """What a user must know of the code that it was trained with; "" if it is the same."""


def save(
    folder: Path,
    model: nn.Module,
    settings: Settings,
    d_features: int,
    phonemes: tuple[str, ...],
    stats: Statistics | None,
    features: Features | None,
    sample: dict[str, Tensor] | None = None,
) -> None:
    """Write `model.safetensors`, `model.json` and, with a sample, `sample.safetensors`.

    Args:
        sample: windows (P, W, D) and their logits (P, C), as `evaluate.sample` gives them.
    """
    from safetensors.torch import save as packed  # not everywhere that a model is trained

    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: weight.contiguous() for name, weight in model.state_dict().items()}
    with replacing(folder / "model.safetensors") as temporary:
        temporary.write_bytes(packed(weights))  # `save_file` would write under a name of its own, which a kill leaves
    facts = {
        "architecture": settings.architecture,
        "params": settings.params,
        "left": settings.data.left,
        "right": settings.data.right,
        "d_features": d_features,
        "phonemes": phonemes,
        "normalisation": settings.data.normalisation,
        "boundary": settings.data.boundary,
        "statistics": stats and {name: values.tolist() for name, values in asdict(stats).items()},
        "features": features and features.as_json(),
        "weights": checksums.of_file(folder / "model.safetensors"),
        "code": architectures.digest(settings.architecture),
    }
    if sample:
        with replacing(folder / _SAMPLE) as temporary:
            temporary.write_bytes(packed(sample))
        facts["sample"] = checksums.of_file(folder / _SAMPLE)
    write_text(folder / "model.json", checksums.seal(facts, indent=1))


def load(folder: Path) -> SavedModel:
    """Read what `save` wrote, in evaluation mode on the CPU. Executes nothing from the files.

    Raises:
        Damaged: a file is not what was written.
        UserError: a file is missing, is of another kind, or does not fit the architecture as it is today.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        facts = checksums.unseal(folder / "model.json")
        weights = load_file(folder / "model.safetensors")
    except FileNotFoundError as error:
        raise UserError(f"{folder}: {Path(str(error.filename or 'model.safetensors')).name} is not there") from None
    except (SafetensorError, OSError) as error:
        raise UserError(
            f"{folder / 'model.safetensors'}: no safetensors file ({error}); nothing in it was executed. A pickle "
            "(.pt, .bin, .ckpt) is not read: save its weights with safetensors.torch.save_file"
        ) from None
    checksums.check_file(folder / "model.safetensors", facts.pop("weights", None))
    code, sample = facts.pop("code", ""), facts.pop("sample", None)
    try:
        saved = _from_facts(facts, weights, folder)
        return replace(saved, note=_check_code(saved, code, sample, folder))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Damaged(folder / "model.json", f"{type(error).__name__}: {error}") from None


@torch.inference_mode()
def _check_code(saved: SavedModel, code: str, sample: str | None, folder: Path) -> str:
    """What to say of code that is not what the model was trained with, and gives the same.

    Raises:
        UserError: it gives something else, or nobody can tell; Damaged: the sample is not what was written.
    """
    from safetensors.torch import load_file

    name = saved.architecture
    if not code:
        return f"the model was saved by an earlier version: whether the code of {name} has changed since is not known"
    if code == architectures.digest(name):
        return ""
    what = "there is no sample to compare it by"
    if sample is not None:
        checksums.check_file(folder / _SAMPLE, sample)
        kept = load_file(folder / _SAMPLE)
        difference = float((saved.model(kept["windows"]) - kept["logits"]).abs().max())
        n = len(kept["windows"])
        if difference <= _TOLERANCE * max(1.0, float(kept["logits"].abs().max())):
            return f"the code of {name} has changed since the model was trained; on {n} windows it gives the same"
        what = f"on {n} windows its logits differ by up to {difference:.2g}"
    raise UserError(
        f"{folder}: the code of {name} is not that which the model was trained with, and {what}. Bring that code back: "
        "it is in MLflow, among the artifacts of the arm's run, in code/"
    )


def _from_facts(facts: dict[str, Any], weights: dict[str, Tensor], folder: Path) -> SavedModel:
    facts["phonemes"] = tuple(facts["phonemes"])
    facts["params"] = {k: tuple(v) if isinstance(v, list) else v for k, v in facts["params"].items()}
    if facts["statistics"]:
        facts["statistics"] = Statistics(**{name: np.array(values) for name, values in facts["statistics"].items()})
    if facts.get("features"):
        facts["features"] = corpus_features.parse(facts["features"], str(folder / "model.json"))
    window = facts["left"] + 1 + facts["right"]
    try:
        model = architectures.build(
            facts["architecture"], window, facts["d_features"], len(facts["phonemes"]), facts["params"]
        )
        model.load_state_dict(weights)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        why = str(error.args[0] if error.args else error).strip()
        raise UserError(
            f"{folder}: does not fit the architecture {facts['architecture']!r} as it is here; use the version of the "
            f"project that trained it (its commit is in MLflow): {why}"
        ) from None
    return SavedModel(model=model.eval(), **facts)
