"""The trainer: learning, determinism, resuming, refusing what is not finite, and every schedule and optimiser."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix, log_loss
from torch.nn import functional as F

import architectures
from harness.corpora.corpus import open_corpus
from harness.corpora.features import Features
from harness.errors import Interrupted, RunFailed
from harness.frames.placement import DeviceData
from harness.settings import Data, Settings, Training
from harness.training import evaluate, run, saved_model
from harness.training.schedules import Schedule
from harness.training.trainer import make_optimiser, train
from tests.small_corpus import write_corpus

CPU = torch.device("cpu")
DATA = Data(context=2)


@pytest.fixture(scope="module")
def residents(tmp_path_factory):
    root = tmp_path_factory.mktemp("corpus")
    corpus = open_corpus(replace(DATA, corpus=str(write_corpus(root / "c"))), root)
    parts = {"train": corpus.train, "validation": corpus.validation, "test": corpus.test}
    return DeviceData(parts, 4, CPU, torch.float32)


def settings(architecture="ffdnn", params=None, **training):
    defaults = {"epochs": 3, "batch_size": 128}
    params = {"depth": 2, "width": 32} if params is None else params
    return Settings(architecture, params, DATA, Training(**defaults | training))


def weights(folder):
    return saved_model.load(folder / "model").model.state_dict()


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize("name", architectures.names())
def test_every_architecture_learns(residents, name):
    params = {k: v for k, v in {"depth": 2, "width": 32}.items() if k in architectures.parameters_of(name)}
    result = run.run(name, settings(name, params, epochs=8, learning_rate=5e-3), residents, seed=0, precision="fp32")
    assert result.test.accuracy > 0.5, "six classes; chance is 0.17"
    assert result.history[-1].train_loss < result.history[0].train_loss


def test_two_equal_runs_end_with_the_same_weights_and_another_seed_with_others(residents, tmp_path):
    own = settings(params={"depth": 2, "width": 32, "dropout": 0.2}, label_smoothing=0.1)
    a, b = (run.run("x", own, residents, seed=5, precision="fp32", folder=tmp_path / n) for n in "ab")
    run.run("x", own, residents, seed=6, precision="fp32", folder=tmp_path / "c")
    assert same(weights(tmp_path / "a"), weights(tmp_path / "b"))
    assert [e.train_loss for e in a.history] == [e.train_loss for e in b.history]
    assert not same(weights(tmp_path / "a"), weights(tmp_path / "c"))


@pytest.mark.parametrize("schedule", ["constant", "step", "cosine", "one-cycle", "plateau"])
@pytest.mark.parametrize("stop_after", [1, 9, 20])
def test_an_interrupted_run_goes_on_and_ends_with_the_same_weights_bit_for_bit(
    residents, tmp_path, schedule, stop_after
):
    own = settings(params={"depth": 2, "width": 32, "dropout": 0.2, "norm": "batch"}, schedule=schedule)
    whole = run.run("x", own, residents, seed=1, precision="fp32", folder=tmp_path / "whole")
    asked = 0

    def should_stop():
        nonlocal asked
        asked += 1
        return asked == stop_after

    (tmp_path / "cut").mkdir()
    with pytest.raises(Interrupted):
        run.run("x", own, residents, seed=1, precision="fp32", folder=tmp_path / "cut", should_stop=should_stop)
    resumed = run.run("x", own, residents, seed=1, precision="fp32", folder=tmp_path / "cut")
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "cut"))
    assert [(e.train_loss, e.validation_loss, e.learning_rate) for e in whole.history] == [
        (e.train_loss, e.validation_loss, e.learning_rate) for e in resumed.history
    ]
    np.testing.assert_array_equal(whole.test.counts, resumed.test.counts)


def test_masks_hide_parts_of_training_windows_only_and_survive_an_interruption(residents, tmp_path):
    own = settings("tdnnf", {"depth": 2, "width": 16}, time_mask=3, frequency_mask=2)
    seen = []

    class Watching(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.output = torch.nn.Linear(DATA.window * 6, 40)

        def forward(self, windows):
            seen.append((self.training, (windows == 0).all(dim=2).float().mean(), (windows == 0).all(dim=1)))
            return self.output(windows.flatten(1))

    data = residents.get("train", DATA)
    inner = replace(data, rows=data.rows[4:60], labels=data.labels[4:60])  # no window reaches an utterance's edge
    train(Watching(), inner, inner, own.training, seed=0, precision="fp32")
    assert {is_training: bool(frames) for is_training, frames, _ in seen} == {True: True, False: False}
    assert any(coefficients.sum(1).max() == 2 for _, _, coefficients in seen)

    whole = run.run("x", own, residents, seed=1, precision="fp32", folder=tmp_path / "whole")
    plain = run.run("x", settings("tdnnf", own.params), residents, seed=1, precision="fp32")
    assert whole.history[0].train_loss != plain.history[0].train_loss
    asked = iter([False] * 11 + [True])
    with pytest.raises(Interrupted):
        run.run("x", own, residents, seed=1, precision="fp32", folder=tmp_path / "cut", should_stop=lambda: next(asked))
    run.run("x", own, residents, seed=1, precision="fp32", folder=tmp_path / "cut")
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "cut"))


def test_a_run_that_goes_on_tells_the_epochs_it_remembers(residents, tmp_path):
    own = settings()
    seen = []
    run.run("x", own, residents, seed=1, precision="fp32", folder=tmp_path, on_epoch=lambda e: seen.append(e.epoch))
    run.run("x", own, residents, seed=1, precision="fp32", folder=tmp_path, on_epoch=lambda e: seen.append(e.epoch))
    assert seen == [1, 2, 3, 1, 2, 3]


@pytest.mark.parametrize("optimiser", ["adam", "adamw", "sgd"])
def test_a_loss_that_is_not_finite_stops_the_run_before_the_update(residents, optimiser):
    own = settings(optimiser=optimiser, clip_norm=0.0).training
    data = residents.get("train", DATA)
    broken = replace(data, frames=data.frames.clone())
    broken.frames[data.rows] = float("nan")
    torch.manual_seed(0)
    model = architectures.build("ffdnn", DATA.window, 6, 40, {"depth": 1, "width": 8})
    before = {k: v.clone() for k, v in model.state_dict().items()}
    with pytest.raises(RunFailed, match="was not finite in epoch 1; the weights were not updated with it"):
        train(model, broken, data, own, seed=0, precision="fp32")
    assert same(before, model.state_dict())


@pytest.mark.parametrize("stop_after", [4, 6])
def test_what_was_not_finite_before_an_interruption_stops_the_run_after_it(residents, tmp_path, stop_after):
    """The device is looked at every so many steps; the file holds what was not looked at yet."""
    own = Training(epochs=1, batch_size=32)

    class Faulty(torch.nn.Linear):
        n_steps = 0

        def forward(self, windows):
            self.n_steps += self.training
            return super().forward(windows.flatten(1)) * (float("nan") if self.n_steps == bad_step else 1.0)

    def go_on(model, stop=0):
        asked = itertools.count(1)
        options = {"precision": "fp32", "state_file": tmp_path / "state.pt"}
        data, validation = residents.get("train", DATA), residents.get("validation", DATA)
        train(model, data, validation, own, seed=1, should_stop=lambda: next(asked) == stop, **options)

    bad_step = 3
    with pytest.raises(Interrupted):
        go_on(Faulty(5 * 6, 40), stop_after)
    bad_step = None
    with pytest.raises(RunFailed, match="not finite"):
        go_on(Faulty(5 * 6, 40))


def test_the_best_epoch_is_kept_or_the_last(residents, tmp_path):
    best = run.run(
        "x", settings(epochs=6, learning_rate=0.05, schedule="constant"), residents, seed=0, precision="fp32"
    )
    accuracies = [e.validation_accuracy for e in best.history]
    assert best.best_epoch == 1 + int(np.argmax(accuracies))
    assert best.validation.accuracy == pytest.approx(max(accuracies))
    last = run.run("x", settings(epochs=2, keep="last"), residents, seed=0, precision="fp32")
    assert last.best_epoch == 2
    assert last.validation.accuracy == pytest.approx(last.history[-1].validation_accuracy)


def test_early_stopping_ends_after_as_many_epochs_without_a_better_one(residents):
    result = run.run(
        "x", settings(epochs=30, early_stopping=2, learning_rate=0.02), residents, seed=0, precision="fp32"
    )
    assert len(result.history) < 30
    assert len(result.history) == result.best_epoch + 2


def test_an_epoch_may_end_the_run(residents):
    result = run.run("x", settings(), residents, seed=0, precision="fp32", on_epoch=lambda e: e.epoch == 2)
    assert (result.state, len(result.history)) == ("pruned", 2)


def test_one_step_is_that_of_a_plain_torch_loop(residents):
    """Cross-entropy with label smoothing, clipping, Adam with L2: written out, three steps."""
    training = Training(
        batch_size=64, optimiser="adam", weight_decay=1e-2, schedule="constant", clip_norm=0.5, label_smoothing=0.1
    )
    data = residents.get("train", DATA)
    few = replace(data, rows=data.rows[:192], labels=data.labels[:192])
    models = []
    for _ in range(2):
        torch.manual_seed(3)
        models.append(architectures.build("ladnn", DATA.window, 6, 40, {"depth": 2, "width": 16}))
    train(models[0], few, data, replace(training, epochs=1), seed=2, precision="fp32")
    optimiser = torch.optim.Adam(models[1].parameters(), lr=1e-3, weight_decay=1e-2)
    for windows, labels in few.batches(64, seed=2, epoch=1):
        loss = F.cross_entropy(models[1](windows), labels, label_smoothing=0.1)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(models[1].parameters(), 0.5)
        optimiser.step()
    for a, b in zip(models[0].parameters(), models[1].parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [1, 1, 1, 1]),
        ("step", [1, 1, 0.1, 0.1]),
        ("cosine", [0.8535, 0.5, 0.1464, 0]),
    ],
)
def test_the_learning_rate_at_the_end_of_each_epoch(residents, schedule, expected):
    result = run.run(
        "x", settings(epochs=4, schedule=schedule, learning_rate=1e-3), residents, seed=0, precision="fp32"
    )
    assert [e.learning_rate / 1e-3 for e in result.history] == pytest.approx(expected, abs=1e-3)


def test_one_cycle_rises_and_falls():
    model = torch.nn.Linear(2, 2)
    training = Training(epochs=2, schedule="one-cycle", learning_rate=1.0)
    optimiser = make_optimiser(model, training)
    schedule = Schedule(optimiser, training, 10)
    rates = []
    for _ in range(20):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.after_update()
    assert max(rates) == pytest.approx(1.0, rel=0.01)
    assert rates[0] < 0.1
    assert rates[-1] < 0.01


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ({"schedule": "constant"}, [0.25, 0.5, 0.75, 1, 1, 1, 1, 1, 1]),
        ({"schedule": "multi-step", "milestones": (1, 3), "factor": 0.1},
         [0.25, 0.5, 0.075, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01]),
        ({"schedule": "exponential", "factor": 0.5}, [0.25, 0.5, 0.375, 0.5, 0.25, 0.25, 0.125, 0.125, 0.0625]),
        ({"schedule": "plateau", "plateau_epochs": 0, "factor": 0.5},
         [0.25, 0.5, 0.75, 1, 0.5, 0.5, 0.25, 0.25, 0.125]),
    ],
    ids=lambda value: value["schedule"] if isinstance(value, dict) else "",
)  # fmt: skip
def test_a_warm_up_is_a_line_that_the_schedule_is_multiplied_by_and_goes_on(schedule, expected):
    """Two updates an epoch, two epochs of warm-up; stopped after every update."""
    training = Training(learning_rate=1.0, warmup_epochs=2, epochs=5, **schedule)
    kept, rates = None, []
    for n in range(len(expected)):
        optimiser = make_optimiser(torch.nn.Linear(2, 2), training)
        own = Schedule(optimiser, training, 2)
        if kept:
            optimiser.load_state_dict(kept[0])
            own.load_state_dict(kept[1])
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        own.after_update()
        if n % 2:
            own.after_epoch(1.0)
        kept = (optimiser.state_dict(), own.state_dict())
    assert rates == pytest.approx(expected)


def test_half_an_epoch_of_warm_up_before_a_cosine():
    training = Training(learning_rate=1.0, warmup_epochs=0.5, epochs=2)
    optimiser = make_optimiser(torch.nn.Linear(2, 2), training)
    own, rates = Schedule(optimiser, training, 8), []
    for _ in range(16):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        own.after_update()
    cosine = [(1 + np.cos(np.pi * n / 16)) / 2 for n in range(16)]
    assert rates == pytest.approx([c * min(1, (n + 1) / 4) for n, c in enumerate(cosine)])


def test_plateau_lowers_the_learning_rate_when_validation_does_not_improve():
    model = torch.nn.Linear(2, 2)
    training = Training(schedule="plateau", plateau_epochs=1, factor=0.5, learning_rate=1.0)
    optimiser = make_optimiser(model, training)
    schedule = Schedule(optimiser, training, 10)
    for loss in (1.0, 1.0, 1.0):
        schedule.after_epoch(loss)
    assert optimiser.param_groups[0]["lr"] == 0.5


def test_scores_agree_with_scikit_learn_on_raw_predictions(residents):
    torch.manual_seed(0)
    model = architectures.build("ffdnn", DATA.window, 6, 40, {"depth": 1, "width": 16}).eval()
    data = residents.get("test", DATA)
    scores = evaluate.scores(evaluate.predict(model, data, "fp32"), data, 40, keep_frames=True)
    with torch.no_grad():
        posterior = model(data.windows(slice(None))).softmax(1).numpy()
    truth, predicted = data.labels.numpy(), posterior.argmax(1)
    np.testing.assert_array_equal(scores.confusion, confusion_matrix(truth, predicted, labels=range(40)))
    assert scores.log_loss.sum() / len(truth) == pytest.approx(log_loss(truth, posterior, labels=range(40)), rel=1e-5)
    each = np.repeat(np.arange(len(data.part.lengths)), data.part.lengths)
    for u in (0, 5, 11):
        expected = confusion_matrix(truth[each == u], predicted[each == u], labels=range(40))
        np.testing.assert_array_equal(scores.counts[u], expected)
    np.testing.assert_array_equal(scores.predicted, predicted)
    np.testing.assert_array_equal(scores.truth, truth)


def test_bf16_reaches_what_fp32_reaches(residents):
    own = settings(learning_rate=5e-3)
    accuracies = []
    for precision, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        placed = DeviceData(residents.parts, 4, CPU, dtype)
        accuracies.append(run.run("x", own, placed, seed=0, precision=precision).test.accuracy)
    assert accuracies[0] == pytest.approx(accuracies[1], abs=0.03)


def test_a_saved_model_gives_the_same_logits_and_holds_no_pickle(residents, tmp_path):
    own = replace(settings("ladnn"), data=replace(DATA, normalisation="global"))
    run.run("x", own, residents, seed=0, precision="fp32", folder=tmp_path)
    loaded = saved_model.load(tmp_path / "model")
    assert loaded.statistics.mean.shape == (6,)
    assert (loaded.left, loaded.right) == (2, 2)
    assert loaded.features is None  # the corpus does not say
    names = sorted(f.name for f in (tmp_path / "model").iterdir())
    assert names == ["model.json", "model.safetensors", "sample.safetensors"]
    trained = run.run("x", own, residents, seed=0, precision="fp32")
    data = residents.get("test", own.data)
    scores = evaluate.scores(evaluate.predict(loaded.model, data, "fp32"), data, 40, keep_frames=False)
    np.testing.assert_array_equal(scores.counts, trained.test.counts)


def test_a_saved_model_remembers_how_its_frames_were_made(residents, tmp_path):
    made = Features(n_coefficients=3, deltas=1)
    parts = {name: replace(part, features=made) for name, part in residents.parts.items()}
    placed = DeviceData(parts, 4, CPU, torch.float32)
    run.run("x", settings("linear", {}), placed, seed=0, precision="fp32", folder=tmp_path)
    assert saved_model.load(tmp_path / "model").features == made


def test_an_unlabelled_part_is_predicted_as_the_labelled_one(residents):
    model = architectures.build("ffdnn", 5, 6, 40, {"depth": 1, "width": 16})
    labelled = residents.get("test", DATA)
    part = replace(residents.parts["test"], labels=None)
    bare = DeviceData({"test": part}, 4, CPU, torch.float32).get("test", DATA)
    with_labels, without = (evaluate.predict(model, data, "fp32") for data in (labelled, bare))
    torch.testing.assert_close(without.predicted, with_labels.predicted, rtol=0, atol=0)
    torch.testing.assert_close(without.probability, with_labels.probability, rtol=0, atol=0)
    assert with_labels.log_loss.shape == labelled.labels.shape
    assert without.log_loss is None
