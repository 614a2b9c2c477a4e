"""The studies of a project: how each stands; stopping, archiving and deleting them, in MLflow and on disk together."""

import os
import re
import shutil
import signal
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from harness import process
from harness.errors import UserError
from harness.tracking.reader import Progress
from harness.tracking.store import Store, is_there, open_store

State = Literal["running", "stopped", "failed", "finished", "archived"]
_PATIENCE = 10.0  # seconds in which a study that runs shows its process
_TO_STOP = 120.0  # seconds in which a process writes its states


@dataclass(frozen=True)
class Standing:
    """A study, and how it stands."""

    study: str
    state: State
    when: str
    """ISO time at which it was finished, or begun."""
    question: str
    arms: tuple[str, ...]
    done: float
    """The share of its runs that is finished, in [0, 1]."""
    host: str = ""
    """Where it runs; "" if it does not, or if that is not known."""
    why: str = ""
    """Of a study that failed."""
    command: str = ""
    """What continues it; "" of one that is finished or archived."""


def standings(root: Path, *, with_archived: bool = False) -> list[Standing]:
    """Every study of a project, the newest first, then those that are archived."""
    if not is_there(root):
        return []
    store = open_store(root)
    found = [_standing(store, root, own.study, own.state, own.when, own.question, own.arms) for own in store.studies()]
    archived = store.archived() if with_archived else []
    return [*found, *(Standing(name, "archived", _when(name), "", (), 1.0) for name in sorted(archived))]


def _standing(
    store: Store, root: Path, study: str, state: str, when: str, question: str, arms: tuple[str, ...]
) -> Standing:
    is_finished, is_held = state == "finished", _is_held(root, study)
    if is_finished and not is_held:
        return Standing(study, "finished", when, question, arms, 1.0)
    progress = store.progress(study)
    alive = _alive(progress)
    now: State = "running" if alive or is_held else "failed" if progress.failures else "stopped"
    host = alive[0].get("host", "") if alive else process.host() if is_held else ""
    why = progress.failures[-1] if now == "failed" else ""
    return Standing(study, now, when, question, arms, progress.share, host, why, progress.command)


def _alive(progress: Progress) -> list[dict[str, str]]:
    """The runs in progress whose process lives, as far as one can see from here."""
    here = process.host()
    return [dict(tags) for tags in progress.running if tags.get("host") != here or process.lives(tags)]


def _is_held(root: Path, study: str) -> bool:
    """Whether a process of this machine is in a study."""
    lock = root / ".harness" / "studies" / f"{study}.lock"
    if not lock.exists():
        return False
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True


def stop(root: Path, study: str) -> Standing:
    """Stop a study that runs on this machine, as Ctrl-C does, and wait until its states are written.

    Raises:
        UserError: it does not run, or elsewhere, or does not end.
    """
    store = _store(root, study)
    deadline = time.monotonic() + _PATIENCE
    while not (alive := _alive(store.progress(study))):
        if not _is_held(root, study):
            raise UserError(f"{study}: is not running, there is nothing to stop; `harness studies` says how it stands")
        if time.monotonic() > deadline:
            raise UserError(f"{study}: is in use by another process, which trains nothing now; wait for it")
        time.sleep(0.2)
    host, pid = alive[0].get("host", ""), int(alive[0].get("pid", "0"))
    if host != process.host():
        raise UserError(f"{study}: runs on {host} (process {pid}); stop it there, with Ctrl-C or kill {pid}")
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _TO_STOP
    while process.lives(alive[0]) or _is_held(root, study):
        if time.monotonic() > deadline:
            raise UserError(f"{study}: process {pid} was asked to stop and has not ended yet; kill {pid} asks again")
        time.sleep(0.1)
    return next(own for own in standings(root) if own.study == study)


def archive(root: Path, study: str) -> str:
    """Put a study aside; gives the name under which it can be read from then on.

    Raises:
        UserError: there is none of this name, or it runs.
    """
    store = _idle(root, study)
    folder = root / ".harness" / "studies" / study
    when = datetime.fromisoformat(_when(store.archive_name(study)))
    if folder.exists():
        target = root / ".harness" / "archived" / f"{study} {when:%Y-%m-%d %H.%M.%S}"
        target.parent.mkdir(exist_ok=True)
        shutil.move(folder, target)
    return store.archive(study)


def bring_back(root: Path, study: str) -> str:
    """Undo `archive`; gives the study's name.

    Args:
        study: the name that it had, if one alone of this name is archived, or has now.

    Raises:
        UserError: there is no such archived study, more than one, or a study of its name again.
    """
    store = _store(root, study)
    names = [name for name in store.archived() if study in (name, _own_name(name))]
    if len(names) != 1:
        known = ", ".join(map(repr, names or store.archived())) or "none"
        raise UserError(f"{study}: {'which one' if names else 'no such archived study'}? There are: {known}")
    own = _own_name(names[0])
    if any(listed.study == own for listed in store.studies()):
        raise UserError(f"{own}: there is a study of this name again; archive or delete that one first")
    when = _when(names[0])
    folders = [path for path in (root / ".harness" / "archived").glob(f"{own} *") if _apart(path.name, own, when) <= 60]
    target = root / ".harness" / "studies" / own
    if folders and not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(min(folders, key=lambda path: _apart(path.name, own, when)), target)
    store.bring_back(names[0], own)
    return own


def delete(root: Path, study: str) -> None:
    """Delete a study's working folder, and put it into MLflow's trash.

    Raises:
        UserError: there is none of this name, or it runs.
    """
    store = _idle(root, study)
    folder = root / ".harness" / "studies" / study
    if folder.exists():
        shutil.rmtree(folder)
    store.delete(study)
    folder.with_name(f"{study}.lock").unlink(missing_ok=True)


def _idle(root: Path, study: str) -> Store:
    """The store, if the study is there and nobody trains it."""
    store = _store(root, study)
    if study not in store.archived() and (_is_held(root, study) or _alive(store.progress(study))):
        raise UserError(f"{study}: is running; stop it first: harness stop {study}")
    return store


def _store(root: Path, study: str) -> Store:
    if not is_there(root):
        raise UserError(f"{study}: {root} holds no study yet; `harness run FILE` makes one")
    return open_store(root)


def _own_name(archived: str) -> str:
    return re.sub(r" \(archived [^()]*\)$", "", archived)


def _when(archived: str) -> str:
    """When a study was archived, ISO without a zone."""
    found = re.search(r"\(archived (\S+) (\S+)\)$", archived)
    return f"{found[1]}T{found[2]}" if found else ""


def _apart(folder: str, study: str, when: str) -> float:
    """Seconds between the time in a folder's name and another; infinite if it has none."""
    try:
        then = datetime.strptime(folder.removeprefix(f"{study} "), "%Y-%m-%d %H.%M.%S")
        return abs((then - datetime.fromisoformat(when)).total_seconds())
    except ValueError:
        return float("inf")
