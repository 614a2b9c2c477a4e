"""Refusals of an MLflow store in which runs would be lost or hidden, before anything is written to it.

Each raises UserError, which says how to mend it, or does nothing.
"""

import contextlib
import re
import shlex
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from pathlib import Path

from mlflow.entities import Experiment
from mlflow.exceptions import MlflowException

from harness.errors import Damaged, UserError


def refuse_silent_server(uri: str) -> None:
    """The refusal of a server that does not answer, at once; MLflow would try for minutes."""
    if not uri.startswith("http"):
        return
    try:
        urllib.request.urlopen(uri, timeout=10).close()  # nosec B310 - http(s) alone comes here
    except urllib.error.HTTPError:
        pass  # it answers
    except OSError as error:
        raise UserError(
            f"MLFLOW_TRACKING_URI = {uri}: no server answers there ({error}). Start it, or unset the variable to keep "
            "runs in mlflow.db here"
        ) from error


def refuse_file_store(root: Path) -> None:
    """The refusal of what an MLflow before 3 left in `mlruns`: it makes client and `mlflow ui` overlook mlflow.db."""
    files = sorted(p for p in root.glob("mlruns/*/meta.yaml") if re.fullmatch(r"[0-9]+", p.parent.name))
    if files:
        raise UserError(
            f"{files[0]}: the file store of an old MLflow; because of it MLflow overlooks mlflow.db. Move it away:\n"
            f"  mv {shlex.quote(str(root / 'mlruns'))} {shlex.quote(str(root / 'mlruns.old'))}"
        )


def refuse_moved_folder(experiments: Iterable[Experiment], root: Path) -> None:
    """The refusal of a database whose folder was moved: MLflow keeps whole paths and would go on in the old place."""
    for experiment in experiments:
        place = Path(experiment.artifact_location.removeprefix("file://"))
        due = root / "mlruns" / experiment.experiment_id
        if not place.is_absolute() or place.resolve() == due.resolve():  # not absolute: mlflow-artifacts:/1, s3://...
            continue
        code = (
            "import sqlite3; db = sqlite3.connect('mlflow.db'); "  # nosec B608 - shown only, and of names of ours
            f"[db.execute(f'update {{t}} set {{c}} = replace({{c}}, ?, ?)', {(str(place.parent), str(due.parent))!r}) "
            "for t, c in (('experiments', 'artifact_location'), ('runs', 'artifact_uri'))]; db.commit()"
        )
        raise UserError(
            f"{root / 'mlflow.db'}: was made in another folder: its artifacts are expected under {place.parent}, not "
            f"under {due.parent}. Move the folder back, or point the database here:\n"
            f"  cd {shlex.quote(str(root))} && cp mlflow.db mlflow.db.before && "
            f"{shlex.quote(sys.executable)} -c {shlex.quote(code)}"
        )


def refuse_without_server(experiment: Experiment, uri: str) -> None:
    """The refusal of a study whose artifacts only a server can give, where none is used."""
    if experiment.artifact_location.startswith("mlflow-artifacts:") and not uri.startswith("http"):
        raise UserError(
            f"study {experiment.name}: was recorded through an MLflow server, and only that finds its artifacts. "
            "Set MLFLOW_TRACKING_URI to its address"
        )


@contextlib.contextmanager
def explaining_damage(run_id: str, artifact: str, uri: str) -> Iterator[None]:
    """The refusal of a run's artifact that is missing or is not what was written, with its name and the way out."""
    try:
        yield
    except Damaged as damage:
        name, why = damage.path.name, f"is damaged ({damage.why})"
    except FileNotFoundError as error:
        name, why = Path(error.filename).name, "is missing"
    except (MlflowException, OSError) as error:
        name, why = "", f"cannot be had from {uri}: {str(error).strip().splitlines()[0]}"
    else:
        return
    raise UserError(
        f"MLflow run {run_id}: its artifact {artifact}/{name} {why}. Bring it back: from a copy of the store, or from "
        "the run's folder in .harness/studies/STUDY/runs on the machine that trained it; otherwise train the study "
        "again: harness run FILE --restart"
    ) from None
