"""One case: a command with a fault at one of its calls, the same command again, and what is wrong afterwards."""

import json
import os
import queue
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.command import ENVIRONMENT, ROOT
from tests.faults.scenarios import SCENARIOS, faults_of

HOW = {
    "kill": "killed before the call",
    "torn": "killed in the middle of the call",
    "once": "the call fails",
    "full": "this call and all later ones fail, as on a full disk",
}
"""In the order of the shim, which counts them from 1."""

_SHOWN = 4  # promises broken by one case


@dataclass(frozen=True)
class Case:
    """A fault."""

    scenario: str
    how: str
    at: int
    """Number of the call, from 1."""

    def __str__(self) -> str:
        return f"{self.scenario} --how {self.how} --at {self.at}"


class Bench:
    """Servers, each with a folder in which one case after the other is tried."""

    def __init__(self, folder: Path, n: int) -> None:
        self._slots = [_Slot(folder / f"slot{i}") for i in range(n)]
        self._free: queue.SimpleQueue[_Slot] = queue.SimpleQueue()
        for slot in self._slots:
            self._free.put(slot)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for slot in self._slots:
            slot.server.end()

    def prepare(self, scenario: str) -> int:
        """How many calls the undisturbed command makes."""
        return max(slot.prepare(scenario) for slot in self._slots)

    def try_case(self, case: Case) -> list[str]:
        """What is wrong; nothing if all promises hold."""
        slot = self._free.get()
        try:
            return slot.try_case(case)
        finally:
            self._free.put(slot)


class Server:
    """A process that runs one command after the other in forks of itself, in `folder/watched/project`, with faults.

    Args:
        folder: need not be there before the first command.
        path: what its Python looks for modules in first, if not in this project.
    """

    def __init__(self, folder: Path, path: Path | None = None) -> None:
        self.folder = folder
        folder.parent.mkdir(parents=True, exist_ok=True)
        shim = folder.with_name(f"{folder.name}-shim.so")
        source = Path(__file__).with_name("shim.c")
        subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", str(shim), str(source), "-ldl"], check=True)
        environment = ENVIRONMENT | {"LD_PRELOAD": str(shim), "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
        environment["TORCHINDUCTOR_CACHE_DIR"] = str(folder.with_name("inductor"))
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
        if path:
            environment["PYTHONPATH"] = f"{path}{os.pathsep}{ENVIRONMENT['PYTHONPATH']}"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment | {"COLUMNS": "100"},
            text=True,
            cwd=path or ROOT,
        )

    def harness(self, arguments: Sequence[str], at: int = 0, how: str | None = None) -> dict[str, Any]:
        """Run a command; what `tests.faults.server.run` gives.

        Args:
            at: number of the call at which it is killed or fails; 0 for none.
            how: one of HOW.
        """
        to_server, from_server = self._process.stdin, self._process.stdout
        assert to_server is not None
        assert from_server is not None
        job = {"arguments": arguments, "folder": str(self.folder), "at": at, "how": [None, *HOW].index(how)}
        to_server.write(json.dumps(job) + "\n")
        to_server.flush()
        return dict(json.loads(from_server.readline()))

    def end(self) -> None:
        """Let it end."""
        self._process.communicate()


class _Slot:
    """A server and its folder: MLflow keeps absolute paths, so that a copy must lie where its original was made."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.server = Server(folder)
        self._harness = self.server.harness

    def prepare(self, name: str) -> int:
        scenario = SCENARIOS[name]
        for folder in (self._folder, self._of("template"), self._of("reference")):
            shutil.rmtree(folder, ignore_errors=True)
        (self._folder / "watched" / "project").mkdir(parents=True)
        (self._folder / "watched" / "tmp").mkdir()
        scenario.prepare(self._folder / "watched" / "project")
        for arguments in scenario.before:
            self._harness(arguments)
        shutil.copytree(self._folder, self._of("template"))
        answer = self._harness(scenario.arguments)
        assert answer["status"] == scenario.status, answer["said"]
        self._folder.rename(self._of("reference"))
        return int(answer["calls"])

    def try_case(self, case: Case) -> list[str]:
        scenario = SCENARIOS[case.scenario]
        shutil.rmtree(self._folder, ignore_errors=True)
        shutil.copytree(self._of("template"), self._folder)
        first = self._harness(scenario.arguments, case.at, case.how)
        again = self._harness(scenario.arguments)
        wrong, is_killed = [], case.how in ("kill", "torn")
        if first["status"] not in ((-9, 0) if is_killed else (0, 1, 2)):
            wrong.append(f"exit status {first['status']}")
        if again["status"] != scenario.status and not self._is_done(case.scenario, first["status"]):
            wrong.append(f"exit status {again['status']} the second time: {again['said'][-1500:]}")
        for said in (first["said"], again["said"]):
            if "Traceback" in said:
                wrong.append(said[:1500] + " ... " + said[-1500:])
        if first["status"] in (1, 2) and not first["said"].strip():
            wrong.append("not a word was said of the failure")
        wrong += faults_of(scenario, self._of("reference") / "watched", self._folder / "watched", is_killed)
        wrong = [*wrong[:_SHOWN], *([f"and {len(wrong) - _SHOWN} more"] if len(wrong) > _SHOWN else [])]
        return [*wrong, f"said: {first['said'][-300:]}"] if wrong else []

    @staticmethod
    def _is_done(scenario: str, status: int) -> bool:
        """Of a corpus that is there: the same command then refuses to make it again."""
        return scenario in ("import", "synthesis") and status in (0, -9, 1)

    def _of(self, what: str) -> Path:
        return self._folder.with_name(f"{self._folder.name}-{what}")
