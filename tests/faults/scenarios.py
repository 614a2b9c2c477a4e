"""What is done under faults, and what must be the same afterwards as if nothing had happened."""

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from tests.differences import differences, folder_differences
from tests.same_results import TRAINED_ANEW
from tests.small_corpus import STUDY, write_project

MEASURED = (".checksum", ".when")
"""Ends of keys of what a time decides."""
LEFTOVERS = ("*.unfinished*", "*.tmp*", "*.part")


@dataclass(frozen=True)
class Scenario:
    """A command, what it needs, and the files that it makes."""

    arguments: Sequence[str]
    prepare: Callable[[Path], None]
    """Given the empty folder `watched/project`."""
    files: Sequence[str]
    """Patterns of files below the project that must be the same."""
    before: Sequence[Sequence[str]] = ()
    """Commands that come before, without faults."""
    status: int = 0
    """With which it ends if nothing happens."""


def _project_without_store(folder: Path) -> None:
    write_project(folder, {"small.toml": STUDY}, has_store=False, n_train=2, n_held=2)


def _project(folder: Path) -> None:
    write_project(folder, {"small.toml": STUDY}, n_train=2, n_held=2)


def _recordings(folder: Path) -> None:
    for speaker in range(5):
        for i in range(2):
            name = folder / "mine" / f"speaker{speaker}" / f"s{speaker}-{i}.flac"
            name.parent.mkdir(parents=True, exist_ok=True)
            noise = np.random.default_rng(10 * speaker + i).normal(0, 1000, 8000).astype(np.int16)
            soundfile.write(name, noise, 16000)
            name.with_suffix(".phn").write_text("0.0 0.2 SIL\n0.2 0.4 AH\n0.4 0.5 K\n")


def _nothing(folder: Path) -> None:
    pass


_OF_STUDY = [
    pattern.replace("/S/", "/small/")
    for kind, patterns in TRAINED_ANEW.items()
    if kind not in ("terminal", "MLflow: metrics, artifacts")
    for pattern in patterns
]
_RUN = ("run", "small.toml", "--set", "comparison.seeds=[5]", "--set", "comparison.resamples=200")
_IMPORT = ("data", "import", "folder", "mine", "--speaker", "^[^/]+", "--out", "made", "--processes", "1",
           "--validation", "0.3", "--test", "0.3")  # fmt: skip
SCENARIOS = {
    "database": Scenario((*_RUN, "--restart-arm", "nobody"), _project_without_store, ["mlruns/**/*"], status=2),
    "study": Scenario(_RUN, _project, _OF_STUDY),
    "report": Scenario(("report", "--study", "small"), _project, _OF_STUDY, [_RUN]),
    "import": Scenario(_IMPORT, _recordings, ["made/**/*"]),
    "synthesis": Scenario(
        ("data", "synthesize", "--out", "made", "--minutes", "0.1", "--processes", "1"), _nothing, ["made/**/*"]
    ),
}


def faults_of(scenario: Scenario, reference: Path, found: Path, is_killed: bool) -> list[str]:
    """What is not as it would be had nothing happened.

    Args:
        reference, found: folders `watched` of an undisturbed project and of one whose command was given again.
        is_killed: whether it was killed; else the removal of a temporary file may be what had failed.
    """
    _, wrong = folder_differences(reference / "project", found / "project", list(scenario.files))
    if (reference / "project/mlflow.db").exists():
        wrong += differences(_tracked(reference / "project"), _tracked(found / "project"), "MLflow")
    lines = [f"{one.place}: {one.text[:200]}" for one in wrong if not one.place.endswith(MEASURED)]
    return lines + [f"left over: {name}" for name in leftovers(found, is_killed)]


def leftovers(watched: Path, with_temporary: bool = True) -> list[str]:
    """Temporary files of the project, and what lies in the folder of the system's; names within `watched`."""
    left = {path for pattern in LEFTOVERS for path in (watched / "project").rglob(pattern)}
    left |= set((watched / "tmp").iterdir()) if with_temporary else set()
    return [path.relative_to(watched).as_posix() for path in sorted(left)]


def _tracked(project: Path) -> dict[str, Any]:
    """All that MLflow has, under the names of the runs: state, parameters, metrics by step, artifacts."""
    tracked: dict[str, Any] = {}
    timed = ("seconds", "frames_per_second", "peak", "system/")
    with closing(sqlite3.connect(project / "mlflow.db")) as database:
        runs = database.execute(
            "select run_uuid, e.name || ' ' || r.name, status, artifact_uri from runs r join experiments e"
            " using (experiment_id) where r.lifecycle_stage = 'active' order by 2"
        ).fetchall()
        tracked["runs"] = dict(Counter(name for _, name, _, _ in runs))
        for identifier, name, status, artifacts in runs:
            query = "select key, step, value from metrics where run_uuid = ? order by key, step"
            rows = database.execute(query, (identifier,)).fetchall()
            points = [row for row in rows if not any(word in row[0] for word in timed)]
            params = database.execute("select key, value from params where run_uuid = ? order by key", (identifier,))
            folder = project / "mlruns" / artifacts.partition("/mlruns/")[2]
            files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
            kept = sorted(file for file in files if not file.startswith("images/"))
            own = {"status": status, "params": dict(params.fetchall()), "metrics": points, "artifacts": kept}
            tracked[name] = json.loads(json.dumps(own))
    return tracked
