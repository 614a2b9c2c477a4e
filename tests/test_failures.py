"""A medium that fails is a sentence with the way out, whatever it is wrapped in; a defect stays a traceback."""

import errno
import os
import sqlite3

import pytest
from click.testing import CliRunner

from harness.cli.main import main
from harness.errors import UserError
from harness.experiment.load import load
from harness.failures import of_medium

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "reports/x")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (FULL, "reports/x: the disk is full; free some space, then give the same command again"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "your quota of this disk is used up"),
        (OSError(errno.EROFS, "Read-only file system", "a"), "a: the disk is read-only"),
        (PermissionError(errno.EACCES, "Permission denied", "a"), "a: permission is denied"),
        (sqlite3.OperationalError("database is locked"), "another program keeps it locked; close that program"),
        (sqlite3.OperationalError("database or disk is full"), "the disk is full; free some space"),
        (OSError("638 requested and 0 written"), "not all of an array could be written (638 requested and 0 written)"),
        (MemoryError("Unable to allocate 2 TiB"), "out of memory (Unable to allocate 2 TiB); use a smaller batch_size"),
    ],
)
def test_a_medium_that_fails_is_a_sentence(error, sentence):
    said = of_medium(error) or ""
    assert sentence in said
    assert "same command again" in said


def test_the_first_cause_counts_whatever_hides_it():
    error = RuntimeError("could not log")
    error.__cause__ = FULL
    assert (of_medium(error) or "").startswith("reports/x: the disk is full")


@pytest.mark.parametrize("error", [ZeroDivisionError(), KeyError("a"), FileNotFoundError(errno.ENOENT, "a", "b")])
def test_a_defect_is_no_failure_of_a_medium(error):
    assert of_medium(error) is None


@pytest.mark.parametrize(
    "command",
    [
        ["list"],
        ["report", "--study", "x"],
        ["report", "--run", "ab", "--run", "cd"],
        ["predict", "--study", "x", "--arm", "y", "synthetic", "--out", "labels.csv"],
        ["export", "--study", "x", "--arm", "y", "--out", "model.onnx"],
    ],
)
def test_what_only_reads_creates_nothing_where_there_is_no_project(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    said = CliRunner().invoke(main, command)
    assert said.exit_code == (0 if command == ["list"] else 2)
    assert command == ["list"] or "holds no study yet" in said.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("key", ["search.seed", "comparison.seeds", "data.synthetic.seed"])
def test_seeds_that_no_generator_takes_are_refused_with_the_largest(key):
    value = f"[{2**70}]" if key == "comparison.seeds" else str(2**70)
    with pytest.raises(UserError, match=r"4294967295|4,294,967,295"):
        load("experiments/smoke.toml", [f"{key}={value}"])
