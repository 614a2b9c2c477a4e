"""Studies written to a store from a record, as a run writes them but without training: for tests of what reads them."""

import contextlib
import dataclasses
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from harness.comparison.compare import compare
from harness.results import ArmRecord, RunResult, StudyRecord
from harness.tracking.live_run import LiveRun
from harness.tracking.recorder import Recorder
from harness.tracking.store import Store

if TYPE_CHECKING:  # imported by the package itself, mlflow is as quiet as in a run
    from mlflow.entities import Run

COMMAND = "harness run experiments/ladnn_vs_ffdnn.toml"


def begin(store: Store, record: StudyRecord) -> Recorder:
    """The recorder of a record's study."""
    arms = [arm.arm for arm in record.arms]
    seeds = [final.seed for final in record.arms[0].finals]
    trials = len(record.arms[0].trials)
    return store.begin(record.study, question=record.question, arms=arms, trials=trials, seeds=seeds, command=COMMAND)


def as_trial(arm: ArmRecord, number: int) -> RunResult:
    """The result of a trial: that of the first final, with the trial's settings and no test scores."""
    trial, final = arm.trials[number], arm.finals[0]
    settings = final.settings | trial.settings
    return dataclasses.replace(final, stage="search", trial=number, test=None, state=trial.state, settings=settings)


def write_arm(recorder: Recorder, arm: ArmRecord) -> None:
    """All runs of an arm."""
    for trial in arm.trials:
        recorder.log_run(as_trial(arm, trial.number))
    recorder.start_arm(arm.arm, architecture=arm.architecture, settings=arm.finals[0].settings)
    for final in arm.finals:
        recorder.log_run(final)


def finish_arms(recorder: Recorder, record: StudyRecord) -> None:
    """What is compared of every arm, whose runs are there."""
    comparison = compare(record)
    for arm in record.arms:
        recorder.finish_arm(arm, comparison)


def finish(recorder: Recorder, record: StudyRecord) -> str:
    """The link to the study's view; all its arms are finished."""
    comparison = compare(record)
    return recorder.finish(record, record, comparison.pairs, comparison.verdicts)


def write(store: Store, record: StudyRecord) -> str:
    """The link to the view of a study, written from its begin to its end."""
    recorder = begin(store, record)
    for arm in record.arms:
        write_arm(recorder, arm)
    finish_arms(recorder, record)
    return finish(recorder, record)


def copy_project(project: Path, target: Path) -> Path:
    """A copy of a project's store that finds its own artifacts; MLflow keeps whole paths, in the process by run id."""
    from mlflow.tracking._tracking_service import utils

    utils._artifact_repos_cache.clear()
    shutil.copytree(project, target)
    with contextlib.closing(sqlite3.connect(target / "mlflow.db")) as database, database:
        for table, column in (("experiments", "artifact_location"), ("runs", "artifact_uri")):
            database.execute(
                f"update {table} set {column} = replace({column}, ?, ?)", (f"{project}/mlruns", f"{target}/mlruns")
            )
    return target


def runs(store: Store, experiment: str, kind: str) -> dict[str, "Run"]:
    """Name -> run, of the runs of one kind (arm, final, trial) in an experiment."""
    experiment_id = store.client.get_experiment_by_name(experiment).experiment_id
    return {run.info.run_name: run for run in store.client.search_runs([experiment_id], f"tags.kind = '{kind}'")}


def artifacts(store: Store, run: "Run") -> set[str]:
    """The paths of a run's artifacts."""

    def below(path: str | None) -> Iterator[str]:
        for entry in store.client.list_artifacts(run.info.run_id, path):
            yield from below(entry.path) if entry.is_dir else [entry.path]

    return set(below(None))


def start_final(recorder: Recorder, final: RunResult) -> LiveRun:
    """A final that begins, its arm before it."""
    recorder.start_arm(final.arm, architecture=final.architecture, settings=final.settings)
    return recorder.start_run(final.arm, stage="final", trial=None, seed=final.seed, settings=final.settings)


def steps(store: Store, run_id: str, metric: str) -> list[tuple[int, float]]:
    """(step, value) of a metric, in the order in which they were logged."""
    return [(m.step, m.value) for m in store.client.get_metric_history(run_id, metric)]
