"""MLflow: where every run is kept, and all that a report reads. The only importer of mlflow.

A study is an experiment; an arm is a top-level run in it, its finals are that run's children; trials lie in the
experiment `<study>/search`, so that what is compared stands alone.
"""

import contextlib
import json
import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from filelock import FileLock

from harness.errors import UserError
from harness.results import StudyRecord
from harness.tracking import process, reader, refusals, views
from harness.tracking.recorder import Measured, Recorder

# read while mlflow is imported: it would take over the logging, draw progress bars and send statistics
os.environ.setdefault("MLFLOW_CONFIGURE_LOGGING", "false")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

from mlflow import Image, MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException

METRICS_PER_CALL = 900
"""MLflow takes 1,000 entries a call, tags counted."""
PARAMS_PER_CALL = 100


def open_store(root: Path) -> "Store":
    """Open the store of the project in `root`, made on first use: `root/mlflow.db`, artifacts under `root/mlruns`,
    which is what a plain `mlflow ui` there serves. `MLFLOW_TRACKING_URI` names another one, which may be a server.

    Raises:
        UserError: the store cannot be opened as it lies; says how to mend it.
    """
    root = root.resolve()
    uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    if uri:
        refusals.silent_server(uri)
        with _explained(f"MLFLOW_TRACKING_URI = {uri}"):
            client = MlflowClient(uri)
            client.search_experiments(max_results=1)
        return Store(client, uri)
    refusals.file_store(root)
    uri = _sqlite(root)
    # Four processes that make one database together break it. And MLflow puts artifacts under the folder that is
    # current when it opens the database.
    root.mkdir(parents=True, exist_ok=True)
    (root / ".harness").mkdir(exist_ok=True)
    with FileLock(root / ".harness" / "mlflow.lock"), contextlib.chdir(root), _explained(str(root / "mlflow.db"), uri):
        client = MlflowClient(uri)
        client.search_experiments(max_results=1)
    refusals.moved(reader.experiments(client), root)
    return Store(client, uri)


def is_there(root: Path) -> bool:
    """Whether there is a store already; `open_store` would make one."""
    return bool(os.environ.get("MLFLOW_TRACKING_URI")) or (root / "mlflow.db").exists()


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

    def mark_dead_runs(self) -> list[str]:
        """Mark the runs that a killed process of this host left behind as KILLED; gives their ids."""
        ids = [experiment.experiment_id for experiment in reader.experiments(self.client)]
        query = f"attributes.status = 'RUNNING' and tags.host = '{process.host()}'"
        runs = reader.runs(self.client, ids, query) if ids else ()
        dead = [run.info.run_id for run in runs if not process.lives(run.data.tags)]
        for run_id in dead:
            self.client.set_terminated(run_id, "KILLED")
        return dead

    def studies(self) -> list[reader.StudySummary]:
        """Every study that is not archived, newest first."""
        return reader.listed(self.client)

    def load_study(self, study: str) -> StudyRecord:
        """A finished study, from MLflow alone. Raises UserError as `mlflow_studies.load` does."""
        return reader.load_study(self.client, study, self.uri)

    def load_runs(self, ids: Sequence[str]) -> list[StudyRecord]:
        """Finished finals by id, a record each. Raises UserError as `reader.load_runs` does."""
        return reader.load_runs(self.client, ids, self.uri)

    def finals(self, study: str, arm: str) -> dict[int, str]:
        """seed -> run id of an arm's finished finals. Raises UserError as `mlflow_studies.finals` does."""
        return reader.finals(self.client, study, arm, self.uri)

    def fetch(self, run_id: str, folder: Path) -> Path:
        """Bring a final's artifacts `result/` and `model/` into a folder, which is given back.

        Raises:
            UserError: they are not there.
        """
        for name in ("result", "model"):
            try:
                self.client.download_artifacts(run_id, name, str(folder))
            except (MlflowException, OSError) as error:
                why = str(error).strip().splitlines()[0]
                raise UserError(
                    f"MLflow run {run_id}: its artifact {name}/ cannot be had from {self.uri}: {why}"
                ) from None
        return folder

    def view(self, study: str) -> str:
        """The link to a finished study's prepared view; "" if there is none."""
        experiment = self.client.get_experiment_by_name(study)
        place = experiment.tags.get("harness.view", "") if experiment else ""
        return views.address(self.uri, place) if place else ""

    def begin(
        self,
        study: str,
        *,
        question: str,
        arms: Sequence[str],
        trials: int,
        seeds: Sequence[int],
        command: str,
    ) -> Recorder:
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
            "harness.started": datetime.now().astimezone().isoformat(timespec="seconds"),
        }
        aside = {"mlflow.note.content": f"The trials of the study `{study}`, on validation data only."}
        ids = self._experiment(study, "study", tags, made), self._experiment(f"{study}/search", "search", {}, aside)
        return Recorder(self.client, _Calls(self.client), self.uri, study, *ids, tuple(arms))

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
        refusals.served(experiment, self.uri)
        for key, value in tags.items():
            if experiment.tags.get(key) != value:
                self.client.set_experiment_tag(experiment.experiment_id, key, value)
        return experiment.experiment_id


class _Calls:
    """The calls of a recorder that need mlflow's own classes."""

    def __init__(self, client: MlflowClient) -> None:
        self.client = client

    def log(
        self,
        run_id: str,
        measured: Sequence[Measured] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        metrics = [Metric(m.name, m.value, m.milliseconds, m.step) for m in measured]
        rows = [Param(key, value) for key, value in (params or {}).items()]
        for start in range(0, len(rows), PARAMS_PER_CALL):
            self.client.log_batch(run_id, params=rows[start : start + PARAMS_PER_CALL])
        labels = [RunTag(key, value) for key, value in (tags or {}).items()]
        if labels and not metrics:
            self.client.log_batch(run_id, tags=labels)
        for start in range(0, len(metrics), METRICS_PER_CALL):
            self.client.log_batch(run_id, metrics[start : start + METRICS_PER_CALL], tags=labels if start == 0 else ())

    def image(self, run_id: str, file: Path, key: str) -> None:
        self.client.log_image(run_id, Image(str(file)), key=key, step=0)


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


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")
