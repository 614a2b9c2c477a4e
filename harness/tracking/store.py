"""The MLflow store of a project: opened, or refused with what mends it; studies begun in it and put aside."""

import contextlib
import json
import os
import shlex
import shutil
import sqlite3
import sys
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from harness import process
from harness.errors import UserError
from harness.tracking import database, patience, refusals
from harness.tracking.reader import SCORED, Reader
from harness.tracking.recorder import Recorder
from harness.tracking.run_ids import id_of

_ARCHIVED_AS = "harness.archived_as"


def open_store(root: Path, say: Callable[[str], None] | None = None) -> "Store":
    """The store of the project in `root`, made on first use: `root/mlflow.db`, artifacts under `root/mlruns`, which is
    what a plain `mlflow ui` there serves. `MLFLOW_TRACKING_URI` names another one, which may be a server.

    Args:
        say: shows a line. If given, a server that falls silent later is waited for; it must answer now in any case.

    Raises:
        UserError: the store cannot be opened as it lies; says how to mend it.
    """
    root = root.resolve()
    uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    if uri:
        refusals.refuse_silent_server(uri)
        patience.try_briefly()
        with _explaining(f"MLFLOW_TRACKING_URI = {uri}"):
            client = MlflowClient(uri)
            client.search_experiments(max_results=1)
        return Store(patience.patient(client, uri, say) if say and uri.startswith("http") else client, uri)
    refusals.refuse_file_store(root)
    uri = _sqlite(root)
    # Four processes that make one database together break it. And MLflow puts artifacts under the folder that is
    # current when it opens the database.
    root.mkdir(parents=True, exist_ok=True)
    (root / ".harness").mkdir(exist_ok=True)
    with FileLock(root / ".harness" / "mlflow.lock"), contextlib.chdir(root), _explaining(str(root / "mlflow.db"), uri):
        database.make(root / "mlflow.db")
        client = MlflowClient(uri)
        client.search_experiments(max_results=1)
    store = Store(client, uri)
    refusals.refuse_moved_folder(store.experiments(), root)
    return store


def is_there(root: Path) -> bool:
    """Whether there is a store already; `open_store` would make one."""
    return bool(os.environ.get("MLFLOW_TRACKING_URI")) or (root / "mlflow.db").exists()


def ui_command(root: Path) -> str:
    """The line that shows the store in a browser, as it works when typed in this shell here; a server's address if the
    store is one."""
    uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    if uri.startswith("http"):
        return uri
    own = Path(sys.executable).parent / "mlflow"
    first = shutil.which("mlflow")
    command = "mlflow"
    if own.exists() and (first is None or Path(first).resolve() != own.resolve()):
        command = shlex.quote(os.path.relpath(own) if own.is_relative_to(Path.cwd()) else str(own))
    if not uri and root.resolve() == Path.cwd().resolve() and not os.environ.get("MLFLOW_BACKEND_STORE_URI"):
        return f"{command} ui"
    return f"{command} ui --backend-store-uri {shlex.quote(uri or _sqlite(root.resolve()))}"


class Store(Reader):
    """The store of a project, to read from and to record studies in."""

    def mark_dead_runs(self) -> list[str]:
        """The ids of the runs that a killed process of this host left behind, now marked as KILLED."""
        experiment_ids = [experiment.experiment_id for experiment in self.experiments()]
        query = f"attributes.status = 'RUNNING' and tags.host = '{process.host()}'"
        runs = self.runs(experiment_ids, query) if experiment_ids else []
        dead = [run for run in runs if not process.lives(run.data.tags)]
        for run in dead:
            _remove_cut_uploads(run)
            self.client.set_terminated(id_of(run), "KILLED")
        return [id_of(run) for run in dead]

    def begin(
        self,
        study: str,
        *,
        question: str,
        arms: Sequence[str],
        trials: int,
        seeds: Sequence[int],
        command: str,
        folds: int | None = None,
        test: str = "",
    ) -> Recorder:
        """The recorder of a study, whose experiments are new or those that an earlier process made.

        Args:
            arms: names, in the order of the file.
            trials: of each arm's search; 0 if nothing is searched.
            seeds: of the comparison.
            command: what continues the study if it is stopped.
            folds: of a cross-validation; each arm then has so many times the trials and seeds.
            test: digest of what finals are scored on, as in `StudyRecord.test_digest`.

        Raises:
            UserError: an experiment of the study's name is in MLflow's trash, is not harness's own, or was recorded
                through a server.
        """
        tags = {
            "harness.question": question,
            "harness.arms": json.dumps(list(arms)),
            "harness.trials": str(trials),
            "harness.seeds": json.dumps(list(seeds)),
            "harness.command": command,
        } | ({"harness.folds": str(folds)} if folds else {})
        first_tags = {
            "mlflow.note.content": f"**{question}**\n\nRunning: the verdicts will stand here.",
            "harness.state": "unfinished",
            "harness.started": process.timestamp(),
        }
        note = {"mlflow.note.content": f"The trials of the study `{study}`, on validation data only."}
        experiment_id = self._experiment(study, "study", tags, first_tags)
        search_id = self._experiment(f"{study}/search", "search", {}, note)
        return Recorder(self, study, experiment_id, search_id, arms, test)

    def archive(self, study: str) -> str:
        """The new name of a study that is put aside; its old name is free again."""
        archived = self.archive_name(study)
        # in this order, so that a kill in between leaves nothing that a new study would go on with, and the same
        # command finishes it
        for name, new in ((f"{study}/search", f"{archived}/search"), (study, archived)):
            experiment = self.client.get_experiment_by_name(name)
            if experiment is not None and "harness.part" in experiment.tags:
                self.client.set_experiment_tag(experiment.experiment_id, "harness.state", "archived")
                if name != new:
                    self.client.rename_experiment(experiment.experiment_id, new)
        return archived

    def archive_name(self, study: str) -> str:
        """The name that a study gets by `archive`, chosen once: what was cut off goes on under it."""
        experiment = self.client.get_experiment_by_name(study)
        known = experiment.tags.get(_ARCHIVED_AS) if experiment else None
        name = known or f"{study} (archived {datetime.now():%Y-%m-%d %H:%M:%S})"
        if experiment and not known:
            self.client.set_experiment_tag(experiment.experiment_id, _ARCHIVED_AS, name)
        return name

    def archived(self) -> list[str]:
        """The names of the studies that were put aside."""
        return [e.name for e in self.experiments() if e.tags.get("harness.state") == "archived" and "/" not in e.name]

    def bring_back(self, archived: str, study: str) -> None:
        """Undo `archive`: an archived study gets its old name again."""
        # in this order, so that the same command finishes what a kill cut off
        for name, new in ((f"{archived}/search", f"{study}/search"), (archived, study)):
            experiment = self.client.get_experiment_by_name(name)
            if experiment is not None:
                if name != new:
                    self.client.rename_experiment(experiment.experiment_id, new)
                if _ARCHIVED_AS in experiment.tags:
                    self.client.delete_experiment_tag(experiment.experiment_id, _ARCHIVED_AS)
                state = "finished" if "harness.finished" in experiment.tags else "unfinished"
                self.client.set_experiment_tag(experiment.experiment_id, "harness.state", state)

    def delete(self, study: str) -> None:
        """Put a study into MLflow's trash, under a name that no other has; there it still counts among `readers`."""
        for name in (f"{study}/search", study):
            experiment = self.client.get_experiment_by_name(name)
            if experiment is not None and experiment.lifecycle_stage == "active" and "harness.part" in experiment.tags:
                deleted = f"{name} (deleted {datetime.now():%Y-%m-%d %H:%M:%S})"
                self.client.rename_experiment(experiment.experiment_id, deleted)
                self.client.delete_experiment(experiment.experiment_id)

    def note_scored(self, study: str, test: str) -> None:
        """Remember that a model of a study was scored on a split after the study, by `harness predict`.

        Args:
            test: the split's digest, as in `StudyRecord.test_digest`.
        """
        experiment = self._find(study)
        scored = set(experiment.tags.get(SCORED, "").split()) | {test}
        self.client.set_experiment_tag(experiment.experiment_id, SCORED, " ".join(sorted(scored)))

    def _experiment(self, name: str, part: str, tags: Mapping[str, str], first_tags: Mapping[str, str]) -> str:
        """The id of an experiment, made if it is not there.

        Args:
            part: study or search.
            tags: what it shall say in any case.
            first_tags: what it says beside that when it is made.
        """
        experiment = self.client.get_experiment_by_name(name)
        if experiment is None:
            kind = {"mlflow.experimentKind": "custom_model_development"}  # else its page opens among the GenAI ones
            return self.client.create_experiment(name, tags={"harness.part": part, **kind, **tags, **first_tags})
        where = f'study = "{name}": an MLflow experiment of this name'
        if experiment.lifecycle_stage != "active":
            raise UserError(
                f"{where} lies in MLflow's trash ({self.uri}). Bring it back with `mlflow experiments restore "
                f"--experiment-id {experiment.experiment_id}`, or give the study another name"
            )
        if experiment.tags.get("harness.part") != part:
            raise UserError(f"{where} exists and was not made by harness; give the study another name")
        refusals.refuse_without_server(experiment, self.uri)
        for key, value in tags.items():
            if experiment.tags.get(key) != value:
                self.client.set_experiment_tag(experiment.experiment_id, key, value)
        return experiment.experiment_id


def _remove_cut_uploads(run: Run) -> None:
    """Remove what a kill in the middle of an upload leaves of a file, where artifacts are files of this machine."""
    address = urllib.parse.urlsplit(run.info.artifact_uri)
    if address.scheme in ("", "file"):
        for left in Path(urllib.parse.unquote(address.path)).rglob(".artifact.uploading.*"):
            left.unlink(missing_ok=True)


@contextlib.contextmanager
def _explaining(what: str, uri: str = "") -> Iterator[None]:
    """MLflow's own refusals as mistakes of the user, in one line."""
    try:
        yield
    except MlflowException as error:
        text = str(error).strip().splitlines()[0]
        if "out-of-date database schema" in text:
            text = f"made by another MLflow. Copy it, then: mlflow db upgrade {shlex.quote(uri)}"
        raise UserError(f"{what}: {text}") from error
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise UserError(f"{what}: {getattr(error, 'orig', None) or error}; {database.way_out(str(error))}") from error


def _sqlite(root: Path) -> str:
    return f"sqlite:///{root / 'mlflow.db'}"
