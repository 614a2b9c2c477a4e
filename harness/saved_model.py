"""A trained model on disk: weights as safetensors, everything else that is needed to use it as JSON. No pickle."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

import architectures
from harness.corpora import features as corpus_features
from harness.corpora.features import Features
from harness.data import Statistics
from harness.settings import Settings


@dataclass(frozen=True)
class SavedModel:
    """A model and how its input is made."""

    model: nn.Module
    architecture: str
    params: dict[str, Any]
    left: int
    right: int
    """Context, frames each side."""
    d_features: int
    phonemes: tuple[str, ...]
    normalisation: str
    boundary: str
    statistics: Statistics | None
    """Of the training frames, for normalisation "global"."""
    features: Features | None = None
    """How the frames of its corpus were made; None if the corpus did not say."""


def save(
    folder: Path,
    model: nn.Module,
    settings: Settings,
    d_features: int,
    phonemes: tuple[str, ...],
    stats: Statistics | None,
    features: Features | None,
) -> None:
    """Write `model.safetensors` and `model.json`."""
    from safetensors.torch import save_file  # not everywhere that a model is trained

    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: weight.contiguous() for name, weight in model.state_dict().items()}, folder / "model.safetensors")
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
    }
    (folder / "model.json").write_text(json.dumps(facts, indent=1))


def load(folder: Path) -> SavedModel:
    """Read what `save` wrote, in evaluation mode on the CPU. Executes nothing from the files."""
    from safetensors.torch import load_file

    facts = json.loads((folder / "model.json").read_text())
    facts["phonemes"] = tuple(facts["phonemes"])
    facts["params"] = {k: tuple(v) if isinstance(v, list) else v for k, v in facts["params"].items()}
    if facts["statistics"]:
        facts["statistics"] = Statistics(**{name: np.array(values) for name, values in facts["statistics"].items()})
    if facts.get("features"):
        facts["features"] = corpus_features.parse(facts["features"], str(folder / "model.json"))
    window = facts["left"] + 1 + facts["right"]
    model = architectures.build(
        facts["architecture"], window, facts["d_features"], len(facts["phonemes"]), facts["params"]
    )
    model.load_state_dict(load_file(folder / "model.safetensors"))
    return SavedModel(model=model.eval(), **facts)
