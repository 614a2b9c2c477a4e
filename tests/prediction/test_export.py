"""`harness export`: the files compute what the model does, and their metadata is enough to use them."""

import json
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner

import architectures
from harness.cli.main import main
from harness.corpora import features
from harness.corpora.features import Features
from harness.errors import RunFailed, UserError
from harness.frames.normalisation import Statistics
from harness.prediction import export, model
from harness.prediction.model import TrainedModel
from harness.training.saved_model import SavedModel
from tests.small_corpus import CLASSES, D_FEATURES, write_corpus

pytestmark = pytest.mark.slow  # processes, stores, browsers or trainings: not for the inner loop

onnx = pytest.mark.skipif(
    not all(find_spec(name) for name in ("onnx", "onnxscript", "onnxruntime")),
    reason="onnx, onnxscript and onnxruntime are not installed (pip install 'harness[export]')",
)
MADE = Features(n_coefficients=D_FEATURES)
EXPERIMENT = """\
question = "Does anything help?"
study = "tiny"
[data]
corpus = "corpus"
context = [3, 1]
normalisation = "NORMALISATION"
[training]
epochs = 3
batch_size = 64
learning_rate = 0.01
precision = "fp32"
[arms.ffdnn]
architecture = "ffdnn"
params.depth = 1
params.width = 16
params.norm = "batch"
[comparison]
seeds = [0]
"""


class Final:
    """What of a run the metadata takes."""

    arm, seed = "arm", 0
    settings = {"data.corpus": "nowhere"}  # noqa: RUF012
    provenance = {"precision": "fp32", "commit": "none"}  # noqa: RUF012


def untrained(architecture, window=7, params=None, **changes):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = architectures.build(architecture, window, D_FEATURES, 5, params or {})
    saved = SavedModel(
        model,
        architecture,
        params or {},
        window - 3,
        2,
        D_FEATURES,
        tuple("abcde"),
        "utterance",
        "utterance",
        None,
        MADE,
    )
    return TrainedModel("study", replace(saved, **changes), Final())


@onnx
@pytest.mark.parametrize("batch", [1, 2, 33])
@pytest.mark.parametrize("architecture", architectures.names())
def test_every_architecture_gives_the_same_logits_as_onnx_and_as_pt2(exported, architecture, batch):
    import onnxruntime

    model, folder = exported(architecture)
    windows = torch.randn(batch, 7, D_FEATURES, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected = model.saved.model(windows).numpy()
    session = onnxruntime.InferenceSession(folder / "m.onnx")
    (logits,) = session.run(["logits"], {"windows": windows.numpy()})
    scale = max(1.0, np.abs(expected).max())
    np.testing.assert_allclose(logits / scale, expected / scale, rtol=0, atol=1e-4)
    logits = torch.export.load(folder / "m.pt2").module()(windows).detach().numpy()
    np.testing.assert_allclose(logits / scale, expected / scale, rtol=0, atol=1e-4)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Each architecture exported once."""
    made = {}

    def of(architecture):
        if architecture not in made:
            params = {"depth": 2} if "depth" in architectures.parameters_of(architecture) else {}
            model, folder = untrained(architecture, params=params), tmp_path_factory.mktemp(architecture)
            found = export.export(model, folder / "m.onnx")
            assert [file.name for file in found] == ["m.onnx", "m.pt2"]
            assert sorted(file.name for file in folder.iterdir()) == ["m.onnx", "m.pt2"]
            made[architecture] = model, folder
        return made[architecture]

    return of


@onnx
def test_the_files_hold_no_place_of_this_machine(exported):
    _, folder = exported("ladnn")
    for file in folder.iterdir():
        for place in (architectures.__file__, torch.__file__):
            assert str(Path(place).parent).encode() not in file.read_bytes(), file


def test_a_pt2_alone_needs_no_onnx_and_has_the_metadata(tmp_path, monkeypatch):
    for name in ("onnx", "onnxscript", "onnxruntime"):
        monkeypatch.setitem(sys.modules, name, None)
    stats = Statistics(np.arange(6.0), np.ones(6))
    model = untrained("linear", normalisation="global", statistics=stats)
    assert list(export.export(model, tmp_path / "new" / "m.pt2")) == [tmp_path / "new" / "m.pt2"]
    extra = {export.PT2_METADATA: ""}
    torch.export.load(tmp_path / "new" / "m.pt2", extra_files=extra)
    facts = json.loads(extra[export.PT2_METADATA])
    assert facts["statistics"] == {"mean": [0, 1, 2, 3, 4, 5], "std": [1] * 6}
    assert facts["phonemes"] == list("abcde")
    assert facts["features"] == MADE.as_json()


def test_without_onnx_the_message_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(export, "find_spec", lambda name: None if name == "onnxscript" else True)
    with pytest.raises(UserError, match=r"needs onnxscript: pip install 'harness\[export\]'"):
        export.export(untrained("linear"), tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


def test_another_ending_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"m\.pt: allowed are NAME\.onnx"):
        export.export(untrained("linear"), tmp_path / "m.pt")


class Deceitful(torch.nn.Module):
    """A model whose logits are larger by 0.01 once it is exported."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, windows):
        return self.model(windows) + (1e-2 if torch.compiler.is_compiling() else 0.0)


def test_a_file_that_computes_something_else_is_not_kept(tmp_path):
    trained = untrained("linear")
    deceitful = replace(trained, saved=replace(trained.saved, model=Deceitful(trained.saved.model)))
    with pytest.raises(RunFailed, match=r"differ from the model's by up to 0\.01"):
        export.export(deceitful, tmp_path / "m.pt2")
    assert not list(tmp_path.iterdir())


@onnx
@pytest.mark.parametrize(
    "normalisation",
    ["utterance", pytest.param("frame", marks=pytest.mark.slow), pytest.param("global", marks=pytest.mark.slow)],
)
def test_the_metadata_is_enough_to_get_the_labels_of_predict(tmp_path, monkeypatch, normalisation):
    """With numpy, onnxruntime and what stands in the file alone."""
    import onnxruntime

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".harness").mkdir()
    features.write(write_corpus(tmp_path / "corpus"), MADE)
    (tmp_path / "tiny.toml").write_text(EXPERIMENT.replace("NORMALISATION", normalisation))
    of_model = ["--study", "tiny", "--arm", "ffdnn"]
    for arguments in (
        ["run", "tiny.toml"],
        ["export", *of_model, "--out", "m.onnx"],
        ["predict", *of_model, "corpus", "--split", "test", "--out", "labels.csv"],
    ):
        done = CliRunner().invoke(main, arguments)
        assert done.exit_code == 0, done.output

    session = onnxruntime.InferenceSession("m.onnx")
    assert session.get_inputs()[0].shape == ["batch", 5, D_FEATURES]
    facts = session.get_modelmeta().custom_metadata_map
    left, right = int(facts["left"]), int(facts["right"])
    phonemes, statistics = json.loads(facts["phonemes"]), json.loads(facts["statistics"])
    assert json.loads(facts["features"]) == MADE.as_json()
    labels = []
    for file in sorted(Path("corpus/test/mfcc").iterdir()):
        frames = np.load(file)
        if facts["normalisation"] == "utterance":
            frames = (frames - frames.mean(axis=0)) / frames.std(axis=0)
        elif facts["normalisation"] == "frame":
            frames = (frames - frames.mean(axis=1, keepdims=True)) / frames.std(axis=1, keepdims=True)
        else:
            frames = (frames - statistics["mean"]) / statistics["std"]
        padded = np.pad(frames, ((left, right), (0, 0))).astype(np.float32)
        windows = np.stack([padded[t : t + left + 1 + right] for t in range(len(frames))])
        (logits,) = session.run(None, {"windows": windows})
        labels += [phonemes[k] for k in logits.argmax(axis=1)]
    expected = pd.read_csv("labels.csv").label.tolist()
    assert np.mean(np.array(labels) == expected) > 0.998  # but for ties within rounding
    assert len(set(expected) & set(CLASSES)) > 3
    assert model.load(tmp_path, "tiny", "ffdnn").result.test.accuracy > 0.5
