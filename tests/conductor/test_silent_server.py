"""A tracking server that falls silent in the middle of a study is waited for, and then delivered what it missed."""

from collections import Counter

import pytest

from harness.tracking import patience
from harness.tracking.store import open_store
from tests.command import harness, invoke
from tests.mlflow_server import Road, serving
from tests.small_corpus import STUDY, write_project

pytestmark = pytest.mark.slow

TROUBLE = {30: "refuse", 60: "500", 90: "hang", 121: "deaf", 160: "deaf", 200: "refuse"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of an MLflow server with a database of its own."""
    with serving(tmp_path_factory.mktemp("server"), "server", "--backend-store-uri", "sqlite:///server.db") as address:
        yield address


@pytest.fixture
def quick(monkeypatch):
    """Tries that follow each other quickly."""
    monkeypatch.setattr(patience, "BETWEEN_TRIES", 0.1)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


def states(address, folder, monkeypatch, study):
    """How often each run with each state is there."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    store = open_store(folder)
    runs = store.runs([e.experiment_id for e in store.experiments() if e.name.startswith(study)])
    return Counter((run.info.run_name, run.info.status) for run in runs)


def test_a_study_waits_for_its_server_and_every_run_is_there_once(server, quick, tmp_path, monkeypatch):
    project = write_project(tmp_path, {"small.toml": STUDY})
    road = Road(server, TROUBLE)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", road.address)
    done = invoke("run", "small.toml", cwd=project)
    assert done.exit_code == 0, done.stderr
    assert road.met == {"refuse", "500", "hang", "deaf"}
    assert done.stderr.count("answers again, after ") == done.stderr.count("does not answer as it should")
    for why in ("there is no connection", "it answers 500", "it gave no answer in time"):
        assert f"MLflow's server {road.address} does not answer as it should: {why};" in done.stderr
    runs = states(server, project, monkeypatch, "small")
    assert set(runs.values()) == {1}
    assert {state for _, state in runs} == {"FINISHED"}
    assert len(runs) == 2 + 2 * (2 + 2), "arms, trials and finals"


def test_a_server_that_stays_silent_ends_the_study_which_the_same_command_goes_on_with(
    server, quick, tmp_path, monkeypatch
):
    project = write_project(tmp_path, {"gone.toml": STUDY.replace('"small"', '"gone"')})
    road = Road(server, {90: "refuse"}, n_each=10**6)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", road.address)
    monkeypatch.setattr(patience, "LONGEST", 1.0)
    monkeypatch.setattr(patience, "BETWEEN_LINES", 0.5)
    stopped = invoke("run", "gone.toml", cwd=project)
    assert stopped.exit_code == 1
    said = stopped.stderr.strip().splitlines()
    assert said[-1].startswith(f"failed: MLflow's server {road.address} has not answered for")
    assert said[-1].endswith("give the same command again; it delivers that, and goes on where it stopped")
    assert any("has not answered for" in line and line.endswith("trying again") for line in said)
    again = harness("run", "gone.toml", cwd=project, MLFLOW_TRACKING_URI=server)  # MLflow keeps addresses of a process
    assert again.returncode == 0, again.stderr
    runs = states(server, project, monkeypatch, "gone")
    assert set(runs.values()) == {1}
    assert {state for _, state in runs} == {"FINISHED"}
