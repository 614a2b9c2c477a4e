"""A study as people treat it: run, killed, changed, looked at, in any order; what was trained stays what it was.

    python -m tests.stateful [SEQUENCES] [STEPS] [SEED]

Commands run in real processes that are killed for good. Whatever came before, a model of the same arm, code and seed
has the same weights; MLflow has each run once and none RUNNING after a command that succeeded; nothing is left over.
"""

import json
import shutil
import sqlite3
import sys
import tempfile
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings, strategies
from hypothesis import seed as seeded
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from harness import checksums
from tests.command import ROOT
from tests.faults.cases import Server
from tests.faults.scenarios import leftovers
from tests.small_corpus import STUDY, write_project

CODE = """\
from torch import nn
from architectures import register
@register
class Mine(nn.Module):
    def __init__(self, window: int, d_features: int, n_classes: int, *, width: int = 8):
        super().__init__()
        self.output = nn.Linear(window * d_features, n_classes)
    def forward(self, windows):
        return VERSION * self.output(windows.flatten(1))
"""
SEEDS = (5, 6, 7, 8)
ALLOWED = (0, 1, 2, -9)
_CALLS = 1_500  # of a command are fewer


class Study(RuleBasedStateMachine):
    """One project with one study of two arms, of which `mine` has code that is edited."""

    def __init__(self) -> None:
        super().__init__()
        self._home = tempfile.TemporaryDirectory(prefix="stateful-")
        home = Path(self._home.name)
        shutil.copytree(
            ROOT / "architectures", home / "code/architectures", ignore=shutil.ignore_patterns("__pycache__")
        )
        self._server = Server(home / "at", home / "code")
        self.watched = home / "at/watched"
        self.project = self.watched / "project"
        self.project.mkdir(parents=True)
        (self.watched / "tmp").mkdir()
        write_project(self.project, {}, n_train=2, n_held=2)
        self._source = home / "code/architectures/mine.py"
        self.version, self.n_seeds, self.question, self.width = 1, 1, "Why?", 16
        self.weights: dict[tuple[object, ...], str] = {}
        """Checksum of the weights of each model that was ever trained, by all that decides them."""

    def teardown(self) -> None:
        self._server.end()
        self._home.cleanup()

    @initialize()
    def begin(self) -> None:
        self._write()

    @rule()
    def run(self) -> None:
        self._succeeds("run")

    @rule(at=strategies.integers(1, _CALLS), how=strategies.sampled_from(["kill", "torn"]))
    def run_killed(self, at: int, how: str) -> None:
        self._command("run", "small.toml", at=at, how=how)

    @rule(at=strategies.integers(1, 300))
    def report_killed(self, at: int) -> None:
        self._command("report", "--study", "small", at=at, how="kill")

    @precondition(lambda self: self.n_seeds < len(SEEDS))
    @rule()
    def add_a_seed(self) -> None:
        self.n_seeds += 1
        self._write()

    @rule(question=strategies.sampled_from(["Why?", "Why not?"]))
    def ask_otherwise(self, question: str) -> None:
        self.question = question
        self._write()

    @rule(version=strategies.integers(1, 3))
    def edit_code(self, version: int) -> None:
        self.version = version
        self._write()

    @rule(width=strategies.sampled_from([16, 17]), at=strategies.integers(0, _CALLS))
    def amend(self, width: int, at: int) -> None:
        self.width = width
        self._write()
        self._command("run", "small.toml", "--amend", at=at, how="kill")

    @rule(arm=strategies.sampled_from(["mine", "ffdnn"]), at=strategies.integers(0, _CALLS))
    def restart_arm(self, arm: str, at: int) -> None:
        self._command("run", "small.toml", "--amend", "--restart-arm", arm, at=at, how="kill")

    @rule()
    def report(self) -> None:
        done = self._command("report", "--study", "small")
        if done["status"]:
            assert "small" in done["said"], done["said"]

    @rule(arm=strategies.sampled_from(["mine", "ffdnn"]))
    def predict(self, arm: str) -> None:
        done = self._command(
            "predict", "corpus", "--split", "test", "--study", "small", "--arm", arm, "--out", "labels.csv"
        )
        if done["status"]:
            assert done["said"].strip()

    @rule(which=strategies.integers(0, 100))
    def delete_in_mlflow(self, which: int) -> None:
        """As MLflow's page does it: into the trash."""
        if (self.project / "mlflow.db").exists():
            with closing(sqlite3.connect(self.project / "mlflow.db")) as database, database:
                runs = database.execute(f"{_RUNS} order by r.name").fetchall()
                if runs:
                    run_id = runs[which % len(runs)][0]
                    database.execute("update runs set lifecycle_stage = 'deleted' where run_uuid = ?", (run_id,))

    def _write(self) -> None:
        self._source.write_text(CODE.replace("VERSION", str(self.version)))
        text = STUDY.replace("Does anything help?", self.question)
        text = text.replace('[arms.ladnn]\narchitecture = "ladnn"', '[arms.mine]\narchitecture = "mine"')
        text = text.replace("params.width = 16", f"params.width = {self.width}")
        text = text.replace("seeds = [5, 6]", f"seeds = {list(SEEDS[: self.n_seeds])}\nresamples = 200")
        (self.project / "small.toml").write_text(text)

    def _command(self, *arguments: str, at: int = 0, how: str | None = None) -> dict[str, Any]:
        done = self._server.harness(arguments, at, how if at else None)
        assert done["status"] in (ALLOWED if at else ALLOWED[:3]), done["said"]
        assert "Traceback" not in done["said"], done["said"]
        self._compare_weights()
        return done

    def _succeeds(self, *arguments: str) -> None:
        """The study is run to its end, by the ways out that a refusal names."""
        done = self._command("run", "small.toml")
        if done["status"] == 2 and "--amend" in done["said"]:
            done = self._command("run", "small.toml", "--amend")
        if done["status"] == 2 and "was begun with other code" in done["said"]:
            assert "--restart-arm mine" in done["said"]
            done = self._command("run", "small.toml", "--amend", "--restart-arm", "mine")
        if done["status"] == 2 and "--restart" in done["said"]:
            done = self._command("run", "small.toml", "--restart")
        assert done["status"] == 0, done["said"]
        with closing(sqlite3.connect(self.project / "mlflow.db")) as database:
            n_runs = Counter((name, status) for _, name, status in database.execute(_RUNS).fetchall())
        assert set(n_runs.values()) == {1}, n_runs
        assert {status for _, status in n_runs} == {"FINISHED"}, n_runs
        finals = {name for name, _ in n_runs if " seed " in name}
        assert finals == {f"{arm} seed {seed}" for arm in ("mine", "ffdnn") for seed in SEEDS[: self.n_seeds]}
        assert not (left := leftovers(self.watched)), left

    def _compare_weights(self) -> None:
        """A model of the same arm, code, settings and seed is the same as ever."""
        folder = self.project / ".harness/studies/small"
        if not (folder / "study.json").exists():
            return
        facts = checksums.unseal(folder / "study.json")
        for file in folder.glob("runs/*/result.json"):
            if not (file.parent / "model/model.safetensors").exists():
                continue
            result = json.loads(file.read_text())
            code = result["provenance"].get("code") or facts["code"][result["arm"]]
            key = (result["arm"], code, result["seed"], json.dumps(result["settings"], sort_keys=True))
            weights = checksums.of_file(file.parent / "model/model.safetensors")
            assert self.weights.setdefault(key, weights) == weights, f"{file}: other weights than before"


_RUNS = (
    "select run_uuid, r.name, status from runs r join experiments e using (experiment_id)"
    " where r.lifecycle_stage = 'active' and e.name in ('small', 'small/search')"
)


def check(sequences: int, steps: int, seed: int) -> None:
    """Try so many sequences of so many steps, drawn with a seed.

    Raises:
        AssertionError: a promise was broken; printed with the shortest sequence that was found.
    """
    machine = seeded(seed)(Study)
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=sequences,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


if __name__ == "__main__":
    check(*map(int, [*sys.argv[1:], *("20", "12", "0")[len(sys.argv) - 1 :]]))
