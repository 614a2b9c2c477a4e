"""The loop of a study: what goes wrong with one run stops the others, which have written their states."""

import multiprocessing
import os
import signal
import threading

import pytest
import torch

from harness.conductor.conduct import conduct
from harness.display.progress import Progress
from harness.engines.local import LocalEngine
from harness.engines.request import EpochEnd
from harness.errors import Interrupted, RunFailed
from harness.experiment.load import load
from harness.frames.device import Parallelism
from harness.tracking import store
from tests.small_corpus import write_corpus

pytestmark = pytest.mark.slow  # processes, stores, browsers or trainings: not for the inner loop

FILE = """\
question = "What goes wrong?"
study = "loop"
[data]
corpus = "{corpus}"
context = 1
[training]
epochs = 100_000
batch_size = 64
optimiser = "sgd"
clip_norm = 0
precision = "fp32"
[arms.long]
architecture = "ffdnn"
params.width = 16
[arms.wild]
architecture = "ffdnn"
params.width = 16
training.learning_rate = {rate}
[comparison]
baseline = "long"
seeds = [0]
"""


class Lines:
    def __init__(self):
        self.lines = []

    def refresh(self, facts):
        pass

    def line(self, text, may_be_cut=False):
        self.lines.append(text)


class OnEpoch(LocalEngine):
    """Does something once, when an arm has ended an epoch."""

    def __init__(self, parallelism, folder, arm_epoch):
        super().__init__(parallelism, torch.device("cpu"), folder)
        self.arm_epoch, self.arms, self.heard = arm_epoch, {}, set()

    def submit(self, request):
        id = super().submit(request)
        self.arms[id] = request.arm
        return id

    def events(self, timeout=None):
        new = super().events(timeout)
        for event in new:
            if isinstance(event, EpochEnd) and self.arms[event.id] not in self.heard:
                self.heard.add(self.arms[event.id])
                self.arm_epoch(self.arms[event.id])
        return new


def study(folder, on_epoch=lambda arm: None, rate="1e-3", n_runs=2):
    write_corpus(folder / "corpus")
    (folder / "x.toml").write_text(FILE.format(corpus=folder / "corpus", rate=rate))
    return conduct(
        load(folder / "x.toml", ()),
        folder,
        device="cpu",
        restart=False,
        progress=Progress(Lines()),
        open_engine=lambda _, device, study: OnEpoch(Parallelism(n_runs, 1, n_runs), study, on_epoch),
    )


def statuses(folder):
    """Of the finals in MLflow, by arm."""
    client = store.open_store(folder).client
    experiment = client.get_experiment_by_name("loop")
    runs = client.search_runs([experiment.experiment_id], "tags.kind = 'final'")
    return {run.data.tags["arm"]: run.info.status for run in runs}


@pytest.mark.slow
def test_what_goes_wrong_with_one_stops_the_others(tmp_path):
    """The one that fails is told, not those that it stopped."""
    with pytest.raises(RunFailed, match=r"arm 'wild', seed 0: .*not finite"):
        study(tmp_path, rate="1e30")
    assert statuses(tmp_path) == {"long": "KILLED", "wild": "FAILED"}
    assert (tmp_path / ".harness/studies/loop/runs/long-seed-0/state.pt").exists()
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("n_runs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_signal_stops_what_is_trained_and_its_state_is_written(tmp_path, n_runs):
    with pytest.raises(Interrupted):
        study(tmp_path, lambda arm: arm == "long" and os.kill(os.getpid(), signal.SIGTERM), n_runs=n_runs)
    assert statuses(tmp_path)["long"] == "KILLED"
    assert (tmp_path / ".harness/studies/loop/runs/long-seed-0/state.pt").exists()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


@pytest.mark.parametrize("n_runs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_second_signal_kills_at_once(tmp_path, n_runs):
    def twice(arm):
        if arm == "long":
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    n_threads = threading.active_count()
    with pytest.raises(Interrupted):
        study(tmp_path, twice, n_runs=n_runs)
    assert statuses(tmp_path)["long"] == "KILLED"
    assert not multiprocessing.active_children()
    assert threading.active_count() <= n_threads + 1


@pytest.mark.slow
def test_an_error_of_the_program_while_an_epoch_is_taken_in_leaves_nothing_behind(tmp_path):
    class Broken(Lines):
        def refresh(self, facts):
            if any(run.curve for run in facts.running.values()):
                raise OSError("no space left on device")

    write_corpus(tmp_path / "corpus")
    (tmp_path / "x.toml").write_text(FILE.format(corpus=tmp_path / "corpus", rate="1e-3"))
    with pytest.raises(OSError, match="no space left"):
        conduct(
            load(tmp_path / "x.toml", ()),
            tmp_path,
            device="cpu",
            restart=False,
            progress=Progress(Broken()),
            open_engine=lambda _, device, folder: LocalEngine(Parallelism(2, 1, 2), device, folder),
        )
    assert (tmp_path / ".harness/studies/loop/runs/long-seed-0/state.pt").exists()
    assert not multiprocessing.active_children()
