"""The database of a store: made whole or not at all, known again when it was broken, and never taken when it is whole.

On real databases, and with a real kill.
"""

import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.tracking.store import open_store
from tests.command import ROOT

pytestmark = pytest.mark.slow  # processes, stores, browsers or trainings: not for the inner loop

KILLED = """
import os, sqlite3, sys, threading, time
from pathlib import Path
from harness.tracking.store import open_store

def size(root):
    try:
        return sum(file.stat().st_size for file in root.glob("*mlflow.db*"))
    except FileNotFoundError:  # a journal that was removed between the two
        return 0

def kill():
    root, n = Path(sys.argv[1]), int(sys.argv[2])
    while size(root) < n:
        time.sleep(0.002)
    os.kill(os.getpid(), 9)

threading.Thread(target=kill, daemon=True).start()
open_store(Path(sys.argv[1]))
"""


@pytest.mark.parametrize("n_bytes", [20_000, 300_000])
def test_a_kill_while_the_database_is_made_leaves_a_folder_that_works(tmp_path, n_bytes):
    killed = subprocess.run([sys.executable, "-c", KILLED, tmp_path, str(n_bytes)], cwd=ROOT, capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "mlflow.db").exists()
    assert open_store(tmp_path).studies() == []
    assert sorted(path.name for path in tmp_path.iterdir()) == [".harness", "mlflow.db"]


def _make(file: Path, *statements: str) -> None:
    database = sqlite3.connect(file)
    with database:
        for statement in statements:
            database.execute(statement)
    database.close()


@pytest.mark.parametrize("statements", [(), ("create table experiments (a)", "create table spans (a)")])
def test_a_database_that_an_earlier_kill_left_unfinished_is_moved_aside_and_said(tmp_path, capsys, statements):
    _make(tmp_path / "mlflow.db", *statements)
    assert open_store(tmp_path).studies() == []
    said = capsys.readouterr().err
    assert f"{tmp_path / 'mlflow.db'}: was left unfinished when a command was killed, and holds no run" in said
    (aside,) = tmp_path.glob("mlflow.db.broken-*")
    assert aside.name in said


def test_another_programs_database_is_left_alone(tmp_path):
    _make(tmp_path / "mlflow.db", "create table songs (a)")
    with pytest.raises(UserError, match=r"mlflow\.db"):
        open_store(tmp_path)
    assert [path.name for path in tmp_path.glob("mlflow.db*")] == ["mlflow.db"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (lambda whole: whole[: len(whole) // 2], "malformed; it is damaged"),
        (lambda whole: b"no database" * 5000, "not a database; it is damaged"),
    ],
)
def test_a_damaged_database_is_a_sentence_with_the_way_out_and_stays_as_it_is(
    tmp_path, empty_database, content, sentence
):
    damaged = content(empty_database.read_bytes())
    (tmp_path / "mlflow.db").write_bytes(damaged)
    with pytest.raises(UserError, match=sentence):
        open_store(tmp_path)
    assert (tmp_path / "mlflow.db").read_bytes() == damaged


def test_a_folder_in_the_databases_place_is_a_sentence(tmp_path):
    (tmp_path / "mlflow.db").mkdir()
    with pytest.raises(UserError, match=r"mlflow\.db: .*folder"):
        open_store(tmp_path)


def test_a_copy_of_a_whole_database_is_not_taken_for_unfinished(tmp_path, empty_database):
    shutil.copy(empty_database, tmp_path)
    assert open_store(tmp_path).studies() == []
    assert not list(tmp_path.glob("*broken*"))
