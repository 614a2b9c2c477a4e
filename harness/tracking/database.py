"""The database file of a project's MLflow store: made whole or not at all, and known again if an earlier kill broke it.

MLflow makes its tables in several dozen steps that take seconds. A database that was killed in between can neither be
used nor migrated; so it is made under another name, and renamed when it is whole.
"""

import contextlib
import os
import sqlite3
import sys
from datetime import datetime
from pathlib import Path

from mlflow import MlflowClient

_UNFINISHED = "unfinished"
_BESIDE = ("", "-journal", "-wal", "-shm")  # SQLite's own files lie beside a database
_FIRST_TABLES = {"alembic_version", "sqlite_sequence"}
_PATIENCE = 10  # seconds, with a database that another program has locked
_QUICKLY_CHECKED = 1 << 26  # bytes, of which SQLite looks through every page in a tenth of a second


def make(file: Path) -> None:
    """Make the database if it is not there. One that holds nothing and was never finished is moved aside, and said.

    For a process that keeps others out. Artifacts are expected under `mlruns` of the current folder.

    Raises:
        sqlite3.Error: there is one that cannot be read.
    """
    if file.exists() and is_unfinished(file):
        aside = file.with_name(f"{file.name}.broken-{datetime.now():%Y%m%d-%H%M%S-%f}")
        _move(file, aside)
        print(
            f"{file}: was left unfinished when a command was killed, and holds no run; it is kept as {aside.name}, and "
            "a new one is made",
            file=sys.stderr,
        )
    if file.exists():
        return
    unfinished = file.with_name(f".{file.name}.{_UNFINISHED}")
    for beside in _BESIDE:
        unfinished.with_name(unfinished.name + beside).unlink(missing_ok=True)
    MlflowClient(f"sqlite:///{unfinished}").search_experiments(max_results=1)
    with contextlib.closing(sqlite3.connect(unfinished)) as database:
        database.execute("pragma wal_checkpoint(truncate)")
    with unfinished.open("rb+") as content:
        os.fsync(content.fileno())
    _move(unfinished, file)


def is_unfinished(file: Path) -> bool:
    """Whether a database was cut off while it was made: it is empty, or lacks the experiment that MLflow adds last.

    Raises:
        sqlite3.Error: it cannot be read.
    """
    whole = f"{file.absolute().as_uri()}?mode=rw"  # what was killed in the middle of a commit is rolled back by this
    with contextlib.closing(sqlite3.connect(whole, uri=True, timeout=_PATIENCE)) as own:
        tables = {name for (name,) in own.execute("select name from sqlite_master where type = 'table'")}
        known = [table for table in ("experiments", "runs") if table in tables]
        if not known:
            if others := tables - _FIRST_TABLES:
                raise sqlite3.DatabaseError(f"tables of another program in it ({', '.join(sorted(others)[:3])})")
            return True
        if file.stat().st_size < _QUICKLY_CHECKED and own.execute("pragma quick_check(1)").fetchone() != ("ok",):
            raise sqlite3.DatabaseError("database disk image is malformed")
        return not any(
            own.execute(f"select 1 from {table} limit 1").fetchone()  # nosec B608 - of two names of ours
            for table in known
        )


def way_out(message: str) -> str:
    """What helps when the database fails with this message."""
    if "another program in it" in message:
        return "move it away, or work in another folder"
    if "locked" in message:
        return "another program keeps it; close that (lsof FILE names it), then give the same command again"
    if "full" in message:
        return "free some space on that disk, then give the same command again"
    if "readonly" in message or "unable to open" in message or "disk I/O" in message:
        return "the folder must be writable; make it so, or work in another folder"
    return (
        "it is damaged or another program's; move it away and bring back a copy, or begin with an empty one. "
        "The results of every run also lie in .harness/studies"
    )


def _move(file: Path, target: Path) -> None:
    for beside in _BESIDE[1:]:
        with contextlib.suppress(FileNotFoundError):
            file.with_name(file.name + beside).rename(target.with_name(target.name + beside))
    file.rename(target)
