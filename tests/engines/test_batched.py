"""Finals that are asked for at once, on a GPU, are trained together; here on the CPU, which can do the same."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from harness.conductor.conduct import conduct
from harness.corpora.corpus import open_corpus
from harness.display.progress import Progress
from harness.engines import workers
from harness.engines.batched import Batched
from harness.engines.here import Here
from harness.errors import Interrupted, RunFailed
from harness.experiment.load import load
from harness.frames.placement import DeviceData
from harness.settings import Data, Settings, Training
from harness.training import run
from tests.corpora import write_corpus

CPU = torch.device("cpu")
DATA = Data(context=1)
OWN = Settings("ffdnn", {"depth": 1, "width": 16}, DATA, Training(epochs=2, batch_size=128))


@pytest.fixture(scope="module")
def residents(tmp_path_factory):
    root = tmp_path_factory.mktemp("corpus")
    corpus = open_corpus(replace(DATA, corpus=str(write_corpus(root / "c"))), root)
    parts = {"train": corpus.train, "validation": corpus.validation, "test": corpus.test}
    return DeviceData(parts, 2, CPU, torch.float32)


@pytest.fixture
def together(monkeypatch):
    """The seeds of each batched model that is trained."""
    seen = []
    real = run.run_together

    def noted(*arguments, **options):
        seen.append(list(options["seeds"]))
        return real(*arguments, **options)

    monkeypatch.setattr(run, "run_together", noted)
    return seen


def finals(runner, residents, folder: Path, seeds, settings=OWN, on_epoch=lambda epoch: False):
    def final(seed):
        (folder / str(seed)).mkdir(parents=True, exist_ok=True)
        if (folder / str(seed) / "known").exists():
            return None
        return runner.run(
            "x",
            settings,
            residents,
            seed=seed,
            precision="fp32",
            trial=None,
            folder=folder / str(seed),
            provenance={},
            on_epoch=on_epoch,
        )

    return runner.finals(final, seeds)


def test_finals_are_trained_together_and_are_what_they_are_alone(residents, tmp_path, together):
    epochs = []
    found = finals(Batched(), residents, tmp_path / "a", [5, 1, 3], on_epoch=lambda epoch: epochs.append(epoch.epoch))
    alone = finals(Here(), residents, tmp_path / "b", [5, 1, 3])
    assert together == [[1, 3, 5]]
    assert sorted(epochs) == [1, 1, 1, 2, 2, 2]
    for a, b in zip(found, alone, strict=True):
        assert a.seed == b.seed
        assert a.history[-1].train_loss == pytest.approx(b.history[-1].train_loss, rel=1e-3)


def test_what_is_done_or_begun_is_not_trained_again(residents, tmp_path, together):
    for seed in (1, 2):
        (tmp_path / str(seed)).mkdir()
    (tmp_path / "1" / "known").touch()
    asked = iter(range(100))
    with pytest.raises(Interrupted):
        run.run(
            "x",
            OWN,
            residents,
            seed=2,
            precision="fp32",
            folder=tmp_path / "2",
            should_stop=lambda: next(asked) == 3,
        )
    found = finals(Batched(), residents, tmp_path, [1, 2, 3, 4])
    assert together == [[3, 4]]
    assert found[0] is None
    assert [result.seed for result in found[1:]] == [2, 3, 4]


def test_a_large_model_or_a_single_final_is_trained_by_itself(residents, tmp_path, together):
    large = replace(OWN, params={"depth": 1, "width": 60_000}, training=Training(epochs=1, batch_size=4096))
    assert [r.seed for r in finals(Batched(), residents, tmp_path / "a", [0, 1], large)] == [0, 1]
    assert [r.seed for r in finals(Batched(), residents, tmp_path / "b", [0])] == [0]
    assert together == []


def test_what_goes_wrong_reaches_every_final(residents, tmp_path):
    hot = replace(OWN, training=replace(OWN.training, learning_rate=1e30, optimiser="sgd", clip_norm=0.0, epochs=3))
    with pytest.raises(RunFailed, match="was not finite"):
        finals(Batched(), residents, tmp_path / "a", [0, 1], hot)
    runner = Batched()
    with pytest.raises(Interrupted):
        finals(runner, residents, tmp_path / "b", [0, 1], on_epoch=lambda epoch: runner.stop())
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
params.width = 16
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


def test_a_study_gives_the_same_comparison(tmp_path, monkeypatch, together):
    found = []
    for runner in (Here(), Batched()):
        root = tmp_path / type(runner).__name__
        write_corpus(root / "corpus")
        (root / "x.toml").write_text(FILE.format(corpus=root / "corpus"))
        started = workers.contextlib.nullcontext(runner)
        monkeypatch.setattr(workers, "started", lambda spread, device, started=started: started)
        experiment = load(root / "x.toml", ())
        found.append(conduct(experiment, root, device="cpu", restart=False, progress=Progress(Silent())))
    assert together == [[0, 1, 2], [0, 1, 2]]
    for one, other in zip(*(comparison.arms for comparison in found), strict=True):
        assert one.test["accuracy"].per_seed == pytest.approx(other.test["accuracy"].per_seed, abs=0.01)
        assert {**one.settings, "data.corpus": ""} == {**other.settings, "data.corpus": ""}
