"""What only a GPU can show: the recorded step is the eager one, resuming is exact, frames pass through as they are."""

from dataclasses import replace

import pytest
import torch

import architectures
from harness.bench import measure
from harness.corpora.corpus import open_corpus
from harness.errors import Interrupted, RunFailed
from harness.frames.placement import DeviceData, placement
from harness.settings import Data, Settings, Training
from harness.training import run, trainer
from harness.training.cuda_graph import capture
from tests.small_corpus import write_corpus

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
DATA = Data(context=2)
PARAMS = {"depth": 2, "width": 32, "dropout": 0.2, "norm": "batch"}
OWN = Settings("ffdnn", PARAMS, DATA, Training(epochs=3, batch_size=64, schedule="one-cycle"))
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU here")


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    root = tmp_path_factory.mktemp("corpus")
    corpus = open_corpus(replace(DATA, corpus=str(write_corpus(root / "c"))), root)
    return {"train": corpus.train, "validation": corpus.validation, "test": corpus.test}


def placed(parts, device=CUDA, dtype=torch.float32, share=1.0):
    return DeviceData(parts, 4, device, dtype, round(share * placement(parts, 4, dtype, 10**12).needed))


def test_on_a_cpu_the_step_is_left_as_it_is():
    def step(windows, labels):
        pass

    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)])
    assert capture(step, [optimiser], CPU) is step


@needs_gpu
@pytest.mark.parametrize("optimiser", ["adam", "adamw", "sgd"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_replayed_steps_are_the_eager_ones(parts, optimiser, precision):
    """Twenty steps with another learning rate each, the last batch smaller."""
    data = placed(parts).get("train", DATA)
    training = Training(batch_size=64, optimiser=optimiser, label_smoothing=0.1, weight_decay=1e-3)
    ends = []
    for is_captured in (False, True):
        torch.manual_seed(0)
        model = architectures.build("ladnn", DATA.window, 6, 40, {"depth": 2, "width": 32}).to(CUDA)
        learner = trainer.Learner(model, training, 20, CUDA)

        def step(windows, labels, learner=learner):
            trainer.step(learner, windows, labels, precision)

        update = capture(step, [learner.optimiser], CUDA) if is_captured else step
        for k, examples in enumerate(data.batches(64, seed=0, epoch=1)):
            learner.optimiser.param_groups[0]["lr"] = 1e-3 * (1 + k % 5)
            update(*examples)
        ends.append((learner.state.totals.clone(), [p.detach().clone() for p in model.parameters()]))
    torch.testing.assert_close(ends[0][0], ends[1][0], rtol=1e-3, atol=1e-3)
    for a, b in zip(ends[0][1], ends[1][1], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-2, atol=1e-3)


@needs_gpu
@pytest.mark.parametrize("share", [1.0, 1 / 3], ids=["stays", "passes"])
@pytest.mark.parametrize("stop_after", [2, 7, 40])
def test_an_interrupted_run_goes_on_bit_for_bit(parts, tmp_path, share, stop_after):
    residents = placed(parts, share=share)
    whole = run.run("x", OWN, residents, seed=1, precision="fp32", folder=tmp_path / "whole")
    asked = iter(range(1, 10000))
    with pytest.raises(Interrupted):
        run.run(
            "x",
            OWN,
            residents,
            seed=1,
            precision="fp32",
            folder=tmp_path / "cut",
            should_stop=lambda: next(asked) == stop_after,
        )
    resumed = run.run("x", OWN, residents, seed=1, precision="fp32", folder=tmp_path / "cut")
    assert [e.train_loss for e in whole.history] == [e.train_loss for e in resumed.history]


@needs_gpu
@pytest.mark.parametrize("architecture", architectures.names())
def test_a_gpu_reaches_what_a_cpu_reaches(parts, architecture):
    params = {k: v for k, v in {"depth": 2, "width": 32}.items() if k in architectures.parameters_of(architecture)}
    own = Settings(architecture, params, DATA, Training(epochs=8, batch_size=128, learning_rate=5e-3))
    accuracies = [
        run.run("x", own, placed(parts, device), seed=0, precision="fp32").test.accuracy for device in (CPU, CUDA)
    ]
    assert accuracies[0] == pytest.approx(accuracies[1], abs=0.03)


@needs_gpu
def test_what_passes_through_is_what_stays(parts):
    stays, passes = (placed(parts, share=share).get("train", DATA) for share in (1, 1 / 3))
    found = [torch.cat(some) for some in zip(*passes.in_order(50), strict=True)]
    for one, other in zip(next(iter(stays.in_order(10**6))), found, strict=True):
        assert torch.equal(one, other)
    n_frames = sum(len(labels) for _, labels in passes.batches(64, seed=0, epoch=1))
    assert n_frames == len(stays)


@needs_gpu
def test_a_loss_that_is_not_finite_stops_a_recorded_run(parts):
    residents = placed(parts)
    data = residents.get("train", DATA)
    data.frames[data.rows[len(data) // 2]] = float("nan")
    with pytest.raises(RunFailed, match="was not finite"):
        run.run("x", OWN, residents, seed=0, precision="fp32")


@needs_gpu
def test_the_bench_measures_the_recorded_step():
    arms = [measure.BenchArm("small", Settings("ffdnn", {"depth": 4, "width": 256}))]
    found = measure.bench(arms, device=CUDA, arithmetic="bf16", batch_size=4096, seconds=0.2, n_utterances=50)
    assert found["arms"][0]["step"]["frames_per_second"] > 0
