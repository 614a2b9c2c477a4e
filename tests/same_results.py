"""Proof that a refactoring changed no result: the present tree against an earlier commit, by the command line alone.

    python -m tests.same_results COMMIT        (or: make same BASE=COMMIT)

Two comparisons. "Trained anew": both trees train the experiments, each in a project folder of its own; everything but
times and places must be equal bit for bit. "Old study, new code": the present tree reports, predicts and exports from
a copy of the commit's finished studies; there times must be equal too, for they are read, not measured. What the
commit gave is kept in `.harness/same` of the main worktree: only the first proof against it takes twice as long.
"""

import argparse
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from tests.differences import Difference, folder_differences

ROOT = Path(__file__).parents[1]
EXPERIMENTS = ["experiments/smoke.toml", "experiments/ladnn_vs_ffdnn.toml"]

# Folders and files of a project, by what they hold. S is the study, E the experiment file's name.
TRAINED_ANEW = {
    "runs: results, arrays, weights": [".harness/studies/S/study.json", ".harness/studies/S/runs/**/*"],
    "comparison.json": ["reports/S/comparison.json"],
    "CSV files of the report": ["reports/S/*.csv"],
    "page, as read": ["reports/S/index.html"],
    "terminal": ["said/E/run.txt"],
    "MLflow: metrics, artifacts": ["said/E/mlflow.json", "said/E/mlflow/**/*"],
}
OLD_STUDY = {
    "files of the report": ["reports/S/*"],
    "report in every form": ["said/E/again.txt", "said/E/all.txt", "said/E/report.*"],
    "predict": ["said/E/labels.csv", "said/E/predict.txt"],
    "export": ["said/E/export.txt"],
}
_SHOWN = 8  # differences of one row that are printed
_LINES = 30  # of each


@dataclass(frozen=True)
class Project:
    """A project folder, and the tree whose code works in it. What it says is kept in the folder `said`."""

    folder: Path
    tree: Path

    def run(self, *arguments: str) -> str:
        """What `harness` prints on standard output, without the names of folders.

        Raises:
            SystemExit: it failed.
        """
        entry = tomllib.loads((self.tree / "pyproject.toml").read_text())["project"]["scripts"]["harness"]
        module, _, function = entry.partition(":")
        code = f"import harness; assert harness.__file__.startswith({str(self.tree)!r}), harness.__file__\n"
        code += f"from {module} import {function} as main; main()"
        # Optuna takes settings of equal importance in the order of a set, which each process hashes anew by default.
        same = {"PYTHONHASHSEED": "0", "COLUMNS": "100", "PYTHONDONTWRITEBYTECODE": "1"}
        environment = os.environ | same | {"PYTHONPATH": str(self.tree)}
        print("  harness", *arguments, flush=True)
        command = [sys.executable, "-c", code, *arguments]
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"failed in {self.tree}: harness {' '.join(arguments)}\n{done.stdout}{done.stderr}")
        return done.stdout.replace(f"{self.folder}/", "").replace(f"{Path(sys.executable).parent}/", "")

    def protocol(self, experiment: str) -> dict[str, Any]:
        """An experiment file's content."""
        return tomllib.loads((self.folder / experiment).read_text())

    def said(self, experiment: str) -> Path:
        """Where what is printed about an experiment is kept."""
        folder = self.folder / "said" / Path(experiment).stem
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def train(self, experiment: str) -> None:
        """Run an experiment; keep what is printed, and what MLflow has."""
        shutil.copytree(self.tree / "experiments", self.folder / "experiments", dirs_exist_ok=True)
        (self.folder / "pyproject.toml").touch()  # marks a project's folder
        (self.said(experiment) / "run.txt").write_text(self.run("run", experiment))
        self._keep_tracked(experiment)

    def _keep_tracked(self, experiment: str) -> None:
        """Copy parameters, metrics and artifacts under the names of the runs, as their ids are drawn anew each time."""
        study, said = self.protocol(experiment)["study"], self.said(experiment)
        tracked: dict[str, Any] = {}
        with closing(sqlite3.connect(self.folder / "mlflow.db")) as database:
            runs = database.execute(
                "select run_uuid, e.name || ' ' || r.name as run, artifact_uri from runs r join experiments e"
                " using (experiment_id) where e.name in (?, ?) order by run",
                (study, f"{study}/search"),
            ).fetchall()
            for identifier, run, artifacts in runs:
                query = "select key, value from params where run_uuid = ? order by key"
                tracked[run] = dict(database.execute(query, (identifier,)).fetchall())
                query = "select key, step, value, is_nan from metrics where run_uuid = ? order by key, step, value"
                for key, *point in database.execute(query, (identifier,)).fetchall():
                    tracked[run].setdefault(f"metrics/{key}", []).append(point)
                if Path(artifacts).exists():
                    copy, pictures = said / "mlflow" / run.replace("/", " "), shutil.ignore_patterns("images", "*.png")
                    shutil.copytree(artifacts, copy, ignore=pictures, dirs_exist_ok=True)
        (said / "mlflow.json").write_text(json.dumps(tracked, indent=1))

    def use(self, experiment: str) -> None:
        """Have a finished study reported in every form, and one of its models used; keep what is printed."""
        protocol, said = self.protocol(experiment), self.said(experiment)
        study = ("--study", protocol["study"])
        model = (*study, "--arm", next(iter(protocol["arms"])))
        labels = str((said / "labels.csv").relative_to(self.folder))
        for name, command in {
            "again.txt": ("run", experiment),
            "report.txt": ("report", *study),
            "all.txt": ("report", *study, "--all"),
            "report.json": ("report", *study, "--json"),
            "report.md": ("report", *study, "--markdown"),
            "report.tex": ("report", *study, "--latex"),
            "predict.txt": ("predict", self._corpus(protocol["data"]), *model, "--split", "test", "--out", labels),
            "export.txt": ("export", *model, "--out", "model.onnx"),
        }.items():
            (said / name).write_text(self.run(*command))

    def _corpus(self, data: dict[str, Any]) -> str:
        """The corpus as a folder; a synthetic one lies where it was made."""
        if data["corpus"] != "synthetic":
            return data["corpus"]
        minutes = data.get("synthetic", {}).get("minutes", 20)
        found = self.folder.glob(f".harness/corpora/synthetic-{minutes:g}min-*/recipe.json")
        return str(min(found).parent.relative_to(self.folder))

    def copy(self, folder: Path, tree: Path) -> "Project":
        """A copy of this project for another tree's code; MLflow's database names its artifacts by absolute paths."""
        shutil.copytree(self.folder, folder)
        with closing(sqlite3.connect(folder / "mlflow.db")) as database:
            for table, column in (("runs", "artifact_uri"), ("experiments", "artifact_location")):
                paths = (str(self.folder), str(folder))
                database.execute(f"update {table} set {column} = replace({column}, ?, ?)", paths)
            database.commit()
        return Project(folder, tree)


def _git(*arguments: str) -> str:
    return subprocess.run(["git", "-C", str(ROOT), *arguments], check=True, capture_output=True, text=True).stdout


@contextmanager
def code_of(commit: str, folder: Path) -> Iterator[Path]:
    """A worktree of a commit, for as long as it is needed."""
    _git("worktree", "add", "--detach", str(folder), commit)
    try:
        yield folder
    finally:
        _git("worktree", "remove", "--force", str(folder))


def present_code(folder: Path) -> Path:
    """A copy of the present tree, with what is not yet committed."""
    for name in _git("ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def base_results(commit: str, experiments: Sequence[str], keep: Path, temporary: Path) -> Project:
    """A commit's finished studies and what it says of them, from an earlier proof or made now."""
    base = Project(keep / commit / "project", temporary / "base")
    base.folder.mkdir(parents=True, exist_ok=True)
    with FileLock(keep / f"{commit}.lock"):
        missing = [name for name in experiments if not (base.said(name) / "complete").exists()]
        if missing:
            print(f"Results of {commit[:7]}, into {base.folder}:")
            with code_of(commit, base.tree):
                for name in missing:
                    base.train(name)
                    base.use(name)
                    (base.said(name) / "complete").touch()
    return base


@dataclass(frozen=True)
class Row:
    """A line of the table at the end."""

    what: str
    n_files: int
    differences: list[Difference]

    @property
    def n_differ(self) -> int:
        return sum(not one.is_wording for one in self.differences)

    @property
    def n_wording(self) -> int:
        return sum(one.is_wording for one in self.differences)

    def show(self) -> None:
        """Print the differences, those of numbers first."""
        for one in sorted(self.differences, key=lambda one: one.is_wording)[:_SHOWN]:
            lines = one.text.splitlines()
            more = [f"... and {len(lines) - _LINES} lines more"] if len(lines) > _LINES else []
            print(f"\n{self.what}: {one.place}{' (wording)' if one.is_wording else ''}")
            print("\n".join(f"    {line[:300]}" for line in lines[:_LINES] + more))
        if len(self.differences) > _SHOWN:
            print(f"\n{self.what}: and {len(self.differences) - _SHOWN} places more")

    def __str__(self) -> str:
        verdicts = [f"DIFFERS in {self.n_differ} places"] if self.n_differ else []
        verdicts += [f"wording differs in {self.n_wording} places"] if self.n_wording else []
        return (
            f"{self.what:<64}{self.n_files:>5} files   {', '.join(verdicts) or 'equal' if self.n_files else 'NO FILES'}"
        )


def compared(old: Project, new: Project, experiment: str, kinds: dict[str, list[str]], exact: bool) -> list[Row]:
    """The rows of one experiment, one for each kind of files."""
    study, stem = old.protocol(experiment)["study"], Path(experiment).stem
    rows = []
    for kind, patterns in kinds.items():
        paths = [p.replace("/S/", f"/{study}/").replace("/E/", f"/{stem}/") for p in patterns]
        title = f"{stem}, {'old study, new code' if exact else 'trained anew'}: {kind}"
        rows.append(Row(title, *folder_differences(old.folder, new.folder, paths, exact)))
    return rows


def main() -> None:
    """Train, use, compare; exit status 1 if anything but wording differs."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("commit", help="the earlier commit, as git names it")
    parser.add_argument("--experiments", nargs="+", default=EXPERIMENTS, metavar="FILE", help="default: %(default)s")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="default: .harness/same of the main worktree")
    parser.add_argument("--strict-wording", action="store_true", help="fail if only words differ, too")
    options = parser.parse_args()
    commit = _git("rev-parse", "--verify", f"{options.commit}^{{commit}}").strip()
    repository = Path(_git("rev-parse", "--path-format=absolute", "--git-common-dir").strip()).parent
    keep = (options.keep or repository / ".harness" / "same").resolve()
    rows = []
    with tempfile.TemporaryDirectory(prefix="same-results-") as name:
        temporary = Path(name).resolve()
        tree = present_code(temporary / "now")
        base = base_results(commit, options.experiments, keep, temporary)
        new = Project(temporary / "project", tree)
        shutil.copytree(base.folder / ".harness" / "corpora", new.folder / ".harness" / "corpora")
        old = base.copy(temporary / "old-project", tree)
        for experiment in options.experiments:
            print(f"The present code, {experiment}:")
            new.train(experiment)
            rows += compared(base, new, experiment, TRAINED_ANEW, exact=False)
            old.use(experiment)
            rows += compared(base, old, experiment, OLD_STUDY, exact=True)
    for row in rows:
        row.show()
    print(f"\nThe present tree against {commit[:7]}:", *rows, sep="\n")
    differs = any(row.n_differ or not row.n_files or (options.strict_wording and row.n_wording) for row in rows)
    sys.exit(int(differs))


if __name__ == "__main__":
    main()
