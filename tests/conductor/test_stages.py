"""Staged searches and sweeps as studies: run, killed, gone on with, read back from MLflow."""

import json
import signal

import pytest

from harness.tracking import store
from tests.command import invoke, start
from tests.small_corpus import write_project

pytestmark = pytest.mark.slow  # processes, stores, browsers or trainings: not for the inner loop

HALVED = """\
question = "Does anything help?"
study = "halved"
[data]
corpus = "corpus"
context = { int = [0, 2] }
[training]
epochs = 2
batch_size = 128
learning_rate = { log = [1e-3, 1e-1] }
early_stopping = 1
precision = "fp32"
[arms.ladnn]
architecture = "ladnn"
params.width = 8
[arms.ffdnn]
architecture = "ffdnn"
params.width = 16
[search]
trials = 5
halving = 2
subset = 0.5
epochs = 1
[comparison]
baseline = "ffdnn"
seeds = [0]
"""
SWEPT = """\
question = "Which rate of learning does it take?"
study = "swept"
[data]
corpus = "corpus"
context = { int = [0, 1] }
[training]
epochs = 1
batch_size = 128
optimiser = "sgd"
clip_norm = 0
precision = "fp32"
[arms.ladnn]
architecture = "ladnn"
params.width = 8
[arms.ffdnn]
architecture = "ffdnn"
params.width = 8
[search]
trials = 2
[sweep]
training.learning_rate = [0.001, 0.01, 1e30]
[comparison]
baseline = "ffdnn"
seeds = [0, 1]
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
"""harness in a process that is killed once so many trials of all arms have been told, the next trained but not told."""


def project(folder):
    return write_project(folder, {"halved.toml": HALVED, "swept.toml": SWEPT})


def numbers(folder, study):
    """A comparison without what differs from run to run: times."""
    comparison = json.loads((folder / "reports" / study / "comparison.json").read_text())
    return [
        {
            "finals": [arm["confusion"], arm["chosen"], arm["test"]],
            "trials": [{k: v for k, v in trial.items() if k != "seconds"} for trial in arm["search"]],
        }
        for arm in comparison["arms"]
    ]


@pytest.fixture(scope="module")
def halved(tmp_path_factory):
    folder = project(tmp_path_factory.mktemp("halved"))
    done = invoke("run", "halved.toml", cwd=folder)
    assert done.exit_code == 0, done.stderr
    assert "Every arm spent the same frames." in done.stdout
    return folder


def test_every_arm_spends_what_the_plan_says_rung_by_rung(halved):
    comparison = json.loads((halved / "reports" / "halved" / "comparison.json").read_text())
    train = comparison["corpus"]["splits"]["train"]["frames"]
    for arm in comparison["arms"]:
        assert [(r["rung"], r["trials"]) for r in arm["rungs"]] == [(1, 5), (2, 2)]
        assert arm["rungs"][0]["frames"] < 5 * 0.7 * train
        assert arm["rungs"][1]["frames"] == 2 * train
        assert arm["search_frames"] == comparison["arms"][0]["search_frames"]
        chosen = [t for t in arm["search"] if t["rung"] == 2 and t["settings"] == arm["chosen"]]
        assert chosen[0]["value"] == max(t["value"] for t in arm["search"] if t["rung"] == 2)
    plan = invoke("run", "halved.toml", "--plan", cwd=halved).stdout
    assert f"{comparison['arms'][0]['search_frames']:,}" in plan


def test_mlflow_shows_the_rung_and_the_origin_of_a_trial(halved):
    client = store.open_store(halved).client
    search = client.get_experiment_by_name("halved/search")
    runs = client.search_runs([search.experiment_id], "tags.arm = 'ladnn'")
    found = {int(run.data.tags["trial"]): run for run in runs}
    assert [found[i].data.tags["rung"] for i in range(7)] == ["1"] * 5 + ["2"] * 2
    assert found[5].info.run_name == "ladnn trial 5, rung 2"
    origin = found[int(found[5].data.tags["origin"])]
    assert origin.data.params["training.learning_rate"] == found[5].data.params["training.learning_rate"]
    record = store.open_store(halved).load_study("halved")
    assert [(t.rung, t.origin is None) for t in record.arms[0].trials] == [(1, True)] * 5 + [(2, False)] * 2


@pytest.mark.slow
@pytest.mark.parametrize("told", [3, 5, 6])
def test_a_search_killed_in_any_rung_goes_on_bit_for_bit(halved, tmp_path, told):
    folder = project(tmp_path)
    killed = start(CUT, str(told), "run", "halved.toml", cwd=folder, OMP_NUM_THREADS="1").completed()
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    done = invoke("run", "halved.toml", cwd=folder)
    assert done.exit_code == 0, done.stderr
    assert numbers(folder, "halved") == numbers(halved, "halved")


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    folder = project(tmp_path_factory.mktemp("swept"))
    done = invoke("run", "swept.toml", cwd=folder)
    assert done.exit_code == 0, done.stderr
    (folder / "stdout").write_text(done.stdout)
    return folder


def test_a_sweep_compares_cell_by_cell_and_keeps_those_that_failed(swept):
    comparison = json.loads((swept / "reports" / "swept" / "comparison.json").read_text())
    names = {f"{arm}@learning_rate={rate}" for arm in ("ladnn", "ffdnn") for rate in (0.001, 0.01)}
    assert {arm["arm"] for arm in comparison["arms"]} == names
    assert len({(arm["trials"], arm["search_frames"]) for arm in comparison["arms"]}) == 1
    assert len(comparison["verdicts"]) == 2
    for curve in comparison["sweep"]["curves"]:
        assert [point["state"] for point in curve["points"]] == ["complete", "complete", "failed"]
        assert curve["points"][2]["failure"] == "none of its 2 trials could be trained to the end"
    printed = (swept / "stdout").read_text()
    assert "ladnn against ffdnn, by learning rate:" in printed
    assert "failed" in printed
    table = printed.partition("\nTest accuracy")[2].partition("\nChecks of the study")[0]
    assert max(map(len, table.splitlines())) <= 80, printed


def test_a_sweep_is_read_back_from_mlflow_as_it_was_recorded(swept):
    printed = invoke("report", "--study", "swept", cwd=swept)
    assert printed.exit_code == 0, printed.stderr
    first = (swept / "stdout").read_text().partition("\nNext")[0]
    assert printed.stdout.partition("\nNext")[0] == first
    again = invoke("run", "swept.toml", cwd=swept)
    assert "trial" not in again.stderr, "nothing is trained twice"
    client = store.open_store(swept).client
    experiment = client.get_experiment_by_name("swept")
    states = {
        run.data.tags["arm"]: run.info.status
        for run in client.search_runs([experiment.experiment_id], "tags.kind = 'arm'")
    }
    assert states["ladnn@learning_rate=1e+30"] == "FAILED"
    assert states["ffdnn@learning_rate=0.01"] == "FINISHED"


@pytest.mark.slow
def test_a_final_that_diverges_fails_its_cell_and_not_the_study(tmp_path):
    folder = project(tmp_path)
    fixed = ["--set", "data.context=1", "--set", "study=fixed", "--set", "sweep.training.learning_rate=[0.01, 1e30]"]
    (folder / "swept.toml").write_text(SWEPT.replace("[search]\ntrials = 2\n", ""))
    done = invoke("run", "swept.toml", *fixed, cwd=folder)
    assert done.exit_code == 0, done.stderr
    comparison = json.loads((folder / "reports" / "fixed" / "comparison.json").read_text())
    failed = comparison["sweep"]["curves"][0]["points"][1]
    assert failed["state"] == "failed"
    assert failed["failure"].startswith("seed 0: ")
    plan = invoke("run", "swept.toml", *fixed, "--plan", cwd=folder)
    assert "swept: learning rate 0.01, 1e+30" in plan.stdout
