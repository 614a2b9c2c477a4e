"""Models trained as one batched model end where their separate runs end."""

from dataclasses import replace

import pytest
import torch

import architectures
from harness.corpora.corpus import open_corpus
from harness.errors import Interrupted, RunFailed
from harness.frames.placement import DeviceData
from harness.settings import Data, Settings, Training
from harness.training import evaluate, saved_model
from harness.training.run import is_small, run, run_together
from harness.training.together import Stack, train_together
from harness.training.trainer import loss_and_logits, train
from tests.small_corpus import write_corpus

pytestmark = pytest.mark.slow  # processes, stores, browsers or trainings: not for the inner loop

CPU = torch.device("cpu")
DATA = Data(context=2)
SEEDS = (3, 4, 8)
OWN = Training(epochs=2, batch_size=128, label_smoothing=0.1, clip_norm=0.5)
RATES = (1e-3, 2e-3, 5e-4)


@pytest.fixture(scope="module")
def residents(tmp_path_factory):
    root = tmp_path_factory.mktemp("corpus")
    corpus = open_corpus(replace(DATA, corpus=str(write_corpus(root / "c"))), root)
    return DeviceData({"train": corpus.train, "validation": corpus.validation}, 4, CPU, torch.float32)


def model(architecture, seed, **params):
    torch.manual_seed(seed)
    known = {"depth": 2, "width": 32} | params
    own = {k: v for k, v in known.items() if k in architectures.parameters_of(architecture)}
    return architectures.build(architecture, DATA.window, 6, 40, own)


def both(residents, architecture, precision="fp32", trainings=None, **params):
    """The models and states of separate runs, and of one together."""
    data, validation = residents.get("train", DATA), residents.get("validation", DATA)
    trainings = trainings or [replace(OWN, learning_rate=rate) for rate in RATES]
    alone = [model(architecture, seed, **params) for seed in SEEDS]
    states = [
        train(one, data, validation, own, seed=seed, precision=precision)
        for one, own, seed in zip(alone, trainings, SEEDS, strict=True)
    ]
    stacked = [model(architecture, seed, **params) for seed in SEEDS]
    together = train_together(stacked, data, validation, trainings, seeds=SEEDS, precision=precision)
    return alone, states, stacked, together


def test_the_loss_of_a_stack_is_that_of_each_of_its_models(residents):
    """With every setting of the loss that draws nothing."""
    data = residents.get("train", DATA)
    windows, labels = (
        torch.stack(each) for each in zip(*(data.examples(slice(k, k + 50)) for k in SEEDS), strict=True)
    )
    models = [model("ffdnn", seed) for seed in SEEDS]
    alone = [loss_and_logits(own, OWN, *example, "fp32") for own, *example in zip(models, windows, labels, strict=True)]
    losses, logits = loss_and_logits(Stack(models), OWN, windows, labels, "fp32")
    assert torch.allclose(losses, torch.stack([loss for loss, _ in alone]), atol=1e-6)
    assert torch.allclose(logits, torch.stack([own for _, own in alone]), atol=1e-5)


@pytest.mark.parametrize("norm", ["none", "batch", "layer"])
@pytest.mark.parametrize("architecture", architectures.names())
def test_each_model_ends_where_its_separate_run_ends(residents, architecture, norm):
    if norm != "none" and "norm" not in architectures.parameters_of(architecture):
        pytest.skip(f"{architecture} has no norm")
    alone, states, stacked, together = both(residents, architecture, norm=norm)
    for a, b in zip(states, together, strict=True):
        assert [e.train_loss for e in a.history] == pytest.approx([e.train_loss for e in b.history], rel=1e-3)
        assert [e.learning_rate for e in a.history] == [e.learning_rate for e in b.history]
        assert [e.validation_loss for e in a.history] == pytest.approx([e.validation_loss for e in b.history], rel=1e-3)
    # Biases that a norm takes away have no gradient but rounding, which Adam makes as large as any other.
    if norm == "batch" or (architecture, norm) == ("mixer", "layer"):
        return
    for one, other in zip(alone, stacked, strict=True):
        for (name, a), b in zip(one.state_dict().items(), other.state_dict().values(), strict=True):
            torch.testing.assert_close(a, b, rtol=2e-2, atol=2e-3, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
@pytest.mark.parametrize("schedule", ["plateau", "one-cycle"])
def test_every_optimiser_and_schedule_is_each_models_own(residents, optimiser, schedule):
    trainings = [replace(OWN, optimiser=optimiser, schedule=schedule, learning_rate=10 * rate) for rate in RATES]
    _, states, _, together = both(residents, "ladnn", trainings=trainings, norm="layer")
    for a, b in zip(states, together, strict=True):
        assert [e.train_loss for e in a.history] == pytest.approx([e.train_loss for e in b.history], rel=1e-2)
        assert [e.learning_rate for e in a.history] == [e.learning_rate for e in b.history]


def test_in_half_precision_they_end_as_near_as_rounding_allows(residents):
    _, states, _, together = both(residents, "ffdnn", "bf16")
    for a, b in zip(states, together, strict=True):
        assert [e.train_loss for e in a.history] == pytest.approx([e.train_loss for e in b.history], rel=2e-2)


def test_with_dropout_and_masks_they_learn_as_well(residents):
    trainings = [replace(OWN, learning_rate=5e-3, epochs=4, time_mask=2, frequency_mask=2)] * 3
    _, states, _, together = both(residents, "ffdnn", trainings=trainings, dropout=0.2)
    for a, b in zip(states, together, strict=True):
        assert a.history[-1].validation_accuracy == pytest.approx(b.history[-1].validation_accuracy, abs=0.08)
    assert len({state.history[-1].train_loss for state in together}) == 3


def test_finals_together_are_finals(residents, tmp_path):
    own = Settings("ladnn", {"depth": 2, "width": 32, "norm": "layer"}, DATA, OWN)
    parts = residents.parts | {"test": residents.parts["validation"]}
    placed = DeviceData(parts, 4, CPU, torch.float32)
    folders = [tmp_path / str(seed) for seed in SEEDS]
    together = run_together("x", own, placed, seeds=SEEDS, precision="fp32", folders=folders)
    for seed, folder, found in zip(SEEDS, folders, together, strict=True):
        alone = run("x", own, placed, seed=seed, precision="fp32")
        assert (found.stage, found.seed, found.settings) == (alone.stage, alone.seed, alone.settings)
        assert found.test.accuracy == pytest.approx(alone.test.accuracy, abs=0.01)
        assert found.history[-1].train_loss == pytest.approx(alone.history[-1].train_loss, rel=1e-3)
        loaded = saved_model.load(folder / "model").model
        data = placed.get("test", DATA)
        again = evaluate.scores(evaluate.predict(loaded, data, "fp32"), data, 40, keep_frames=False)
        assert (again.counts == found.test.counts).all()


def test_small_models_that_stay_on_the_device_can_be_trained_together(residents):
    small = Settings("ffdnn", {"depth": 2, "width": 32}, DATA, OWN)
    train, placement = residents.parts["train"], residents.placement
    assert is_small(small, train, placement)
    assert not is_small(replace(small, params={"depth": 2, "width": 1000}), train, placement)
    assert not is_small(replace(small, training=replace(OWN, early_stopping=2)), train, placement)


def test_a_stopped_one_goes_on_with_each_model_by_itself(residents, tmp_path):
    data, validation = residents.get("train", DATA), residents.get("validation", DATA)
    trainings = [replace(OWN, learning_rate=rate) for rate in RATES]
    files = [tmp_path / f"{seed}.pt" for seed in SEEDS]
    asked = iter(range(1, 1000))
    with pytest.raises(Interrupted):
        train_together(
            [model("ffdnn", seed) for seed in SEEDS],
            data,
            validation,
            trainings,
            seeds=SEEDS,
            precision="fp32",
            state_files=files,
            should_stop=lambda: next(asked) == 20,
        )
    for seed, own, file in zip(SEEDS, trainings, files, strict=True):
        whole = train(model("ffdnn", seed), data, validation, own, seed=seed, precision="fp32")
        resumed = train(model("ffdnn", seed), data, validation, own, seed=seed, precision="fp32", state_file=file)
        assert [e.train_loss for e in whole.history] == pytest.approx([e.train_loss for e in resumed.history], rel=1e-3)


def test_the_state_of_one_of_many_holds_no_other(residents, tmp_path):
    """Weights are slices of a stack, and a file of a slice would hold the stack."""
    sizes = []
    for n in (1, 4):
        files = [tmp_path / f"{n}-{i}.pt" for i in range(n)]
        models = [architectures.build("ffdnn", DATA.window, 6, 40, {"depth": 2, "width": 64}) for _ in range(n)]
        data, validation = residents.get("train", DATA), residents.get("validation", DATA)
        training = Training(epochs=1, batch_size=128)
        train_together(
            models, data, validation, [training] * n, seeds=range(n), precision="fp32", state_files=files
        )  # fmt: skip
        sizes.append(files[0].stat().st_size)
    assert sizes[1] < 1.1 * sizes[0]


def test_what_is_not_finite_is_refused(residents):
    data, validation = residents.get("train", DATA), residents.get("validation", DATA)
    broken = replace(data, frames=data.frames.clone())
    broken.frames[data.rows[7]] = float("nan")
    models = [model("ffdnn", seed) for seed in SEEDS]
    with pytest.raises(RunFailed, match="was not finite in epoch 1"):
        train_together(models, broken, validation, [OWN] * 3, seeds=SEEDS, precision="fp32")
