"""Cross-validation over speakers as a study: run, read back from MLflow, compared over all speakers."""

import contextlib
import json

import numpy as np
import pytest

from harness.conductor.load import load_record
from harness.corpora.corpus import open_corpus
from harness.settings import Data
from harness.tracking.store import open_store
from tests.command import invoke
from tests.small_corpus import write_project

pytestmark = pytest.mark.slow  # trainings and a store: not for the inner loop

STUDY = """\
question = "Does anything help?"
study = "folded"
[data]
corpus = "corpus"
folds = 3
context = { int = [0, 2] }
[training]
epochs = 1
batch_size = 256
precision = "fp32"
[arms.ladnn]
architecture = "ladnn"
params.width = 8
[arms.ffdnn]
architecture = "ffdnn"
params.width = 16
[search]
trials = 2
epochs = 1
[comparison]
baseline = "ffdnn"
searches = 2
seeds = [0, 1]
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = write_project(tmp_path_factory.mktemp("folded"), {"study.toml": STUDY}, n_train=6, n_held=3)
    done = invoke("run", "study.toml", cwd=folder)
    assert done.exit_code == 0, done.output
    return folder, done.output


def comparison(folder):
    return json.loads((folder / "reports" / "folded" / "comparison.json").read_text())


def test_every_speaker_is_tested_once_and_all_of_them_are_compared(study):
    folder, output = study
    found = comparison(folder)
    assert [arm["arm"] for arm in found["arms"]] == ["ladnn", "ffdnn"]
    assert found["units"] == 12
    assert found["folds"] == 3
    for arm in found["arms"]:
        assert len(arm["speakers"]) == 12
        assert len(arm["test"]["accuracy"]["per_seed"]) == 2
    frames = sum(len(np.load(file)) for file in (folder / "corpus").glob("*/mfcc/*.npy"))
    assert np.sum(found["arms"][0]["confusion"]["counts"]) == 2 * frames, "of two finals"
    assert "12 speakers in 3 folds and 2 searches, one final each" in output
    assert "About the architectures, as such a search tunes them, trained on as many speakers." in output


def test_each_fold_is_searched_and_trained_apart_and_tested_on_its_own_speakers(study):
    folder, _ = study
    folds = open_corpus(Data(corpus=str(folder / "corpus"), folds=3), folder / ".harness").folds
    with contextlib.chdir(folder):
        record = open_store(folder).load_study("folded")
    cells = {arm.arm: arm for arm in record.arms}
    assert list(cells) == [f"{arm}@fold={fold}" for fold in (1, 2, 3) for arm in ("ladnn", "ffdnn")]
    for name, cell in cells.items():
        own = folds[int(name[-1]) - 1]
        for final in cell.finals:
            assert final.test.utterances == tuple(own.test.utterances)
            assert final.validation.utterances == tuple(own.validation.utterances)
            assert final.provenance["corpus"] != own.digest, "the study's corpus is the whole one"
        assert [len(search.trials) for search in cell.searches] == [2, 2]
    seeds = [final.seed for cell in cells.values() if cell.arm.startswith("ladnn") for final in cell.finals]
    assert len(set(seeds)) == 6, "folds have nothing in common but the corpus"


def test_the_accuracy_is_that_of_all_folds_together(study):
    folder, _ = study
    with contextlib.chdir(folder):
        whole = load_record(["folded"], [], folder)
        cells = open_store(folder).load_study("folded").arms
    own = [cell for cell in cells if cell.arm.startswith("ladnn")]
    for i in range(2):
        tests = [cell.finals[i].test for cell in own]
        right = sum(np.trace(test.confusion) for test in tests)
        assert whole.arms[0].finals[i].test.accuracy == pytest.approx(right / sum(t.confusion.sum() for t in tests))
    reported = invoke("report", "--study", "folded", "--json", cwd=folder)
    assert reported.exit_code == 0, reported.output
    assert json.loads(reported.stdout)["arms"] == comparison(folder)["arms"]


def test_a_finished_study_prints_its_result_again(study):
    folder, output = study
    again = invoke("run", "study.toml", cwd=folder)
    assert again.exit_code == 0, again.output
    (verdict,) = [line for line in output.splitlines() if "points of accuracy" in line]
    assert verdict in again.output


def test_the_plan_shows_folds_and_cost(study):
    folder, _ = study
    plan = invoke("run", "study.toml", "--plan", cwd=folder).output
    assert "3 x (2 x 2 + 2)" in plan
    assert "2 arms, 36 runs; 36 of them done" in plan
    assert "3 folds of whole speakers: every speaker is tested once" in plan


def test_a_model_of_one_fold_is_named(study):
    folder, _ = study
    refused = invoke("predict", "--study", "folded", "--arm", "ladnn", "corpus", "--out", "x.csv", cwd=folder)
    assert refused.exit_code == 2
    assert "It was cross-validated: give the model of one fold." in refused.stderr
    done = invoke(
        "predict", "--study", "folded", "--arm", "ladnn@fold=2", "corpus", "--split", "test", "--out", "x.csv",
        cwd=folder,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
