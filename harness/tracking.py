"""MLflow: where every run is kept, and all that a report reads. The only importer of mlflow.

A study is an experiment; an arm is a top-level run in it, its finals are that run's children; trials lie in the
experiment `<study>/search`, so that what is compared stands alone.
"""

import contextlib
import getpass
import json
import os
import shlex
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from harness import mlflow_entries, mlflow_refusals, mlflow_studies, mlflow_views, processes
from harness.errors import UserError
from harness.results import ArmRecord, Epoch, RunResult, StudyRecord

# read while mlflow is imported: it would take over the logging, draw progress bars and send statistics
os.environ.setdefault("MLFLOW_CONFIGURE_LOGGING", "false")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

from mlflow import Image, MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException

METRICS_PER_CALL = 900
"""MLflow takes 1,000 entries a call, params and tags counted."""


def open_store(root: Path) -> "Store":
    """Open the store of the project in `root`, made on first use: `root/mlflow.db`, artifacts under `root/mlruns`,
    which is what a plain `mlflow ui` there serves. `MLFLOW_TRACKING_URI` names another one, which may be a server.

    Raises:
        UserError: the store cannot be opened as it lies; says how to mend it.
    """
    root = root.resolve()
    uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    if uri:
        mlflow_refusals.silent_server(uri)
        with _explained(f"MLFLOW_TRACKING_URI = {uri}"):
            client = MlflowClient(uri)
            client.search_experiments(max_results=1)
        return Store(client, uri)
    mlflow_refusals.file_store(root)
    uri = _sqlite(root)
    # Four processes that make one database together break it. And MLflow puts artifacts under the folder that is
    # current when it opens the database.
    root.mkdir(parents=True, exist_ok=True)
    (root / ".harness").mkdir(exist_ok=True)
    with FileLock(root / ".harness" / "mlflow.lock"), contextlib.chdir(root), _explained(str(root / "mlflow.db"), uri):
        client = MlflowClient(uri)
        client.search_experiments(max_results=1)
    mlflow_refusals.moved(mlflow_studies.experiments(client), root)
    return Store(client, uri)


def ui_command(root: Path) -> str:
    """The line that shows the store in a browser, as it works when typed in this shell here; a server's address if the
    store is one."""
    uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    if uri.startswith("http"):
        return uri
    here = Path(sys.executable).parent / "mlflow"
    found = shutil.which("mlflow")
    command = "mlflow"
    if here.exists() and (found is None or Path(found).resolve() != here.resolve()):
        command = shlex.quote(os.path.relpath(here) if here.is_relative_to(Path.cwd()) else str(here))
    if not uri and root.resolve() == Path.cwd().resolve() and not os.environ.get("MLFLOW_BACKEND_STORE_URI"):
        return f"{command} ui"
    return f"{command} ui --backend-store-uri {shlex.quote(uri or _sqlite(root.resolve()))}"


class Store:
    """The MLflow store of a project: what exists, what was stopped, and whole studies read back."""

    def __init__(self, client: MlflowClient, uri: str) -> None:
        self.client = client
        self.uri = uri

    def sweep(self) -> list[str]:
        """Mark the runs that a killed process of this host left behind as KILLED; gives their ids."""
        ids = [experiment.experiment_id for experiment in mlflow_studies.experiments(self.client)]
        query = f"attributes.status = 'RUNNING' and tags.host = '{processes.host()}'"
        runs = mlflow_studies.runs(self.client, ids, query) if ids else ()
        dead = [run.info.run_id for run in runs if not processes.lives(run.data.tags)]
        for run_id in dead:
            self.client.set_terminated(run_id, "KILLED")
        return dead

    def studies(self) -> list[mlflow_studies.Listed]:
        """Every study that is not archived, newest first."""
        return mlflow_studies.listed(self.client)

    def load_study(self, study: str) -> StudyRecord:
        """A finished study, from MLflow alone. Raises UserError as `mlflow_studies.load` does."""
        return mlflow_studies.load(self.client, study, self.uri)

    def begin(
        self,
        study: str,
        *,
        question: str,
        arms: Sequence[str],
        trials: int,
        seeds: Sequence[int],
        command: str,
    ) -> "Recorder":
        """Make a study's experiments, or go on with those that an earlier process made.

        Args:
            trials: of each arm's search; 0 if nothing is searched.
            command: what continues the study if it is stopped.
        """
        tags = {
            "harness.question": question,
            "harness.arms": json.dumps(list(arms)),
            "harness.trials": str(trials),
            "harness.seeds": json.dumps(list(seeds)),
            "harness.command": command,
        }
        made = {
            "mlflow.note.content": f"**{question}**\n\nRunning: the verdicts will stand here.",
            "harness.state": "unfinished",
            "harness.started": _now(),
        }
        aside = {"mlflow.note.content": f"The trials of the study `{study}`, on validation data only."}
        ids = self._experiment(study, "study", tags, made), self._experiment(f"{study}/search", "search", {}, aside)
        return Recorder(self, study, *ids, tuple(arms))

    def archive(self, study: str) -> str:
        """Put a study aside under a new name, which is given back; the name is free again."""
        new = f"{study} (archived {datetime.now():%Y-%m-%d %H:%M:%S})"
        # in this order, so that a kill in between leaves nothing that a new study would go on with
        for name, to in ((f"{study}/search", f"{new}/search"), (study, new)):
            experiment = self.client.get_experiment_by_name(name)
            if experiment is not None and "harness.part" in experiment.tags:
                self.client.rename_experiment(experiment.experiment_id, to)
                self.client.set_experiment_tag(experiment.experiment_id, "harness.state", "archived")
        return new

    def _experiment(self, name: str, part: str, tags: Mapping[str, str], made: Mapping[str, str]) -> str:
        """The id of an experiment, made if it is not there; `made` are its tags when it is."""
        experiment = self.client.get_experiment_by_name(name)
        if experiment is None:
            kind = {"mlflow.experimentKind": "custom_model_development"}  # else its page opens among the GenAI ones
            return self.client.create_experiment(name, tags={"harness.part": part, **kind, **tags, **made})
        where = f'study = "{name}": an MLflow experiment of this name'
        if experiment.lifecycle_stage != "active":
            raise UserError(
                f"{where} lies in MLflow's trash ({self.uri}). Bring it back with `mlflow experiments restore "
                f"--experiment-id {experiment.experiment_id}`, or give the study another name"
            )
        if experiment.tags.get("harness.part") != part:
            raise UserError(f"{where} exists and was not made by harness; give the study another name")
        mlflow_refusals.served(experiment, self.uri)
        for key, value in tags.items():
            if experiment.tags.get(key) != value:
                self.client.set_experiment_tag(experiment.experiment_id, key, value)
        return experiment.experiment_id


class Recorder:
    """Writes one study. What it wrote before, in this process or an earlier one, it goes on with and never doubles."""

    def __init__(self, store: Store, study: str, experiment_id: str, search_id: str, arms: tuple[str, ...]) -> None:
        self.store = store
        self.client = store.client
        self.study = study
        self.experiment_id = experiment_id
        self.search_id = search_id
        self.arms = arms
        self.known: dict[tuple[str | None, ...], Run] = {}
        for run in mlflow_studies.runs(self.client, [experiment_id, search_id]):
            self.known.setdefault(_key(run.data.tags), run)

    def start_arm(self, arm: str, *, architecture: str, settings: Mapping[str, Any]) -> str:
        """The run of an arm, made before its finals, whose parent it is; gives its id.

        Args:
            settings: flat, with the chosen values in place.
        """
        tags = {"kind": "arm", "arm": arm, "architecture": architecture}
        return self._run(arm, tags, settings).info.run_id

    def start_run(
        self, arm: str, *, stage: str, trial: int | None, seed: int, settings: Mapping[str, Any]
    ) -> "LiveRun":
        """Begin a run, visible at once, or go on with the one of an earlier process. A final's arm comes first.

        Args:
            stage: search or final, as in `RunResult`.
            settings: resolved, flat.
        """
        if stage == "search":
            tags = {"kind": "trial", "arm": arm, "trial": str(trial), "seed": str(seed)}
            return LiveRun(self.client, self._run(f"{arm} trial {trial}", tags, settings))
        tags = {"kind": "final", "arm": arm, "seed": str(seed), "mlflow.parentRunId": self._id(arm)}
        return LiveRun(self.client, self._run(f"{arm} seed {seed}", tags, settings))

    def log_run(self, result: RunResult, folder: Path | None = None, state: str | None = None) -> str:
        """A whole run at once, if it is not there yet; gives its id. Arguments as `LiveRun.finish` has them."""
        kind = "trial" if result.stage == "search" else "final"
        tags = {"kind": kind, "arm": result.arm, "trial": str(result.trial), "seed": str(result.seed)}
        known = self.known.get(_key(tags))
        if known is not None and known.info.status == "FINISHED":
            return known.info.run_id
        live = self.start_run(
            result.arm, stage=result.stage, trial=result.trial, seed=result.seed, settings=result.settings
        )
        live.finish(result, folder, state)
        return live.run_id

    def finish_arm(self, record: ArmRecord, comparison: Mapping[str, Any]) -> str:
        """Everything of an arm that is compared, onto its own run; gives its id.

        Args:
            comparison: the arm's entry in `comparison.json`.
        """
        run_id = self._id(record.arm)
        if self.known[_key({"kind": "arm", "arm": record.arm})].info.status == "FINISHED":
            return run_id
        with _folder() as folder:
            mlflow_entries.write_arm(record, comparison, folder)
            self.client.log_artifacts(run_id, str(folder))
            # once more under a key: a chart of images takes no plain artifact
            self.client.log_image(run_id, Image(str(folder / "confusion.png")), key=mlflow_views.IMAGE, step=0)
        now = int(time.time() * 1000)
        metrics = _metrics(mlflow_entries.arm_metrics(record), now)
        for step, values in mlflow_entries.mean_curves([final.history for final in record.finals]):
            metrics += _metrics(values, now, step)
        tags = mlflow_entries.arm_tags(record) | {"mlflow.note.content": mlflow_entries.arm_markdown(record), **_TABLE}
        _log(self.client, run_id, metrics, tags)
        self.client.set_terminated(run_id)
        return run_id

    def finish(self, record: StudyRecord, pairs: Sequence[Mapping[str, Any]], verdicts: Sequence[str]) -> str:
        """Mark the study as finished, with its question and verdicts, and prepare its view; gives the view's link.

        Args:
            pairs: the differences, as in `comparison.json`.
            verdicts: sentences in Markdown.
        """
        ids = {arm.arm: self._id(arm.arm) for arm in record.arms}
        now = int(time.time() * 1000)
        for arm, run_id in ids.items():
            with _folder() as folder:
                (folder / "study.json").write_text(json.dumps(mlflow_entries.study(record), default=str))
                (folder / "experiment.toml").write_text(record.experiment)
                self.client.log_artifacts(run_id, str(folder))
            _log(self.client, run_id, _metrics(mlflow_entries.difference_metrics(arm, record.baseline, pairs), now), {})
        try:
            links = mlflow_views.write(self.client, self.experiment_id, self.search_id, record, ids)
        except Exception as error:  # the views' format is MLflow's own affair: a change there must not fail a study
            warnings.warn(f"MLflow's prepared view could not be written: {error}", stacklevel=2)
            links = {"runs": f"#/experiments/{self.experiment_id}/runs?workflowType=machine_learning"}
        tags = {
            "mlflow.note.content": mlflow_entries.study_markdown(record, verdicts, links),
            "harness.finished": _now(),
            "harness.state": "finished",
        }
        for key, value in tags.items():
            self.client.set_experiment_tag(self.experiment_id, key, value)
        address = self.store.uri if self.store.uri.startswith("http") else "http://127.0.0.1:5000"
        return f"{address.rstrip('/')}/{next(iter(links.values()))}"

    def _id(self, arm: str) -> str:
        return self.known[_key({"kind": "arm", "arm": arm})].info.run_id

    def _run(self, name: str, tags: Mapping[str, str], settings: Mapping[str, Any]) -> Run:
        """A run with these tags and params in state RUNNING: an earlier one, or a new one."""
        params = mlflow_entries.params(settings)
        process = processes.signature()
        known = self.known.get(_key(tags))
        if known is not None and known.data.params == params:
            _log(self.client, known.info.run_id, [], process)
            if known.info.status != "FINISHED":
                self.client.update_run(known.info.run_id, status="RUNNING")
            return known
        if known is not None:  # of other settings: out of sight, into MLflow's trash
            self.client.delete_run(known.info.run_id)
        about = {"mlflow.user": _user(), "mlflow.source.name": f"study {self.study}", "mlflow.source.type": "LOCAL"}
        about["mlflow.runColor"] = mlflow_entries.COLOURS[self.arms.index(tags["arm"]) % len(mlflow_entries.COLOURS)]
        experiment = self.search_id if tags["kind"] == "trial" else self.experiment_id
        run = self.client.create_run(experiment, tags={**tags, **about, **process}, run_name=name)
        rows = [Param(key, value) for key, value in params.items()]
        for i in range(0, len(rows), 100):
            self.client.log_batch(run.info.run_id, params=rows[i : i + 100])
        self.known[_key(tags)] = run
        return run


class LiveRun:
    """One run while it trains. Each epoch is one call; a call that fails is made good at the end."""

    def __init__(self, client: MlflowClient, run: Run) -> None:
        self.client = client
        self.run_id = run.info.run_id
        self.logged: set[int] = set()
        if "epochs/train_loss" in run.data.metrics:
            self.logged = {m.step for m in client.get_metric_history(self.run_id, "epochs/train_loss")}

    def epoch(self, epoch: Epoch) -> None:
        """One line of the curves; an epoch that is there already is left alone."""
        if epoch.epoch in self.logged:
            return
        try:
            _log(self.client, self.run_id, _metrics(mlflow_entries.curve(epoch), int(time.time() * 1000), epoch.epoch))
        except MlflowException as error:
            warnings.warn(f"epoch {epoch.epoch} will be logged at the run's end: {error}", stacklevel=2)
        else:
            self.logged.add(epoch.epoch)

    def finish(self, result: RunResult, folder: Path | None = None, state: str | None = None) -> None:
        """All of a result, and the run is FINISHED.

        Args:
            folder: where `result.save` wrote; its `model/` is kept as well, if there is one.
            state: `result.state` unless given.
        """
        now, left = time.time(), 0.0 if self.logged else result.seconds
        metrics = []
        for epoch in result.history:
            left = max(left - epoch.seconds, 0.0)
            if epoch.epoch not in self.logged:
                metrics += _metrics(mlflow_entries.curve(epoch), int(1000 * (now - left)), epoch.epoch)
        metrics += _metrics(mlflow_entries.run_metrics(result), int(1000 * now))
        with _folder() as files:
            mlflow_entries.write_run(result, files)
            self.client.log_artifacts(self.run_id, str(files))
            if folder is None:
                folder = files / "result"
                result.save(folder)
            for name in ("arrays.npz", "result.json"):
                self.client.log_artifact(self.run_id, str(folder / name), "result")
            if (folder / "model").is_dir():
                self.client.log_artifacts(self.run_id, str(folder / "model"), "model")
        _log(
            self.client,
            self.run_id,
            metrics,
            mlflow_entries.run_tags(result) | _TABLE | ({"state": state} if state else {}),
        )
        self.client.set_terminated(self.run_id, "FINISHED")

    def failed(self, status: str = "FAILED", why: str = "") -> None:
        """End without a result.

        Args:
            status: FAILED for a training that could not go on, KILLED for one that was stopped.
        """
        tags = {"state": "failed"} if status == "FAILED" else {}
        if why:
            tags["mlflow.note.content"] = why[: mlflow_entries.LONGEST_NOTE]
        _log(self.client, self.run_id, [], tags)
        self.client.set_terminated(self.run_id, status)


_TABLE = {"mlflow.loggedArtifacts": json.dumps([{"path": "per_phoneme.json", "type": "table"}])}
"""What `log_table` leaves, without its 78 ms."""


def _key(tags: Mapping[str, str]) -> tuple[str | None, ...]:
    """What makes a run the same run again."""
    own = {"arm": (), "trial": ("trial",), "final": ("seed",)}.get(tags.get("kind", ""), ("mlflow.runName",))
    return (tags.get("kind"), tags.get("arm"), *(tags.get(key) for key in own))


def _metrics(values: Mapping[str, float], milliseconds: int, step: int = 0) -> list[Metric]:
    return [Metric(key, value, milliseconds, step) for key, value in mlflow_entries.finite(values).items()]


def _log(client: MlflowClient, run_id: str, metrics: Sequence[Metric], tags: Mapping[str, str] | None = None) -> None:
    rows = [RunTag(key, value) for key, value in (tags or {}).items()]
    for start in range(0, max(len(metrics), 1), METRICS_PER_CALL):
        client.log_batch(run_id, metrics[start : start + METRICS_PER_CALL], tags=rows if start == 0 else ())


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="harness-") as name:
        yield Path(name)


@contextlib.contextmanager
def _explained(what: str, uri: str = "") -> Iterator[None]:
    try:
        yield
    except MlflowException as error:
        text = str(error).strip().splitlines()[0]
        if "out-of-date database schema" in text:
            text = f"made by another MLflow. Copy it, then: mlflow db upgrade {shlex.quote(uri)}"
        raise UserError(f"{what}: {text}") from error


def _sqlite(root: Path) -> str:
    return f"sqlite:///{root / 'mlflow.db'}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")
