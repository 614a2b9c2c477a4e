"""How a study is written to MLflow: its arms, their runs while they train, and what makes them a comparison.

Is handed a client; knows no mlflow.
"""

import contextlib
import getpass
import json
import math
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from harness.results import ArmRecord, Epoch, RunResult, StudyRecord
from harness.tracking import entries, reader, views
from harness.tracking.process import signature


class Measured(NamedTuple):
    """One number of a run."""

    name: str
    value: float
    milliseconds: int
    """When, since 1970."""
    step: int = 0
    """The epoch, 0 for what is measured once."""


class Calls(Protocol):
    """What `tracking` does for a recorder, because it needs mlflow's own classes."""

    def log(
        self,
        run_id: str,
        measured: Sequence[Measured] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None: ...

    def image(self, run_id: str, file: Path, key: str) -> None:
        """Once more under a key: MLflow's charts of images take no plain artifact."""


class Recorder:
    """Writes one study. What it wrote before, in this process or an earlier one, it goes on with and never doubles."""

    def __init__(
        self, client: Any, calls: Calls, uri: str, study: str, experiment_id: str, search_id: str, arms: tuple[str, ...]
    ) -> None:
        self.client = client
        self.calls = calls
        self.uri = uri
        self.study = study
        self.experiment_id = experiment_id
        self.search_id = search_id
        self.arms = arms
        self.known: dict[tuple[str | None, ...], Any] = {}
        for run in reader.runs(self.client, [experiment_id, search_id]):
            self.known.setdefault(_key(run.data.tags), run)

    def start_arm(self, arm: str, *, architecture: str, settings: Mapping[str, Any]) -> str:
        """The run of an arm, made before its finals, whose parent it is; gives its id.

        Args:
            settings: flat, with the chosen values in place.
        """
        tags = {"kind": "arm", "arm": arm, "architecture": architecture}
        return self._run(arm, tags, settings).info.run_id

    def start_run(
        self,
        arm: str,
        *,
        stage: str,
        trial: int | None,
        seed: int,
        settings: Mapping[str, Any],
        rung: int | None = None,
        origin: int | None = None,
    ) -> "LiveRun":
        """Begin a run, visible at once, or go on with the one of an earlier process. A final's arm comes first.

        Args:
            stage: search or final, as in `RunResult`.
            settings: resolved, flat.
            rung: of a trial, where the search has several; `origin` is the trial that it goes on from.
        """
        if stage == "search":
            tags = {"kind": "trial", "arm": arm, "trial": str(trial), "seed": str(seed)}
            tags |= {"rung": str(rung)} if rung else {}
            tags |= {} if origin is None else {"origin": str(origin)}
            name = f"{arm} trial {trial}" + (f", rung {rung}" if rung else "")
            return LiveRun(self.client, self.calls, self._run(name, tags, settings))
        tags = {"kind": "final", "arm": arm, "seed": str(seed), "mlflow.parentRunId": self._id(arm)}
        return LiveRun(self.client, self.calls, self._run(f"{arm} seed {seed}", tags, settings))

    def log_run(self, result: RunResult, folder: Path | None = None) -> str:
        """A whole run at once, if it is not there yet; gives its id. Arguments as `LiveRun.finish` has them."""
        kind = "trial" if result.stage == "search" else "final"
        tags = {"kind": kind, "arm": result.arm, "trial": str(result.trial), "seed": str(result.seed)}
        known = self.known.get(_key(tags))
        if known is not None and known.info.status == "FINISHED":
            return known.info.run_id
        live = self.start_run(
            result.arm, stage=result.stage, trial=result.trial, seed=result.seed, settings=result.settings
        )
        live.finish(result, folder)
        return live.run_id

    def stopped(self) -> None:
        """The study was stopped before its end: arms that wait for their finals show as KILLED."""
        for arm in self.arms:
            run = self.known.get(_key({"kind": "arm", "arm": arm}))
            if run is not None and run.info.status != "FINISHED":
                self.client.set_terminated(run.info.run_id, "KILLED")

    def finish_arm(self, record: ArmRecord, comparison: Mapping[str, Any]) -> str:
        """Everything of an arm that is compared, onto its own run; gives its id.

        Args:
            comparison: as `comparison.json` has it.
        """
        run_id = self._id(record.arm)
        if self.known[_key({"kind": "arm", "arm": record.arm})].info.status == "FINISHED":
            return run_id
        with _folder() as folder:
            entries.write_arm(record, comparison, folder)
            self.client.log_artifacts(run_id, str(folder))
            for key in views.IMAGES:
                if (folder / f"{key}.png").exists():
                    self.calls.image(run_id, folder / f"{key}.png", key)
        now = time.time()
        measured = _measured(entries.arm_metrics(record), now)
        for step, values in entries.mean_curves([final.history for final in record.finals]):
            measured += _measured(values, now, step)
        tags = entries.arm_tags(record) | {"mlflow.note.content": entries.arm_markdown(record), **_TABLE}
        self.calls.log(run_id, measured, tags=tags)
        self.client.set_terminated(run_id)
        return run_id

    def fail_arm(self, record: ArmRecord) -> str:
        """A cell of a sweep that has no finals, which is its result; gives the run's id."""
        run_id = self._id(record.arm)
        with _folder() as folder:
            entries.write_search(record, folder)
            self.client.log_artifacts(run_id, str(folder))
        self.calls.log(run_id, tags={"state": "failed", "mlflow.note.content": record.failure})
        self.client.set_terminated(run_id, "FAILED")
        return run_id

    def finish(self, record: StudyRecord, pairs: Sequence[Mapping[str, Any]], verdicts: Sequence[str]) -> str:
        """Mark the study as finished, with its question and verdicts, and prepare its view; gives the view's link.

        Args:
            pairs: the differences, as in `comparison.json`.
            verdicts: sentences in Markdown.
        """
        ids = {arm.arm: self._id(arm.arm) for arm in record.arms}
        for arm, run_id in ids.items():
            with _folder() as folder:
                (folder / "study.json").write_text(json.dumps(entries.study(record), default=str))
                (folder / "experiment.toml").write_text(record.experiment)
                self.client.log_artifacts(run_id, str(folder))
            differences = entries.difference_metrics(arm, record.compared_with(arm), pairs)
            self.calls.log(run_id, _measured(differences, time.time()))
        try:
            links = views.write(self.client, self.experiment_id, self.search_id, record, ids)
        except Exception as error:  # the views' format is MLflow's own affair: a change there must not fail a study
            warnings.warn(f"MLflow's prepared view could not be written: {error}", stacklevel=2)
            links = {"runs": f"#/experiments/{self.experiment_id}/runs?workflowType=machine_learning"}
        tags = {
            "harness.view": next(iter(links.values())),
            "mlflow.note.content": entries.study_markdown(record, verdicts, links),
            "harness.finished": _now(),
            "harness.state": "finished",
        }
        for key, value in tags.items():
            self.client.set_experiment_tag(self.experiment_id, key, value)
        return views.address(self.uri, tags["harness.view"])

    def _id(self, arm: str) -> str:
        return self.known[_key({"kind": "arm", "arm": arm})].info.run_id

    def _run(self, name: str, tags: Mapping[str, str], settings: Mapping[str, Any]) -> Any:
        """A run with these tags and params in state RUNNING: an earlier one, or a new one."""
        params = entries.params(settings)
        process = signature()
        known = self.known.get(_key(tags))
        if known is not None and known.info.status == "FINISHED":
            return known
        if known is not None and known.data.params == params:
            for tag in {"state", "mlflow.note.content"} & set(known.data.tags):  # of how it ended before
                self.client.delete_tag(known.info.run_id, tag)
            self.calls.log(known.info.run_id, tags=process)
            self.client.update_run(known.info.run_id, status="RUNNING")
            return known
        if known is not None:  # of other settings: out of sight, into MLflow's trash
            self.client.delete_run(known.info.run_id)
        about = {"mlflow.user": _user(), "mlflow.source.name": f"study {self.study}", "mlflow.source.type": "LOCAL"}
        about["mlflow.runColor"] = entries.COLOURS[self.arms.index(tags["arm"]) % len(entries.COLOURS)]
        experiment = self.search_id if tags["kind"] == "trial" else self.experiment_id
        run = self.client.create_run(experiment, tags={**tags, **about, **process}, run_name=name)
        self.calls.log(run.info.run_id, params=params)
        self.known[_key(tags)] = run
        return run


class LiveRun:
    """One run while it trains. Epochs go out together, some seconds' worth a call; what fails is made good later."""

    def __init__(self, client: Any, calls: Calls, run: Any) -> None:
        self.client = client
        self.calls = calls
        self.run_id = run.info.run_id
        self.seen: set[int] = set()
        self.waiting: list[Measured] = []
        self.next_call = -math.inf
        if "epochs/train_loss" in run.data.metrics:
            self.seen = {m.step for m in client.get_metric_history(self.run_id, "epochs/train_loss")}

    def epoch(self, epoch: Epoch) -> None:
        """One line of the curves; an epoch that is there already is left alone."""
        if epoch.epoch in self.seen:
            return
        self.seen.add(epoch.epoch)
        self.waiting += _measured(entries.curve(epoch), time.time(), epoch.epoch)
        if time.monotonic() < self.next_call:
            return
        self.next_call = time.monotonic() + _BETWEEN_CALLS
        try:
            self.calls.log(self.run_id, self.waiting)
        except Exception as error:  # a training of hours does not end because a database is locked
            warnings.warn(f"epoch {epoch.epoch} will be logged later: {error}", stacklevel=2)
        else:
            self.waiting = []

    def finish(self, result: RunResult, folder: Path | None = None) -> None:
        """All of a result, and the run is FINISHED.

        Args:
            folder: where `result.save` wrote; its `model/` is kept as well, if there is one.
        """
        now, left = time.time(), 0.0 if self.seen else result.seconds
        measured = list(self.waiting)
        for epoch in result.history:
            left = max(left - epoch.seconds, 0.0)
            if epoch.epoch not in self.seen:
                measured += _measured(entries.curve(epoch), now - left, epoch.epoch)
        measured += _measured(entries.run_metrics(result), now)
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
        tags = entries.run_tags(result) | _TABLE
        self.calls.log(self.run_id, measured, tags=tags)
        self.client.set_terminated(self.run_id, "FINISHED")

    def failed(self, status: str = "FAILED", why: str = "") -> None:
        """End without a result.

        Args:
            status: FAILED for a training that could not go on, KILLED for one that was stopped.
        """
        tags = {"state": "failed"} if status == "FAILED" else {}
        if why:
            tags["mlflow.note.content"] = why[: entries.LONGEST_NOTE]
        self.calls.log(self.run_id, self.waiting, tags=tags)
        self.client.set_terminated(self.run_id, status)


_BETWEEN_CALLS = 2.0
"""Seconds from one call about epochs to the next: a call takes 12 ms, a small model's epoch one second."""

_TABLE = {"mlflow.loggedArtifacts": json.dumps([{"path": "per_phoneme.json", "type": "table"}])}
"""What `log_table` leaves, without its 78 ms."""


def _key(tags: Mapping[str, str]) -> tuple[str | None, ...]:
    """What makes a run the same run again."""
    own = {"arm": (), "trial": ("trial",), "final": ("seed",)}.get(tags.get("kind", ""), ("mlflow.runName",))
    return (tags.get("kind"), tags.get("arm"), *(tags.get(key) for key in own))


def _measured(values: Mapping[str, float], seconds: float, step: int = 0) -> list[Measured]:
    finite = entries.finite(values)
    return [Measured(name, value, int(1000 * seconds), step) for name, value in finite.items()]


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="harness-") as name:
        yield Path(name)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")
