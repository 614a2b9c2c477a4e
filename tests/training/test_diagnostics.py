"""What is seen of the layers: what plain torch gives, at the steps that are named, changing nothing."""

import gc
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import architectures
from harness.corpora.corpus import open_corpus
from harness.errors import Interrupted
from harness.frames.placement import DeviceData
from harness.results import RunResult
from harness.settings import Data, Settings, Training
from harness.training import diagnostics, run
from harness.training.trainer import Learner, loss_and_logits, train
from tests.small_corpus import write_corpus

CPU = torch.device("cpu")
DATA = Data(context=2)
OWN = Training(epochs=3, batch_size=64, label_smoothing=0.1, time_mask=2)


@pytest.fixture(scope="module")
def residents(tmp_path_factory):
    root = tmp_path_factory.mktemp("corpus")
    corpus = open_corpus(replace(DATA, corpus=str(write_corpus(root / "c"))), root)
    parts = {"train": corpus.train, "validation": corpus.validation, "test": corpus.test}
    return DeviceData(parts, 4, CPU, torch.float32)


def model(name, **params):
    torch.manual_seed(0)
    known = {"depth": 3, "width": 16} | params
    own = {k: v for k, v in known.items() if k in architectures.parameters_of(name)}
    return architectures.build(name, DATA.window, 6, 40, own)


def examples():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(32, DATA.window, 6, generator=generator), torch.randint(40, (32,), generator=generator)


def loss(model):
    windows, labels = examples()
    return loss_and_logits(model, Training(), windows, labels, "fp32")[0]


def measure(model):
    return diagnostics.LayerProbe(model).measure(model, loss)


def test_what_is_measured_is_what_torch_says_layer_by_layer():
    plain = model("ffdnn")
    names, seen = measure(plain)
    assert all(weight.grad is None for weight in plain.parameters())
    windows, labels = examples()
    linears = [m for m in plain.modules() if isinstance(m, nn.Linear)]
    x, scales = windows.flatten(1), []
    for i, linear in enumerate(linears):
        x = x @ linear.weight.T + linear.bias
        scales.append(float((x.detach() ** 2).mean() ** 0.5))
        x = x.relu() if i < len(linears) - 1 else x
    F.cross_entropy(x, labels).backward()
    norms = [float((m.weight.grad.square().sum() + m.bias.grad.square().sum()) ** 0.5) for m in linears]
    assert names == ["hidden.0", "hidden.4", "hidden.8", "output"]
    assert seen[0].tolist() == pytest.approx(norms, rel=1e-5)
    assert seen[1].tolist() == pytest.approx(scales, rel=1e-5)
    assert seen[2].isnan().all()


def test_the_ratio_of_the_paths_is_that_of_the_formula():
    augmented = model("ladnn")
    _, seen = measure(augmented)
    x = examples()[0].flatten(1)
    for i, layer in enumerate([augmented.hidden[0], augmented.hidden[3], augmented.hidden[6], augmented.output]):
        linear, nonlinear = layer.T(x), layer.V(layer.U(x).relu())
        assert float(seen[2, i]) == pytest.approx(float((linear.norm() / nonlinear.norm()).detach()), rel=1e-4)
        x = linear + nonlinear


@pytest.mark.parametrize("norm", ["none", "batch"])
@pytest.mark.parametrize("name", architectures.names())
def test_every_architecture_has_layers_and_is_left_as_it_is(name, norm):
    own = model(name, norm=norm, dropout=0.2)
    before = {k: v.clone() for k, v in own.state_dict().items()}
    names, seen = measure(own)
    assert all(torch.equal(v, before[k]) for k, v in own.state_dict().items())
    assert not any(module._forward_hooks for module in own.modules())
    assert names[-1] == ("outputs.7" if name == "tabm" else "output")
    assert len(names) >= (1 if name == "linear" else 4)
    assert (seen[:2] > 0).all()
    has_paths = [hasattr(own.get_submodule(n), "paths") for n in names]
    assert has_paths == (~seen[2].isnan()).tolist()


def test_a_model_that_the_project_does_not_know_has_layers_too():
    class Foreign(nn.Module):
        def __init__(self):
            super().__init__()
            self.last = nn.Linear(8, 40)
            self.first = nn.Linear(DATA.window * 6, 8)
            self.never = nn.Linear(3, 3)
            self.norm = nn.LayerNorm(8)

        def forward(self, windows):
            return self.last(self.norm(self.first(windows.flatten(1))))

    names, seen = measure(Foreign())
    assert names == ["first", "last"], "in the order of use; norms are no layers, nor what is not used"
    assert (seen[0] > 0).all()


def test_steps_are_dense_at_the_start_and_end_with_each_epoch():
    assert sorted(diagnostics.steps_to_look_at(10, 3)) == [0, 1, 2, 4, 8, 10, 16, 20, 30]
    assert len(diagnostics.steps_to_look_at(8800, 20)) < 40


@pytest.mark.parametrize("name", ["ladnn", "tdnnf"])
def test_looking_changes_nothing_and_the_looks_are_at_the_weights_of_their_step(residents, name):
    data, validation = residents.get("train", DATA), residents.get("validation", DATA)
    ends = {}
    for observed in (False, True):
        trained = model(name, norm="batch", dropout=0.3)
        ends[observed] = (train(trained, data, validation, OWN, seed=1, precision="fp32", observed=observed), trained)
    (plain, a), (seen, b) = ends[False], ends[True]
    assert [e.train_loss for e in plain.history] == [e.train_loss for e in seen.history]
    assert all(torch.equal(v, b.state_dict()[k]) for k, v in a.state_dict().items())
    assert plain.looks == []
    n_steps = -(-len(data) // 64)
    steps = [step for step, _ in seen.looks]
    assert steps == sorted(diagnostics.steps_to_look_at(n_steps, 3))
    untrained = diagnostics.history(seen.layers, seen.looks[:1])
    assert untrained.first_to_last == pytest.approx(untrained.gradient[:, 0] / untrained.gradient[:, -1])
    scales = [values[1] for _, values in seen.looks]
    assert not torch.equal(scales[0], scales[1]), "an update lies between"


def test_a_final_keeps_its_layers_a_trial_does_not_and_an_interruption_changes_none(residents, tmp_path):
    own = Settings("ladnn", {"depth": 2, "width": 16, "dropout": 0.2}, DATA, OWN)
    whole = run.run("x", own, residents, seed=1, precision="fp32", folder=tmp_path / "whole")
    assert run.run("x", own, residents, seed=1, precision="fp32", trial=0).layers is None
    asked = iter(range(1, 1000))
    with pytest.raises(Interrupted):
        run.run(
            "x",
            own,
            residents,
            seed=1,
            precision="fp32",
            folder=tmp_path / "cut",
            should_stop=lambda: next(asked) == 9,
        )
    resumed = run.run("x", own, residents, seed=1, precision="fp32", folder=tmp_path / "cut")
    resumed.save(tmp_path / "cut")
    loaded = RunResult.load(tmp_path / "cut").layers
    assert loaded.names == whole.layers.names
    for name in ("steps", "gradient", "scale", "path_ratio"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(whole.layers, name))


def test_models_trained_together_are_seen_as_those_trained_alone(residents, tmp_path):
    own = Settings("ladnn", {"depth": 2, "width": 16}, DATA, replace(OWN, time_mask=0))
    alone = [run.run("x", own, residents, seed=seed, precision="fp32") for seed in (1, 2)]
    folders = [tmp_path / "1", tmp_path / "2"]
    together = run.run_together("x", own, residents, seeds=(1, 2), precision="fp32", folders=folders)
    for a, b in zip(alone, together, strict=True):
        np.testing.assert_array_equal(a.layers.steps, b.layers.steps)
        np.testing.assert_allclose(a.layers.gradient, b.layers.gradient, rtol=0.05)
    assert not np.allclose(together[0].layers.gradient, together[1].layers.gradient)


def test_the_frames_that_are_looked_at_are_taken_once_and_leave_no_chunk_open(residents):
    """Else chunks of theirs would lie on the device beside those of the training."""
    data, opened = residents.get("train", DATA), []

    class Counted:
        def __len__(self):
            return len(data)

        def batches(self, *arguments):
            opened.append(len(opened))
            try:
                yield from data.batches(*arguments)
            finally:
                opened.remove(max(opened))

    model = architectures.build("ffdnn", DATA.window, 6, 40, {"depth": 2, "width": 8})
    learner = Learner(model, Training(epochs=1, batch_size=64), 4, torch.device("cpu"))
    observer = learner.observer(Counted(), 0, "fp32", 4)
    gc.collect()
    assert not opened
    observer.measure_at(0)
    assert not opened
    assert len(observer.state.looks) == 1
