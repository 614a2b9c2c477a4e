"""A request of several seeds is trained as one batched model, on a GPU; here on the CPU, which can do the same."""

from dataclasses import replace

import pytest
import torch

from harness.conductor.conduct import conduct
from harness.corpora.corpus import open_corpus
from harness.display.progress import Progress
from harness.engines.local import LocalEngine
from harness.engines.request import CorpusParts, EpochEnd, Failed, Request, Stop
from harness.errors import Interrupted
from harness.experiment.load import load
from harness.frames.device import Parallelism
from harness.settings import Data, Settings, Training
from harness.training import run
from tests.small_corpus import write_corpus

pytestmark = pytest.mark.slow  # processes, stores, browsers or trainings: not for the inner loop

CPU = torch.device("cpu")
ONE = Parallelism(1, 1, 1)
DATA = Data(context=1)
OWN = Settings("ffdnn", {"depth": 1, "width": 16}, DATA, Training(epochs=2, batch_size=128))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    root = tmp_path_factory.mktemp("corpus")
    corpus = open_corpus(replace(DATA, corpus=str(write_corpus(root / "c"))), root)
    parts = {"train": corpus.train, "validation": corpus.validation, "test": corpus.test}
    return CorpusParts(corpus.digest, parts, 2, 1 << 30)


@pytest.fixture
def together(monkeypatch):
    """The seeds of each batched model that is trained."""
    batches = []
    real = run.run_together

    def spy(*arguments, **options):
        batches.append(list(options["seeds"]))
        return real(*arguments, **options)

    monkeypatch.setattr(run, "run_together", spy)
    return batches


def finals(corpus, folder, seeds, settings=OWN, on_epoch=lambda engine, event: None):
    """The last event of one request."""
    with LocalEngine(ONE, CPU, folder) as engine:
        engine.offer(corpus)
        engine.submit(Request("x", settings, tuple(seeds), corpus.digest, "fp32", 1, tuple(map(str, seeds))))
        while True:
            for event in engine.events():
                if not isinstance(event, EpochEnd):
                    return event
                on_epoch(engine, event)
                engine.answer(event.id, False)


def alone(corpus, folder, seeds):
    return [finals(corpus, folder, [seed]).results[0] for seed in seeds]


def test_finals_are_trained_together_and_are_what_they_are_alone(corpus, tmp_path, together):
    epochs = []
    done = finals(corpus, tmp_path / "a", [1, 3, 5], on_epoch=lambda _, event: epochs.append(event.epoch.epoch))
    assert together == [[1, 3, 5]]
    assert sorted(epochs) == [1, 1, 1, 2, 2, 2]
    for a, b in zip(done.results, alone(corpus, tmp_path / "b", [1, 3, 5]), strict=True):
        assert a.seed == b.seed
        assert a.history[-1].train_loss == pytest.approx(b.history[-1].train_loss, rel=1e-3)


def test_what_was_begun_goes_on_by_itself(corpus, tmp_path, together):
    stopped = finals(corpus, tmp_path, [2], on_epoch=lambda engine, event: engine.stop())
    assert isinstance(stopped, Stop)
    done = finals(corpus, tmp_path, [2, 3, 4])
    assert together == [[3, 4]]
    assert [result.seed for result in done.results] == [2, 3, 4]


def test_what_goes_wrong_ends_the_request_and_a_stop_writes_the_state_of_each_seed(corpus, tmp_path):
    hot = replace(OWN, training=replace(OWN.training, learning_rate=1e30, optimiser="sgd", clip_norm=0.0, epochs=3))
    failure = finals(corpus, tmp_path / "a", [0, 1], hot)
    assert isinstance(failure, Failed)
    assert "was not finite" in str(failure.error)
    event = finals(corpus, tmp_path / "b", [0, 1], on_epoch=lambda engine, event: engine.stop())
    assert isinstance(event, Stop)
    assert [(tmp_path / "b" / seed / "state.pt").exists() for seed in "01"] == [True, True]


FILE = """\
question = "?"
study = "together"
[data]
corpus = "{corpus}"
context = 1
[training]
epochs = 2
batch_size = 128
precision = "fp32"
[arms.a]
architecture = "ladnn"
params.depth = {{ int = [1, 2] }}
params.width = 16
[arms.b]
architecture = "ffdnn"
params.depth = {{ int = [1, 2] }}
params.width = {width}
[search]
trials = 2
[comparison]
baseline = "b"
seeds = [0, 1, 2]
"""


class Silent:
    def refresh(self, facts):
        pass

    def line(self, text, **options):
        pass


class StoppedInSeedOne(LocalEngine):
    """Stops after the first epoch of a final of seed 1."""

    def events(self, timeout=None):
        new = super().events(timeout)
        if any(isinstance(event, EpochEnd) and event.seed == 1 for event in new):
            self.stop()
        return new


def study(root, *overrides, width=16, engine=LocalEngine, takes_batches=True):
    if not root.exists():
        write_corpus(root / "corpus")
        (root / "x.toml").write_text(FILE.format(corpus=root / "corpus", width=width))
    return conduct(
        load(root / "x.toml", overrides),
        root,
        device="cpu",
        restart=False,
        progress=Progress(Silent()),
        open_engine=lambda _, device, folder: engine(ONE, device, folder, takes_batches),
    )


def test_a_study_gives_the_same_comparison(tmp_path, together):
    pair = [study(tmp_path / str(takes_batches), takes_batches=takes_batches) for takes_batches in (False, True)]
    assert together == [[0, 1, 2], [0, 1, 2]]
    for one, other in zip(*(comparison.arms for comparison in pair), strict=True):
        per_seed = [arm.test["accuracy"].per_seed for arm in (one, other)]
        assert per_seed[0] == pytest.approx(per_seed[1], abs=0.01)
        assert one.settings | {"data.corpus": ""} == other.settings | {"data.corpus": ""}


def test_a_large_model_or_a_single_final_is_trained_by_itself(tmp_path, together, monkeypatch):
    monkeypatch.setattr(run, "SMALL", 100_000)
    study(tmp_path / "large", "training.epochs=1", "search.trials=1", "comparison.seeds=[0, 1]", width=2_000)
    assert together == [[0, 1]], "of the small arm alone"
    study(tmp_path / "single", "training.epochs=1", "search.trials=1", "comparison.seeds=[0]")
    assert together == [[0, 1]]


def test_finals_that_are_complete_or_begun_are_not_trained_together_anew(tmp_path, together):
    seeds = "comparison.seeds=[0, 1, 2, 3]"
    with pytest.raises(Interrupted):
        study(tmp_path / "x", seeds, engine=StoppedInSeedOne, takes_batches=False)
    study(tmp_path / "x", seeds)
    assert together == [[2, 3], [0, 1, 2, 3]]
