"""A store as it is opened, begun in, archived and refused, and where it lies. On real stores."""

import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.tracking.store import open_store, ui_command
from tests.records import comparison_json
from tests.studies import begin, runs, start_final

pytestmark = pytest.mark.slow  # processes, stores, browsers or trainings: not for the inner loop

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.slow
def test_processes_that_make_one_database_together_all_succeed(tmp_path):
    code = (
        "import sys; from pathlib import Path\n"
        "from harness.tracking.store import open_store\n"
        "open_store(Path(sys.argv[1]))"
    )
    start = [subprocess.Popen([sys.executable, "-c", code, tmp_path], cwd=REPOSITORY) for _ in range(4)]
    assert [process.wait(timeout=120) for process in start] == [0, 0, 0, 0]
    assert open_store(tmp_path).studies() == []


def test_runs_lie_where_a_bare_mlflow_ui_looks_whatever_folder_is_current(root, small, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    store = open_store(root)
    final = small.arms[0].finals[0]
    start_final(begin(store, small), final).finish(final)
    run = runs(store, "ladnn", "final")["ladnn seed 0"]
    assert run.info.artifact_uri == str(root / "mlruns" / run.info.experiment_id / run.info.run_id / "artifacts")
    assert (Path(run.info.artifact_uri) / "confusion.png").exists()
    assert not list(elsewhere.iterdir())
    assert Path.cwd() == elsewhere


def test_a_gitignore_in_mlruns_is_left_alone(root):
    (root / "mlruns").mkdir()
    (root / "mlruns" / ".gitignore").write_text("*\n!.gitignore\n")
    assert open_store(root).studies() == []


def test_the_line_that_shows_the_store_is_what_works_here(root, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(root)
    assert ui_command(root) == "mlflow ui"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ui_command(root) == f"{Path(sys.executable).parent / 'mlflow'} ui"
    monkeypatch.chdir(tmp_path)
    assert ui_command(root).endswith(f"mlflow ui --backend-store-uri sqlite:///{root}/mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////some where/else.db")
    assert ui_command(root).endswith("mlflow ui --backend-store-uri 'sqlite:////some where/else.db'")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking:5000")
    assert ui_command(root) == "http://tracking:5000"


def test_a_tracking_uri_is_followed(tmp_path, empty_database, small, monkeypatch):
    shutil.copy(empty_database, tmp_path / "other.db")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/other.db")
    begin(open_store(tmp_path / "project"), small)
    assert not (tmp_path / "project").exists()
    assert [line.study for line in open_store(tmp_path).studies()] == ["ladnn"]


def test_an_old_file_store_is_refused_with_its_mending(tmp_path, empty_database):
    (tmp_path / "mlruns" / "0").mkdir(parents=True)
    (tmp_path / "mlruns" / "0" / "meta.yaml").write_text("")
    with pytest.raises(UserError, match=r"mlruns/0/meta\.yaml: the file store of an old MLflow") as refusal:
        open_store(tmp_path)
    assert not (tmp_path / "mlflow.db").exists()
    subprocess.run(str(refusal.value).splitlines()[-1], shell=True, check=True)
    shutil.copy(empty_database, tmp_path)
    assert open_store(tmp_path).studies() == []


def test_a_moved_folder_is_refused_and_its_mending_works(finished, small):
    root, _ = finished
    moved = root.with_name("moved it's 2")
    root.rename(moved)
    with pytest.raises(UserError, match="was made in another folder") as refusal:
        open_store(moved)
    assert str(root / "mlruns") in str(refusal.value)
    subprocess.run(str(refusal.value).splitlines()[-1], shell=True, check=True, executable="/bin/sh")
    assert comparison_json(open_store(moved).load_study("ladnn")) == comparison_json(small)
    assert (moved / "mlflow.db.before").exists()


def test_a_folder_reached_by_a_link_is_not_taken_for_moved(root, store, small, tmp_path):
    begin(store, small)
    (tmp_path / "link").symlink_to(root)
    assert len(open_store(tmp_path / "link").studies()) == 1
    (tmp_path / "big disk").mkdir()
    (root / "mlruns").symlink_to(tmp_path / "big disk")
    assert len(open_store(root).studies()) == 1


def test_a_server_that_does_not_answer_is_told_at_once(tmp_path, monkeypatch):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{unused.getsockname()[1]}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    started = time.monotonic()
    with pytest.raises(UserError, match=f"MLFLOW_TRACKING_URI = {uri}: no server answers there"):
        open_store(tmp_path)
    assert time.monotonic() - started < 15


def test_a_closed_kind_of_store_is_a_mistake_not_a_traceback(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", str(tmp_path / "files"))
    with pytest.raises(UserError, match="MLFLOW_TRACKING_URI = "):
        open_store(tmp_path)


def test_a_database_of_another_mlflow_is_told_how_to_upgrade(root):
    with sqlite3.connect(root / "mlflow.db") as database:
        database.execute("update alembic_version set version_num = '451aebb31d03'")
    with pytest.raises(UserError, match=r"made by another MLflow.*mlflow db upgrade sqlite:///"):
        open_store(root)


def test_an_experiment_that_is_not_ours_or_in_the_trash_is_not_taken(store, small):
    theirs = store.client.create_experiment("ladnn")
    with pytest.raises(UserError, match='study = "ladnn": an MLflow experiment of this name exists'):
        begin(store, small)
    store.client.delete_experiment(theirs)
    with pytest.raises(UserError, match=f"trash.*mlflow experiments restore --experiment-id {theirs}"):
        begin(store, small)


def test_an_archived_study_is_kept_apart_and_its_name_is_free(finished, small):
    store = open_store(finished[0])
    before = runs(store, "ladnn", "final")
    new = store.archive("ladnn")
    assert re.fullmatch(r"ladnn \(archived 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\)", new)
    assert store.studies() == []
    with pytest.raises(UserError, match="holds no study yet"):
        store.load_study("ladnn")
    begin(store, small)
    assert not runs(store, "ladnn", "final")
    assert not runs(store, "ladnn/search", "trial")
    assert set(runs(store, new, "final")) == set(before)
    assert len(runs(store, f"{new}/search", "trial")) == sum(len(arm.trials) for arm in small.arms)
    assert [line.study for line in store.studies()] == ["ladnn"]
