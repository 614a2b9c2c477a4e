"""One run as it is written to MLflow while it trains, and the calls by which anything is written of a run."""

import json
import math
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag

from harness.files import temporary_folder
from harness.results import Epoch, RunResult
from harness.tracking import entries
from harness.tracking.patience import at_once
from harness.tracking.run_ids import id_of

METRICS_PER_CALL = 900
"""MLflow takes 1,000 entries a call, tags counted."""
PARAMS_PER_CALL = 100


class LiveRun:
    """One run while it trains. Epochs go out together, some seconds' worth a call; what fails is made good later."""

    def __init__(self, client: MlflowClient, run: Run) -> None:
        self.client = client
        self.run_id = id_of(run)
        self.known = run.data.metrics
        """Of an earlier process, which may have been killed before the run's end."""
        self.epochs = epochs_there(client, run)
        """Those that are in MLflow, or wait for the next call."""
        self.queue: list[Metric] = []
        self.next_call = -math.inf

    def epoch(self, epoch: Epoch) -> None:
        """One line of the curves; an epoch that is there already is left alone."""
        if epoch.epoch in self.epochs:
            return
        self.epochs.add(epoch.epoch)
        self.queue += metrics_at(entries.curve(epoch), time.time(), epoch.epoch)
        if time.monotonic() < self.next_call:
            return
        self.next_call = time.monotonic() + _BETWEEN_CALLS
        try:
            log(at_once(self.client), self.run_id, self.queue)
        except Exception as error:  # a training of hours does not end because a database is locked
            self.next_call = time.monotonic() + _AFTER_FAILURE
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
                metrics += metrics_at(entries.curve(epoch), now - left, epoch.epoch)
        metrics += metrics_at(unknown(entries.run_metrics(result), self.known), now)
        with temporary_folder() as files:
            entries.write_run(result, files)
            self.client.log_artifacts(self.run_id, str(files))
            if folder is None:
                folder = files / "result"
                result.save(folder)
            for name in ("arrays.npz", "result.json"):
                self.client.log_artifact(self.run_id, str(folder / name), "result")
            if (folder / "model").is_dir():
                self.client.log_artifacts(self.run_id, str(folder / "model"), "model")
        log(self.client, self.run_id, metrics, tags=entries.run_tags(result) | TABLE)
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


def epochs_there(client: MlflowClient, run: Run) -> set[int]:
    """The epochs whose curves a run has in MLflow."""
    last = "epochs/seconds"  # of an epoch's metrics it comes last
    return {m.step for m in client.get_metric_history(id_of(run), last)} if last in run.data.metrics else set()


def unknown(values: Mapping[str, float], known: Mapping[str, float]) -> dict[str, float]:
    """Those of the values that a run does not have yet: MLflow would keep one logged again as one more point."""
    return {name: value for name, value in values.items() if known.get(name) != value}


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

_AFTER_FAILURE = 30.0
"""Seconds to the next call after one that failed, which may have taken ten."""

TABLE = {"mlflow.loggedArtifacts": json.dumps([{"path": "per_phoneme.json", "type": "table"}])}
"""What `log_table` leaves, without its 78 ms."""


def metrics_at(values: Mapping[str, float], seconds: float, step: int = 0) -> list[Metric]:
    """MLflow's metrics of these names.

    Args:
        seconds: when they were measured, since 1970.
        step: the epoch; 0 for what is measured once.
    """
    return [Metric(name, value, int(1000 * seconds), step) for name, value in entries.finite(values).items()]
