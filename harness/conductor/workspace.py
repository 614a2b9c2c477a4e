"""Where a study works: its folder `.harness/studies/NAME`, which one process holds, and which remembers what it is of.

`study.json` holds the settings that decide the result. A file that says otherwise is another study, and is refused.
"""

import contextlib
import re
import shutil
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from harness import checksums
from harness.errors import Damaged, UserError
from harness.experiment import rungs
from harness.experiment.amendment import Amendment, amendment, is_of_any
from harness.experiment.experiment import Experiment
from harness.files import write_text

_MOST = 10  # changed settings that are named


def project_root(start: Path) -> Path:
    """The project folder: the nearest one at or above `start` with a `pyproject.toml`, `mlflow.db` or `.harness`."""
    for folder in (start, *start.parents):
        if any((folder / mark).exists() for mark in ("pyproject.toml", "mlflow.db", ".harness")):
            return folder
    return start


def runs_per_arm(experiment: Experiment) -> int:
    """Trials and finals of each arm of the file."""
    trials = len(experiment.searches()) * sum(rung.trials for rung in rungs.of_experiment(experiment))
    return (experiment.data.folds or 1) * (trials + len(experiment.finals()))


def cache(root: Path) -> Path:
    """Where made corpora and frame stores are kept."""
    return root / ".harness"


class Workspace:
    """The folder of one study."""

    def __init__(self, root: Path, experiment: Experiment) -> None:
        self.experiment = experiment
        self.folder = root / ".harness" / "studies" / experiment.study
        self.journal = self.folder / "optuna.journal"

    @contextlib.contextmanager
    def reserve(self) -> Iterator[None]:
        """Keep other processes out of the study.

        Raises:
            UserError: another one is in it.
        """
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(f"{self.folder}.lock", timeout=0):
                yield
        except Timeout:
            raise UserError(
                f"study {self.experiment.study!r} is being run by another process; wait for that process, or stop it"
            ) from None

    @property
    def exists(self) -> bool:
        return (self.folder / "study.json").exists()

    @property
    def has_runs(self) -> bool:
        """Whether anything was begun; a study may also have ended before that, over its data say."""
        return self.journal.exists() or (self.folder / "runs").exists()

    def facts(self) -> dict[str, Any]:
        """What is remembered: settings, and from the first run on corpus, device, precision and state.

        Raises:
            UserError: the file is not what was written.
        """
        if not self.exists:
            return {}
        try:
            return checksums.unseal(self.folder / "study.json")
        except Damaged as damage:
            raise UserError(
                f"{damage}; bring it back from a copy, or start the study again, the earlier one is archived: "
                f"{self.experiment.command} --restart"
            ) from None

    def remember(self, **facts: Any) -> None:
        """Add to what is remembered."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_text(self.folder / "study.json", checksums.seal(self.facts() | facts, indent=1))

    def open(self, *, amend: bool = False, restart_arms: Sequence[str] = ()) -> Amendment:
        """Begin, or go on; without any run, what is remembered is of no use. Only for who holds the study.

        Args:
            amend: arms with other settings are trained anew; they are refused otherwise.
            restart_arms: these arms are.

        Returns:
            What the file asks of the study; `growth` does it.

        Raises:
            UserError: the folder is of other settings, of which each is named; or has no arm of that name.
        """
        if self.exists and not self.has_runs:
            (self.folder / "study.json").unlink()
        if not self.exists:
            self.remember(settings=self.experiment.canonical(), finals=self.experiment.finals())
        for name in restart_arms:
            if not any(is_of_any(arm, [name]) for arm in self.experiment.arms):
                raise UserError(
                    f"--restart-arm {name}: {self.experiment.path} has no such arm. There are: "
                    f"{', '.join(self.experiment.arms)}"
                )
        found = amendment(self.experiment, self.facts(), restart_arms)
        unasked = [] if amend else [arm for arm in found.anew if not is_of_any(arm, restart_arms)]
        if found and (found.refusal or unasked):
            raise self._refusal(found)
        return found

    def _refusal(self, found: Amendment) -> UserError:
        lines = [f"  {line}" for line in found.changes]
        if found.refusal:
            return self.refusal([*lines, found.refusal])
        return self.refusal([*lines, *found.lines(runs_per_arm(self.experiment))], "train what is anew: {} --amend")

    def check(self, **facts: Any) -> None:
        """Remember facts at the first time, and refuse others later.

        Raises:
            UserError: what is remembered is different.
        """
        known = self.facts()
        wrong = [f"  {k}: {known[k]} -> {v}" for k, v in facts.items() if k in known and known[k] != v]
        if wrong:
            raise self.refusal(wrong)
        self.remember(**facts)

    def refusal(self, lines: list[str], way_out: str = "") -> UserError:
        command, study = self.experiment.command, self.experiment.study
        apart = ", and the two are not mixed"
        renamed = re.sub(r" --set study=\S+", "", command)
        more = [f"  and {len(lines) - _MOST} more"] if len(lines) > _MOST else []
        return UserError(
            "\n".join(
                [
                    f"{self.experiment.path}: study {study!r} has other settings{'' if way_out else apart}:",
                    *lines[:_MOST],
                    *more,
                    *([way_out.format(command)] if way_out else []),
                    f"run it as another study: {renamed} --set study=NAME",
                    f"or start this one again; the earlier one is archived: {command} --restart",
                ]
            )
        )

    def archive(self) -> None:
        """Put the folder aside."""
        if self.folder.exists():
            archive = self.folder.parent.parent / "archived"
            archive.mkdir(exist_ok=True)
            shutil.move(self.folder, archive / f"{self.folder.name} {datetime.now():%Y-%m-%d %H.%M.%S}")

    def is_complete(self, arm: str) -> bool:
        """Whether all finals of an arm of the file are there."""
        names = [name for name in self.experiment.in_folds().arms if is_of_any(name, [arm])]
        finals = self.experiment.finals()
        return all(len(list(self.folder.glob(f"runs/{name}-seed-*/result.json"))) >= len(finals) for name in names)

    def forget(self, arms: Sequence[str]) -> None:
        """Remove the folders of all runs of these arms, and of their folds."""
        for folder in (self.folder / "runs").glob("*"):
            if is_of_any(_arm_of(folder), arms):
                shutil.rmtree(folder)

    def with_states(self) -> set[str]:
        """The arms, or their folds, of which a run has at least come to the end of an epoch."""
        files = [file for name in ("state.pt", "result.json") for file in self.folder.glob(f"runs/*/{name}")]
        return {_arm_of(file.parent) for file in files}

    def trial(self, arm: str, number: int, search: int = 1) -> Path:
        return self._run_folder(f"{arm}-trial-{number}" if search == 1 else f"{arm}-search-{search}-trial-{number}")

    def final(self, arm: str, seed: int) -> Path:
        return self._run_folder(f"{arm}-seed-{seed}")

    def _run_folder(self, name: str) -> Path:
        folder = self.folder / "runs" / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def _arm_of(folder: Path) -> str:
    """The arm, or fold of one, whose run works in this folder; "" if it is none of a run."""
    name = re.fullmatch(r"(.+?)(-search-[0-9]+)?-(trial|seed)-[0-9]+", folder.name)
    return name[1] if name else ""
