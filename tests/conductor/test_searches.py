"""Several searches of each arm as a study: run, killed, gone on with, compared and read back from MLflow."""

import contextlib
import json

import pytest

from harness.conductor.load import load_record
from harness.experiment.load import load
from harness.seeds import derive_seed
from tests.command import invoke, start
from tests.small_corpus import write_project

pytestmark = pytest.mark.slow  # trainings and a store: not for the inner loop

STUDY = """\
question = "Does anything help?"
study = "searched"
[data]
corpus = "corpus"
context = { int = [0, 2] }
[training]
epochs = 2
batch_size = 128
learning_rate = { log = [1e-3, 1e-1] }
precision = "fp32"
[arms.ladnn]
architecture = "ladnn"
params.width = 8
[arms.ffdnn]
architecture = "ffdnn"
params.width = 16
[search]
trials = 3
subset = 0.5
epochs = 1
seed = 7
[comparison]
baseline = "ffdnn"
searches = 3
seeds = [5, 6]
"""
CUT = """\
import os, signal, sys
from harness.conductor.search import ArmSearch
tell, left = ArmSearch.tell, [int(sys.argv.pop(1))]
def cut(study, trial):
    left[0] -= 1
    if left[0] < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    tell(study, trial)
ArmSearch.tell = cut
from harness.cli.main import main
main(prog_name="harness")
"""


def project(folder):
    return write_project(folder, {"study.toml": STUDY})


def comparison(folder):
    return json.loads((folder / "reports" / "searched" / "comparison.json").read_text())


def results(folder):
    """What must not depend on how often a study was interrupted."""
    return [
        [{key: value for key, value in trial.items() if key != "seconds"} for trial in search["trials"]]
        + [search["settings"], search["finals"]]
        for arm in comparison(folder)["arms"]
        for search in arm["searches"]
    ]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = project(tmp_path_factory.mktemp("searched"))
    done = invoke("run", "study.toml", cwd=folder)
    assert done.exit_code == 0, done.output
    return folder, done.output


def test_each_search_has_its_own_seed_trials_and_final(study):
    folder, output = study
    seeds = [7, derive_seed(7, 1) % 2**32, derive_seed(7, 2) % 2**32]
    for arm in comparison(folder)["arms"]:
        assert [search["seed"] for search in arm["searches"]] == seeds
        assert [len(search["trials"]) for search in arm["searches"]] == [3, 3, 3]
        assert [[final["seed"] for final in search["finals"]] for search in arm["searches"]] == [
            [5],
            [6],
            [derive_seed(5, 1) % 2**32],
        ], "two seeds are dealt to the first two searches, the third has a derived one"
        rates = {trial["settings"]["training.learning_rate"] for s in arm["searches"] for trial in s["trials"]}
        assert len(rates) == 9, "no search draws what another has drawn"
        assert arm["search"] == arm["searches"][0]["trials"], "the old keys are those of the first search"
        assert arm["settings"] == arm["searches"][0]["settings"]
        assert arm["trials"] == 9
    assert "About the architectures, as such a search tunes them" in output
    assert "3 searches" in output


def test_the_estimate_is_the_mean_of_the_searches_and_is_over_them(study):
    found = comparison(study[0])
    (pair,) = [pair for pair in found["pairs"] if pair["metric"] == "accuracy"]
    means = {
        arm["arm"]: sum(final["accuracy"] for search in arm["searches"] for final in search["finals"]) / 3
        for arm in found["arms"]
    }
    assert pair["difference"] == pytest.approx(means["ladnn"] - means["ffdnn"])
    assert pair["searches"] == [3, 3]
    assert pair["seeds_se"] is None, "one final each: search and seed cannot be told apart"


def test_searches_are_read_back_from_mlflow_alone(study):
    folder, _ = study
    with contextlib.chdir(folder):
        record = load_record(["searched"], [], folder)
    for arm, written in zip(record.arms, comparison(folder)["arms"], strict=True):
        assert [search.seed for search in arm.searches] == [search["seed"] for search in written["searches"]]
        assert [final.search for final in arm.finals] == [1, 2, 3]
        assert arm.ranges == {"data.context": "0 to 2", "training.learning_rate": "1e-3 to 0.1, log"}


def test_a_study_that_is_killed_in_a_later_search_ends_with_the_same_bits(study, tmp_path):
    folder = project(tmp_path / "killed")
    arguments = ["run", "study.toml"]
    for n_told in (4, 3):
        done = start(CUT, str(n_told), *arguments, cwd=folder).completed()
        assert done.returncode == -9, done.stderr
    done = invoke(*arguments, cwd=folder)
    assert done.exit_code == 0, done.output
    assert results(folder) == results(study[0])


def test_one_search_is_the_first_of_several(study, tmp_path):
    """So that a study of one search has the trials that it always had."""
    folder = project(tmp_path / "one")
    done = invoke("run", "study.toml", "--set", "comparison.searches=1", cwd=folder)
    assert done.exit_code == 0, done.output
    assert "About these two configurations, found by one search each" in done.output
    for one, several in zip(comparison(folder)["arms"], comparison(study[0])["arms"], strict=True):
        assert [trial["curve"] for trial in one["search"]] == [trial["curve"] for trial in several["search"]]
        assert one["chosen"] == several["chosen"]


def test_the_plan_shows_what_several_searches_cost(tmp_path):
    folder = project(tmp_path / "plan")
    plan = invoke("run", "study.toml", "--plan", cwd=folder).output
    assert "3 x 3 + 3" in plan
    assert "3 independent searches of each arm, 3 finals dealt to them in turn:" in plan
    assert "What it can show, in points of accuracy" in plan
    one = invoke("run", "study.toml", "--plan", "--set", "comparison.searches=1", cwd=folder).output
    assert "the result is about the configurations that it finds" in one


def test_seeds_are_dealt_to_the_searches_in_turn(tmp_path):
    folder = project(tmp_path / "dealt")
    experiment = load(folder / "study.toml", ["comparison.seeds=[4, 3, 2, 1, 0, 9]"])
    assert experiment.finals() == ((1, 4), (2, 3), (3, 2), (1, 1), (2, 0), (3, 9))
