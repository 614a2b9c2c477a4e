"""Runs side by side: who trains, how the machine is shared, and how it is shown."""

import io
import os
import signal
import threading
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from rich.console import Console

from harness.conductor.conduct import workload
from harness.corpora.corpus import open_corpus
from harness.display import panel, progress
from harness.display.progress import Facts, Progress, Running, Standing
from harness.engines.workers import Here, Workers, started
from harness.errors import Interrupted, RunFailed
from harness.frames import device
from harness.frames.device import Parallelism, choose_parallelism
from harness.frames.placement import DeviceData
from harness.results import Epoch
from harness.settings import Data, Settings, Training
from harness.training import run
from tests.corpora import write_corpus

CPU = torch.device("cpu")


@pytest.fixture
def eight_cores(monkeypatch):
    monkeypatch.setattr(device, "_cores", lambda: 8)
    before = torch.get_num_threads()
    torch.set_num_threads(8)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("n_arms", "expected"),
    [(1, Parallelism(1, 8, 1)), (2, Parallelism(2, 4, 2)), (3, Parallelism(3, 2, 3)), (20, Parallelism(8, 1, 8))],
)
def test_arms_share_the_cores(eight_cores, n_arms, expected):
    assert choose_parallelism(CPU, n_arms, {}) == expected


def test_on_a_gpu_there_is_one_run_at_a_time(eight_cores):
    assert choose_parallelism(torch.device("cuda"), 4, {}).n_runs == 1


def test_a_study_that_goes_on_keeps_its_threads_and_shares_of_the_memory(eight_cores):
    assert choose_parallelism(CPU, 2, {"threads": 1, "shares": 2}) == Parallelism(2, 1, 2)
    assert choose_parallelism(CPU, 2, {"threads": 8, "shares": 2}) == Parallelism(1, 8, 2)
    assert choose_parallelism(CPU, 2, {"threads": 32, "shares": 1}) == Parallelism(1, 32, 1)
    torch.set_num_threads(1)
    assert choose_parallelism(CPU, 2, {"threads": 4, "shares": 2}) == Parallelism(1, 4, 2)


def epoch(number, accuracy=0.5, seconds=1.0):
    return Epoch(number, 1.0, 0.5, 1.0, accuracy, 1e-3, 100 * number, seconds)


class Silent:
    def refresh(self, facts):
        pass

    def line(self, text, may_be_cut=False):
        pass


def test_the_speed_is_of_all_runs_together_from_the_first_epoch_on(monkeypatch):
    """Two runs of 1,000 frames an epoch: one takes 10 s for it, the other 20 s; 150 frames/s in all."""
    clock = SimpleNamespace(perf_counter=lambda: now)
    monkeypatch.setattr(progress, "time", clock)
    now = 100.0
    shown = Progress(Silent())
    experiment = SimpleNamespace(
        study="s", question="?", arms=["a", "b"], search=None, training=SimpleNamespace(epochs=4),
        comparison=SimpleNamespace(seeds=[0]),
    )  # fmt: skip
    shown.plans(workload(experiment, 1000, 2))
    for arm in ("a", "b"):
        shown.begins(arm, "seed 0", 4, 1000, {})
    now = 110.0
    shown.epoch("a", "seed 0", epoch(1, seconds=10))
    assert shown.facts.frames_per_second == pytest.approx(200)  # as much as can be known of b
    assert shown.facts.seconds_left == pytest.approx(7000 / 200)
    now = 120.0
    shown.epoch("a", "seed 0", epoch(2, seconds=10))
    shown.epoch("b", "seed 0", epoch(1, seconds=20))
    assert shown.facts.frames_per_second == pytest.approx(150)
    assert shown.facts.seconds_left == pytest.approx(5000 / 150)
    shown.epoch("b", "seed 0", epoch(2, seconds=20))  # at once: an earlier process did it
    assert shown.facts.frames_per_second == pytest.approx(150)
    assert shown.facts.done_frames == 4000


def drawn(facts, encoding="utf-8"):
    console = Console(file=io.TextIOWrapper(io.BytesIO(), encoding), width=80, force_terminal=True, color_system=None)
    console.print(panel.panel(facts, has_blocks=console.encoding.startswith("utf")))
    console.file.seek(0)
    return console.file.read().splitlines()


def test_the_screen_is_one_block_of_constant_height_in_80_columns():
    long = "context 12, batch_size 4096, learning_rate 0.00123, label_smoothing 0.05, depth 4, width 2048"
    facts = Facts("study", "?", {"ladnn": Standing(9, 3, 0.61), "ffdnn": Standing(9, 9, 0.6, [0.59] * 3)}, 1000, 500, 2)
    runs = [(("ladnn", "trial 3"), Running(3, 100, long, 0.0, [epoch(1, 0.3), epoch(2, 0.6)]))]
    runs += [(("ffdnn", "seed 12"), Running(40, 100, "", 0.0, [epoch(i + 1, i / 40) for i in range(30)]))]
    facts.frames_per_second = 86_000.0
    heights = set()
    for n in range(3):
        facts.running = dict(runs[:n])
        lines = drawn(facts)
        heights.add(len(lines))
        assert max(map(len, lines)) <= 80
    assert len(heights) == 1
    text = "\n".join(lines)
    assert "ladnn trial 3  epoch 3 of 3    60.00  ▁█                context 12, batch_size" in text
    assert "ffdnn seed 12  epoch 31 of 40  72.50  ▁▁▂▂▃▃▄▄▅▅▆▆▇▇██" in text
    assert "50 %  86,000 frames/s" in text
    assert "▁" not in "".join(drawn(facts, "ascii"))


def test_one_at_a_time_what_is_stopped_raises():
    with started(Parallelism(1, torch.get_num_threads(), 1), torch.device("cpu")) as runner:
        assert type(runner) is Here
        assert runner.map(str, [1, 2]) == ["1", "2"]
        runner.stop()
        assert runner.stopping.is_set()


@pytest.fixture(scope="module")
def residents(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    corpus = open_corpus(Data(corpus=str(write_corpus(folder / "corpus"))), folder)
    parts = {"train": corpus.train, "validation": corpus.validation, "test": corpus.test}
    return DeviceData(parts, 4, CPU, torch.float32)


@pytest.fixture(scope="module")
def workers():
    with started(Parallelism(2, 1, 2), torch.device("cpu")) as runner:
        assert isinstance(runner, Workers)
        yield runner


SETTINGS = Settings("ffdnn", {"width": 16}, Data(context=2), Training(epochs=3, batch_size=256, precision="fp32"))
REQUEST = {"seed": 0, "precision": "fp32", "on_epoch": lambda epoch: False}


@pytest.mark.slow
def test_workers_give_what_this_process_gives(workers, residents, tmp_path):
    told = []

    def trained(seed):
        def on_epoch(epoch):
            told.append((seed, epoch.epoch, threading.get_ident()))
            return epoch.epoch == 2 and seed == 1

        return workers.run("a", SETTINGS, residents, seed=seed, precision="fp32", on_epoch=on_epoch)

    both = workers.map(trained, [0, 1])
    assert [result.state for result in both] == ["complete", "pruned"]
    assert sorted((seed, epoch) for seed, epoch, _ in told) == [(0, 1), (0, 2), (0, 3), (1, 1), (1, 2)]
    assert len({thread for _, _, thread in told}) == 2
    here = run.run("a", SETTINGS, residents, seed=0, precision="fp32")
    np.testing.assert_array_equal(here.test.counts, both[0].test.counts)
    assert [e.train_loss for e in here.history] == [e.train_loss for e in both[0].history]
    with pytest.raises(RuntimeError, match="in a worker process:\nTraceback"):
        workers.run("a", Settings("nothing"), residents, **REQUEST)


@pytest.mark.slow
def test_a_worker_that_dies_is_a_run_that_failed_and_another_takes_its_place(workers, residents):
    def on_epoch(epoch):
        for worker in workers._all:
            if not worker.is_idle:
                os.kill(worker.process.pid, signal.SIGKILL)
        return False

    with pytest.raises(RunFailed, match=r"its process died \(SIGKILL\)"):
        workers.run("a", SETTINGS, residents, **REQUEST | {"on_epoch": on_epoch})
    for result in workers.map(lambda seed: workers.run("a", SETTINGS, residents, **REQUEST | {"seed": seed}), [0, 1]):
        assert result.state == "complete"


@pytest.mark.slow
def test_what_goes_wrong_with_one_stops_the_others(residents, tmp_path):
    """The one that fails is told, not those that it stopped; they have written their states."""
    wild = Training(epochs=3, batch_size=64, optimiser="sgd", learning_rate=1e30, clip_norm=0.0, precision="fp32")
    long = Training(epochs=100_000, batch_size=64, precision="fp32")
    stopped = []

    def trained(training):
        settings = Settings("ffdnn", {"width": 16}, Data(context=2), training)
        try:
            return workers.run("a", settings, residents, folder=tmp_path / str(training.epochs), **REQUEST)
        except Interrupted:
            stopped.append(training.epochs)
            raise

    with started(Parallelism(2, 1, 2), CPU) as workers:
        with pytest.raises(RunFailed, match="not finite"):
            workers.map(trained, [long, wild])
        assert stopped == [100_000]
        assert (tmp_path / "100000" / "state.pt").exists()
        with pytest.raises(Interrupted):
            workers.run("a", SETTINGS, residents, **REQUEST)


@pytest.mark.slow
def test_runs_that_are_killed_are_interrupted_at_once(residents, tmp_path):
    long = Settings("ffdnn", {"width": 16}, Data(context=2), Training(epochs=100_000, precision="fp32"))

    def trained(seed):
        def on_epoch(epoch):
            if seed == 1:
                workers.stop()
                workers.kill()
            return False

        return workers.run("a", long, residents, seed=seed, precision="fp32", on_epoch=on_epoch)

    with started(Parallelism(2, 1, 2), CPU) as workers, pytest.raises(Interrupted):
        workers.map(trained, [0, 1])
    assert not any(worker.process.is_alive() for worker in workers._all)
