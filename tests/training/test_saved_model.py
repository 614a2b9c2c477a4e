"""Models on disk: what an earlier version wrote is read as it was."""

import json
from pathlib import Path

import pytest
import torch

import architectures
from harness.settings import Data, Settings
from harness.training import saved_model


@pytest.mark.parametrize("name", ["ffdnn", "ladnn", "linear", "tdnnf"])
def test_a_model_saved_under_an_earlier_default_initialisation_gives_the_same_logits(name: str, tmp_path: Path) -> None:
    params = {} if name == "linear" else {"depth": 2, "width": 12}
    init = architectures.first_defaults(name)["init"]
    model = architectures.build(name, 5, 4, 3, params | {"init": init}).eval()
    settings = Settings(name, params, Data(context=2))
    saved_model.save(tmp_path, model, settings, 4, ("[SIL]", "AA", "S"), None, None)
    assert "init" not in json.loads((tmp_path / "model.json").read_text())["params"]
    windows = torch.randn(6, 5, 4)
    assert torch.equal(saved_model.load(tmp_path).model(windows), model(windows))
