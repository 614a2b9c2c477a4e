"""A study as it is written to MLflow: its arms, their runs while they train, and what makes them a comparison."""

import contextlib
import getpass
import json
import math
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlflow import Image, MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag

from harness.comparison.model import Check, Comparison, Pair
from harness.results import ArmRecord, Epoch, RunResult, StudyRecord
from harness.tracking import entries, process, views
from harness.tracking.reader import Reader, id_of

METRICS_PER_CALL = 900
"""MLflow takes 1,000 entries a call, tags counted."""
PARAMS_PER_CALL = 100


@dataclass(frozen=True)
class RunKey:
    """The identity of a run in its study: a run with the same key is the same run, gone on with."""

    kind: str
    """arm, trial or final."""
    arm: str
    number: int = 0
    """Of a trial its number, of a final its seed."""
    search: int = 1
    """Of a trial, the number of its search."""

    @property
    def tags(self) -> dict[str, str]:
        """The key as it stands in MLflow; the first search of an arm goes without saying."""
        search = {"search": str(self.search)} if self.search > 1 else {}
        number = {"trial": {"trial": str(self.number)} | search, "final": {"seed": str(self.number)}}
        return {"kind": self.kind, "arm": self.arm} | number.get(self.kind, {})


def run_key(run: Run) -> RunKey | None:
    """The key of a run; None if harness did not make it."""
    tags = run.data.tags
    kind, arm = tags.get("kind", ""), tags.get("arm", "")
    number = {"arm": "0", "trial": tags.get("trial", ""), "final": tags.get("seed", "")}.get(kind, "")
    search = tags.get("search", "1") if kind == "trial" else "1"
    return RunKey(kind, arm, int(number), int(search)) if number.isdecimal() and search.isdecimal() else None


class Recorder:
    """The writer of one study. What it wrote before, in this process or an earlier one, it goes on with."""

    def __init__(self, reader: Reader, study: str, experiment_id: str, search_id: str, arms: Sequence[str]) -> None:
        self.reader = reader
        self.client: MlflowClient = reader.client
        self.uri = reader.uri
        self.study = study
        self.experiment_id = experiment_id
        self.search_id = search_id
        self.arms = tuple(arms)
        self.runs: dict[RunKey, Run] = {}
        for run in reader.runs([experiment_id, search_id]):
            if key := run_key(run):
                self.runs.setdefault(key, run)

    def start_arm(self, arm: str, *, architecture: str, settings: Mapping[str, object]) -> str:
        """The id of an arm's run, which is made before its finals, whose parent it is.

        Args:
            settings: flat, with the chosen values in place.
        """
        run = self._start(RunKey("arm", arm), arm, {"architecture": architecture}, settings)
        return id_of(run)

    def start_run(
        self,
        arm: str,
        *,
        stage: str,
        trial: int | None,
        seed: int,
        settings: Mapping[str, object],
        search: int = 1,
        rung: int | None = None,
        origin: int | None = None,
    ) -> "LiveRun":
        """A run that begins, visible at once, or the one of an earlier process. A final's arm comes first.

        Args:
            stage: search or final, as in `RunResult`.
            settings: resolved, flat.
            search: number of the search that it belongs to, from 1.
            rung: of a trial, where the search has several.
            origin: the trial that it goes on from.
        """
        if stage == "search":
            assert trial is not None
            tags = {"seed": str(seed)}
            tags |= {"rung": str(rung)} if rung else {}
            tags |= {} if origin is None else {"origin": str(origin)}
            which = f" search {search}" if search > 1 else ""
            name = f"{arm}{which} trial {trial}" + (f", rung {rung}" if rung else "")
            return LiveRun(self.client, self._start(RunKey("trial", arm, trial, search), name, tags, settings))
        tags = {"mlflow.parentRunId": self._arm_id(arm)} | ({"search": str(search)} if search > 1 else {})
        return LiveRun(self.client, self._start(RunKey("final", arm, seed), f"{arm} seed {seed}", tags, settings))

    def log_run(self, result: RunResult, folder: Path | None = None) -> str:
        """The id of a run that is written whole, if it is not there yet. Arguments as those of `LiveRun.finish`."""
        key = RunKey("final", result.arm, result.seed)
        if result.trial is not None:
            key = RunKey("trial", result.arm, result.trial, result.search)
        run = self.runs.get(key)
        if run is not None and run.info.status == "FINISHED":
            return id_of(run)
        live = self.start_run(
            result.arm,
            stage=result.stage,
            trial=result.trial,
            search=result.search,
            seed=result.seed,
            settings=result.settings,
        )
        live.finish(result, folder)
        return live.run_id

    def stopped(self) -> None:
        """The study's end before it is finished: arms that wait for their finals show as KILLED."""
        for arm in self.arms:
            run = self.runs.get(RunKey("arm", arm))
            if run is not None and run.info.status != "FINISHED":
                self.client.set_terminated(id_of(run), "KILLED")

    def finish_arm(self, record: ArmRecord, comparison: Comparison) -> str:
        """The id of an arm's run, which now has everything of it that is compared."""
        run_id = self._arm_id(record.arm)
        if self.runs[RunKey("arm", record.arm)].info.status == "FINISHED":
            return run_id
        with _folder() as folder:
            entries.write_arm(record, comparison, folder)
            self.client.log_artifacts(run_id, str(folder))
            for key in views.IMAGES:
                if (folder / f"{key}.png").exists():  # once more under a key: MLflow's charts take no plain artifact
                    self.client.log_image(run_id, Image(str(folder / f"{key}.png")), key=key, step=0)
        now = time.time()
        metrics = _metrics(entries.arm_metrics(record), now)
        for step, values in entries.mean_curves([final.history for final in record.finals]):
            metrics += _metrics(values, now, step)
        tags = entries.arm_tags(record) | {"mlflow.note.content": entries.arm_markdown(record), **_TABLE}
        log(self.client, run_id, metrics, tags=tags)
        self.client.set_terminated(run_id)
        return run_id

    def finish_fold(self, record: ArmRecord) -> str:
        """The id of the run of an arm in one fold of a cross-validation, which now has everything that is its own."""
        run_id = self._arm_id(record.arm)
        if self.runs[RunKey("arm", record.arm)].info.status == "FINISHED":
            return run_id
        with _folder() as folder:
            entries.write_search(record, folder)
            self.client.log_artifacts(run_id, str(folder))
        tags = entries.arm_tags(record) | {"mlflow.note.content": entries.arm_markdown(record)}
        log(self.client, run_id, _metrics(entries.arm_metrics(record), time.time()), tags=tags)
        self.client.set_terminated(run_id)
        return run_id

    def fail_arm(self, record: ArmRecord) -> str:
        """The id of the run of a cell of a sweep that has no finals, which is its result."""
        run_id = self._arm_id(record.arm)
        with _folder() as folder:
            entries.write_search(record, folder)
            self.client.log_artifacts(run_id, str(folder))
        log(self.client, run_id, tags={"state": "failed", "mlflow.note.content": record.failure})
        self.client.set_terminated(run_id, "FAILED")
        return run_id

    def finish(
        self,
        record: StudyRecord,
        whole: StudyRecord,
        pairs: Sequence[Pair],
        verdicts: Sequence[str],
        checks: Sequence[Check] = (),
    ) -> str:
        """The link to the view of the study, which is now marked as finished, with its question and verdicts.

        Args:
            whole: the record with the folds of each arm merged; without folds the same.
            pairs: the differences.
            verdicts: sentences in Markdown.
            checks: findings about the study itself.
        """
        ids = {arm.arm: self._arm_id(arm.arm) for arm in whole.arms}
        for arm in dict.fromkeys([*ids, *(arm.arm for arm in record.arms)]):
            with _folder() as folder:
                entries.write_study(record, folder)
                self.client.log_artifacts(self._arm_id(arm), str(folder))
        for arm, run_id in ids.items():
            differences = entries.difference_metrics(arm, whole.compared_with(arm), pairs)
            log(self.client, run_id, _metrics(differences, time.time()))
        try:
            links = views.write(self.client, self.experiment_id, self.search_id, whole, ids)
        except Exception as error:  # the views' format is MLflow's own affair: a change there must not fail a study
            warnings.warn(f"MLflow's prepared view could not be written: {error}", stacklevel=2)
            links = {"runs": f"#/experiments/{self.experiment_id}/runs?workflowType=machine_learning"}
        tags = {
            "harness.view": next(iter(links.values())),
            "mlflow.note.content": entries.study_markdown(record, verdicts, links, checks),
            "harness.finished": process.timestamp(),
            "harness.state": "finished",
            "harness.test": record.test_digest,
            "harness.checks": " ".join(dict.fromkeys(check.code for check in checks)),
        }
        for key, value in tags.items():
            self.client.set_experiment_tag(self.experiment_id, key, value)
        return views.address(self.uri, tags["harness.view"])

    def _arm_id(self, arm: str) -> str:
        return id_of(self.runs[RunKey("arm", arm)])

    def _start(self, key: RunKey, name: str, tags: Mapping[str, str], settings: Mapping[str, object]) -> Run:
        """A run with this key, these tags and params in state RUNNING: an earlier one, or a new one."""
        params = entries.params(settings)
        run = self.runs.get(key)
        if run is not None and run.info.status == "FINISHED":
            return run
        if run is not None and run.data.params == params:
            for tag in {"state", "mlflow.note.content"} & set(run.data.tags):  # of how it ended before
                self.client.delete_tag(id_of(run), tag)
            log(self.client, id_of(run), tags=process.signature())
            self.client.update_run(id_of(run), status="RUNNING")
            return run
        if run is not None:  # of other settings: out of sight, into MLflow's trash
            self.client.delete_run(id_of(run))
        base = key.arm if key.arm in self.arms else key.arm.rpartition("@")[0]  # of a fold, its arm's colour
        colour = entries.COLOURS[self.arms.index(base) % len(entries.COLOURS)]
        source = {"mlflow.user": _user(), "mlflow.source.name": f"study {self.study}", "mlflow.source.type": "LOCAL"}
        all_tags = {**key.tags, **tags, **source, "mlflow.runColor": colour, **process.signature()}
        experiment_id = self.search_id if key.kind == "trial" else self.experiment_id
        run = self.client.create_run(experiment_id, tags=all_tags, run_name=name)
        log(self.client, id_of(run), params=params)
        self.runs[key] = run
        return run


class LiveRun:
    """One run while it trains. Epochs go out together, some seconds' worth a call; what fails is made good later."""

    def __init__(self, client: MlflowClient, run: Run) -> None:
        self.client = client
        self.run_id = id_of(run)
        self.epochs: set[int] = set()
        """Those that are in MLflow, or wait for the next call."""
        self.queue: list[Metric] = []
        self.next_call = -math.inf
        if "epochs/train_loss" in run.data.metrics:
            self.epochs = {m.step for m in client.get_metric_history(self.run_id, "epochs/train_loss")}

    def epoch(self, epoch: Epoch) -> None:
        """One line of the curves; an epoch that is there already is left alone."""
        if epoch.epoch in self.epochs:
            return
        self.epochs.add(epoch.epoch)
        self.queue += _metrics(entries.curve(epoch), time.time(), epoch.epoch)
        if time.monotonic() < self.next_call:
            return
        self.next_call = time.monotonic() + _BETWEEN_CALLS
        try:
            log(self.client, self.run_id, self.queue)
        except Exception as error:  # a training of hours does not end because a database is locked
            warnings.warn(f"epoch {epoch.epoch} will be logged later: {error}", stacklevel=2)
        else:
            self.queue = []

    def finish(self, result: RunResult, folder: Path | None = None) -> None:
        """The run's end, FINISHED, with all of its result.

        Args:
            folder: where `result.save` wrote; its `model/` is logged as well, if there is one.
        """
        now, left = time.time(), 0.0 if self.epochs else result.seconds
        metrics = list(self.queue)
        for epoch in result.history:
            left = max(left - epoch.seconds, 0.0)
            if epoch.epoch not in self.epochs:
                metrics += _metrics(entries.curve(epoch), now - left, epoch.epoch)
        metrics += _metrics(entries.run_metrics(result), now)
        with _folder() as files:
            entries.write_run(result, files)
            self.client.log_artifacts(self.run_id, str(files))
            if folder is None:
                folder = files / "result"
                result.save(folder)
            for name in ("arrays.npz", "result.json"):
                self.client.log_artifact(self.run_id, str(folder / name), "result")
            if (folder / "model").is_dir():
                self.client.log_artifacts(self.run_id, str(folder / "model"), "model")
        log(self.client, self.run_id, metrics, tags=entries.run_tags(result) | _TABLE)
        self.client.set_terminated(self.run_id, "FINISHED")

    def failed(self, status: str = "FAILED", why: str = "") -> None:
        """The run's end without a result.

        Args:
            status: FAILED for a training that could not go on, KILLED for one that was stopped.
            why: a sentence for the run's page.
        """
        tags = {"state": "failed"} if status == "FAILED" else {}
        if why:
            tags["mlflow.note.content"] = why[: entries.LONGEST_NOTE]
        log(self.client, self.run_id, self.queue, tags=tags)
        self.client.set_terminated(self.run_id, status)


def log(
    client: MlflowClient,
    run_id: str,
    metrics: Sequence[Metric] = (),
    *,
    params: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Metrics, params and tags of a run, in as few calls as MLflow's limits allow."""
    param_entities = [Param(key, value) for key, value in (params or {}).items()]
    tag_entities = [RunTag(key, value) for key, value in (tags or {}).items()]
    for start in range(0, len(param_entities), PARAMS_PER_CALL):
        client.log_batch(run_id, params=param_entities[start : start + PARAMS_PER_CALL])
    if tag_entities and not metrics:
        client.log_batch(run_id, tags=tag_entities)
    for start in range(0, len(metrics), METRICS_PER_CALL):
        batch = metrics[start : start + METRICS_PER_CALL]
        client.log_batch(run_id, batch, tags=tag_entities if start == 0 else ())


_BETWEEN_CALLS = 2.0
"""Seconds from one call about epochs to the next: a call takes 12 ms, a small model's epoch one second."""

_TABLE = {"mlflow.loggedArtifacts": json.dumps([{"path": "per_phoneme.json", "type": "table"}])}
"""What `log_table` leaves, without its 78 ms."""


def _metrics(values: Mapping[str, float], seconds: float, step: int = 0) -> list[Metric]:
    """MLflow's metrics of these names.

    Args:
        seconds: when they were measured, since 1970.
        step: the epoch; 0 for what is measured once.
    """
    return [Metric(name, value, int(1000 * seconds), step) for name, value in entries.finite(values).items()]


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="harness-") as name:
        yield Path(name)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
