"""Single finals in an MLflow store, by id: each a record of its own. Is handed a client; knows no mlflow."""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness import mlflow_refusals, mlflow_studies
from harness.errors import UserError
from harness.results import ArmRecord, RunResult, StudyRecord, Trial

_SHORTEST = 4
_N_NAMED = 5


def load(client: Any, ids: Sequence[str], where: str) -> list[StudyRecord]:
    """Finished finals, a record with one arm and one final each; record and arm have the run's name.

    Args:
        ids: run ids, or what they begin with.
        where: the store's URI.

    Raises:
        UserError: an id is unknown, ambiguous, given twice or none of a finished final; all mistakes at once.
    """
    studies = {e.experiment_id: e for e in mlflow_studies.experiments(client)}
    everything = list(mlflow_studies.runs(client, list(studies))) if studies else []
    found, mistakes = [], []
    for given in ids:
        runs = [run for run in everything if len(given) >= _SHORTEST and run.info.run_id.startswith(given.lower())]
        wrong = _mistake(given, runs, everything, studies, where)
        if wrong:
            mistakes.append(f"--run {given}: {wrong}")
        elif runs[0] in found:
            mistakes.append(f"--run {given}: is the same run as another one that was given")
        else:
            found.append(runs[0])
    if mistakes:
        known = {run.info.run_id for given in ids for run in everything if run.info.run_id.startswith(given.lower())}
        raise UserError("\n".join([*mistakes, *([] if known else [_finals(everything, studies)])]))
    arms = {run.info.run_id: run for run in everything if run.data.tags.get("kind") == "arm"}
    names = _names(found, studies)
    with tempfile.TemporaryDirectory(prefix="harness-") as folder:
        records = []
        for run, name in zip(found, names, strict=True):
            mlflow_refusals.served(studies[run.info.experiment_id], where)
            records.append(_record(client, run, arms.get(run.data.tags.get("mlflow.parentRunId")), name, Path(folder)))
        return records


def _mistake(given: str, runs: Sequence[Any], everything: Sequence[Any], studies: dict[str, Any], where: str) -> str:
    if len(given) < _SHORTEST:
        return f"an id has 32 characters; give at least the first {_SHORTEST}"
    if not runs:
        return f"no such run in {where}"
    if len(runs) > 1:
        return "several runs begin so:" + "".join(f"\n  {_said(run, studies)}" for run in runs[:_N_NAMED])
    kind = runs[0].data.tags.get("kind")
    if kind == "arm":
        study = studies[runs[0].info.experiment_id].name
        return (
            f"is an arm, not a run of one seed; its finals lie below it in MLflow, or: harness report --study {study}"
        )
    if kind == "trial":
        return "is a trial of a search: trials are never scored on test"
    if runs[0].info.status != "FINISHED":
        return f"is not finished ({runs[0].info.status})"
    return ""


def _finals(everything: Sequence[Any], studies: dict[str, Any]) -> str:
    finals = [f"  {_said(run, studies)}" for run in everything if run.data.tags.get("kind") == "final"]
    if not finals:
        return "There is no final yet; `harness run FILE` makes some"
    more = [f"  and {len(finals) - _N_NAMED} more"] if len(finals) > _N_NAMED else []
    return "\n".join(["The newest finals:", *finals[:_N_NAMED], *more])


def _said(run: Any, studies: dict[str, Any]) -> str:
    return f"{run.info.run_id}  {studies[run.info.experiment_id].name}: {run.info.run_name}"


def _names(found: Sequence[Any], studies: dict[str, Any]) -> list[str]:
    """ARM seed N; with the study in front, and at last the id behind, where that is needed to tell them apart."""
    own = [f"{run.data.tags['arm']} seed {run.data.tags['seed']}" for run in found]
    with_study = [f"{studies[run.info.experiment_id].name}/{name}" for run, name in zip(found, own, strict=True)]
    with_id = [f"{name} ({run.info.run_id[:8]})" for run, name in zip(found, with_study, strict=True)]
    return next((names for names in (own, with_study) if len(set(names)) == len(names)), with_id)


def _record(client: Any, run: Any, arm: Any, name: str, place: Path) -> StudyRecord:
    """A final as a study of one arm. What its own study says of it is there once that study, or the arm, is done."""
    result = RunResult.load(mlflow_studies.fetch(client, run, "result", place))
    known, searched = (_json(client, arm, file, place) for file in ("study.json", "search.json"))
    assert result.test is not None
    test = {"utterances": len(result.test.utterances), "speakers": len(set(result.test.speakers))}
    corpus = {
        "name": result.settings.get("data.corpus"),
        "digest": result.provenance.get("corpus"),
        "splits": {"test": test | {"frames": int(result.test.lengths.sum())}},
    }
    notes = () if searched else (f"What was spent on tuning {result.arm} is not known: the arm is not finished.",)
    return StudyRecord(
        study=name,
        question="",
        baseline=None,
        unit=known.get("unit", "speaker"),
        level=known.get("level", 0.95),
        corpus=known.get("corpus", corpus),
        experiment=known.get("experiment", ""),
        arms=[
            ArmRecord(
                arm=name,
                architecture=result.architecture,
                chosen={},
                finals=(replace(result, arm=name),),
                trials=tuple(Trial(**t | {"curve": tuple(t["curve"])}) for t in searched.get("trials", ())),
                importances=searched.get("importances", {}),
            )
        ],
        margin=known.get("margin", 0.0),
        random_trials=known.get("random_trials"),
        notes=(*known.get("notes", ()), *notes),
        provenance={"run": run.info.run_id} | result.provenance,
    )


def _json(client: Any, arm: Any, file: str, place: Path) -> dict[str, Any]:
    """A file of an arm's artifacts; {} if it is not there yet."""
    if arm is None or file not in [artifact.path for artifact in client.list_artifacts(arm.info.run_id)]:
        return {}
    return json.loads(mlflow_studies.fetch(client, arm, file, place).read_text())
