"""The engine of this machine: a thread and processes give the same, and nothing that happens to them is mistaken."""

import multiprocessing
import os
import pickle
import signal
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from harness.corpora.corpus import open_corpus
from harness.engines.local import LocalEngine
from harness.engines.request import CorpusParts, Done, EpochEnd, Failed, Fault, Lost, Request, Stop
from harness.frames.device import Parallelism
from harness.frames.placement import DeviceData
from harness.results import RunResult
from harness.settings import Data, Settings, Training
from harness.training import run
from tests.small_corpus import write_corpus

pytestmark = pytest.mark.slow  # processes, stores, browsers or trainings: not for the inner loop

CPU = torch.device("cpu")
ONE, TWO = Parallelism(1, 1, 1), Parallelism(2, 1, 2)
SETTINGS = Settings("ffdnn", {"width": 16}, Data(context=2), Training(epochs=3, batch_size=256, precision="fp32"))
LONG = replace(SETTINGS, training=replace(SETTINGS.training, epochs=100_000, batch_size=64))
WILD = replace(
    SETTINGS, training=replace(SETTINGS.training, optimiser="sgd", learning_rate=1e30, clip_norm=0.0, batch_size=64)
)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    corpus = open_corpus(Data(corpus=str(write_corpus(folder / "corpus"))), folder)
    parts = {"train": corpus.train, "validation": corpus.validation, "test": corpus.test}
    return CorpusParts(corpus.digest, parts, 4, 1 << 30)


@pytest.fixture(
    params=[
        pytest.param(ONE, id="a thread"),
        pytest.param(TWO, id="processes", marks=pytest.mark.slow),
    ]
)
def engine(request, corpus, tmp_path):
    with LocalEngine(request.param, CPU, tmp_path) as engine:
        engine.offer(corpus)
        yield engine
    assert not multiprocessing.active_children()


@pytest.fixture
def ask(corpus):
    """Makes a request."""

    def request(*seeds, settings=SETTINGS, **options):
        folders = tuple(f"runs/{settings.training.epochs}-{seed}" for seed in seeds)
        return Request("a", settings, seeds, corpus.digest, "fp32", 1, folders, **options)

    return request


def ends(engine, *ids, on_epoch=lambda event: False):
    """The last event of each request."""
    last = {}
    while len(last) < len(ids):
        for event in engine.events():
            if isinstance(event, EpochEnd):
                engine.answer(event.id, on_epoch(event))
            else:
                assert event.id not in last
                last[event.id] = event
    return [last[id] for id in ids]


def all_done(engine, requests, on_epoch=lambda event: False):
    """The results of requests, as many at a time as there are slots."""
    results, open_ids, left = {}, {}, list(enumerate(requests))
    while left or open_ids:
        while left and len(open_ids) < engine.slots():
            i, request = left.pop(0)
            open_ids[engine.submit(request)] = i
        for event in engine.events():
            if isinstance(event, EpochEnd):
                engine.answer(event.id, on_epoch(event))
            else:
                assert isinstance(event, Done), event
                results[open_ids.pop(event.id)] = event.results
    return [result for i in range(len(requests)) for result in results[i]]


def same(a, b):
    np.testing.assert_array_equal(a.test.counts, b.test.counts)
    assert [epoch.train_loss for epoch in a.history] == [epoch.train_loss for epoch in b.history]


def test_a_request_is_a_value(ask):
    request = ask(0, facts={"commit": "none"})
    assert pickle.loads(pickle.dumps(request)) == request


def test_it_gives_what_training_gives_and_says_each_epoch(engine, ask, corpus, tmp_path):
    heard = Counter()

    def on_epoch(event):
        heard[event.seed] += 1
        return event.epoch.epoch == 2 and event.seed == 1

    requests = [ask(seed, facts={"commit": "none", "at_once": 7}) for seed in (0, 1)]
    both = all_done(engine, requests, on_epoch)
    assert [result.state for result in both] == ["complete", "pruned"]
    assert heard == {0: 3, 1: 2}
    same(run.run("a", SETTINGS, DeviceData(corpus.parts, 4, CPU, torch.float32), seed=0, precision="fp32"), both[0])
    same(RunResult.load(tmp_path / "runs/3-0"), both[0])


def test_a_result_says_who_trained_it(engine, ask):
    (result,) = all_done(engine, [ask(0, facts={"commit": "none", "dirty": False, "corpus": "c", "at_once": 7})])
    assert list(result.provenance) == [
        "device", "precision", "torch", "threads", "host", "python", "versions", "started",
        "commit", "dirty", "corpus", "at_once",
    ]  # fmt: skip
    assert (result.provenance["threads"], result.provenance["at_once"]) == (1, 7)


def test_a_run_that_diverges_fails_and_one_that_cannot_be_trained_is_at_fault(engine, ask):
    (failure,) = ends(engine, engine.submit(ask(0, settings=WILD)))
    assert isinstance(failure, Failed)
    assert "was not finite" in str(failure.error)
    (fault,) = ends(engine, engine.submit(ask(1, settings=Settings("nothing"))))
    assert isinstance(fault, Fault)
    assert str(fault.error).startswith("in a worker process:\nTraceback")
    assert len(all_done(engine, [ask(2)])) == 1


def test_one_request_stops_with_its_state_and_goes_on(engine, ask, tmp_path):
    whole = all_done(engine, [ask(0)])[0]
    (tmp_path / "runs/3-0/result.json").unlink()
    (tmp_path / "runs/3-0/state.pt").unlink()
    id = engine.submit(ask(0))

    def on_epoch(event):
        engine.stop(id)
        return False

    assert ends(engine, id, on_epoch=on_epoch) == [Stop(id)]
    assert (tmp_path / "runs/3-0/state.pt").exists()
    same(all_done(engine, [ask(0)])[0], whole)


def test_all_stop_and_no_other_begins(engine, ask, tmp_path):
    ids = [engine.submit(ask(seed, settings=LONG)) for seed in range(engine.slots())]
    heard = set()

    def on_epoch(event):
        heard.add(event.id)
        if len(heard) == len(ids):
            engine.stop()
        return False

    assert ends(engine, *ids, on_epoch=on_epoch) == [Stop(id) for id in ids]
    assert all((tmp_path / f"runs/100000-{seed}/state.pt").exists() for seed in range(engine.slots()))
    last = engine.submit(ask(7))
    assert engine.events() == [Stop(last)]


def test_what_is_killed_ends_at_once(engine, ask):
    ids = [engine.submit(ask(seed, settings=LONG)) for seed in range(engine.slots())]

    def on_epoch(event):
        engine.stop()
        engine.kill()
        return False

    assert ends(engine, *ids, on_epoch=on_epoch) == [Stop(id) for id in ids]


def test_events_do_not_wait_longer_than_they_may(engine):
    assert engine.events(0.01) == []


@pytest.mark.slow
def test_a_process_that_dies_is_lost_and_its_run_goes_on_bit_for_bit(corpus, ask, tmp_path):
    def on_epoch(event):
        if event.epoch.epoch == 2:
            for process in multiprocessing.active_children():
                os.kill(process.pid, signal.SIGKILL)
                process.join()  # the idle one's pipe ends with it, before the next request is sent to anyone
        return False

    with LocalEngine(TWO, CPU, tmp_path) as engine:
        engine.offer(corpus)
        whole = all_done(engine, [ask(0)])[0]
        (tmp_path / "runs/3-0/state.pt").unlink()
        id = engine.submit(ask(0))
        assert ends(engine, id, on_epoch=on_epoch) == [Lost(id, "SIGKILL")]
        heard = []
        again = all_done(engine, [ask(0), ask(1)], lambda event: heard.append((event.seed, event.epoch.epoch)))
        assert sorted(heard) == [(0, 1), (0, 2), (0, 3), (1, 1), (1, 2), (1, 3)], "what the state has is told again"
        same(again[0], whole)
