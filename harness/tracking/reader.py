"""Studies as they lie in an MLflow store: found, listed, read back whole. And single finals, by id: each a record of
its own. Is handed a client; knows no mlflow.
"""

import difflib
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.results import ArmRecord, RunResult, StudyRecord, Trial
from harness.tracking import refusals


@dataclass(frozen=True)
class StudySummary:
    """One line of `harness list`."""

    study: str
    question: str
    arms: tuple[str, ...]
    state: str
    """finished, or unfinished: running now or stopped."""
    when: str
    """ISO time at which it was finished, or begun."""


def listed(client: Any) -> list[StudySummary]:
    """Every study that is not archived, newest first."""
    lines = [
        StudySummary(
            experiment.name,
            experiment.tags.get("harness.question", ""),
            tuple(json.loads(experiment.tags.get("harness.arms", "[]"))),
            experiment.tags["harness.state"],
            experiment.tags.get("harness.finished", experiment.tags.get("harness.started", "")),
        )
        for experiment in _studies(client).values()
    ]
    return sorted(lines, key=lambda line: line.when, reverse=True)


def load_study(client: Any, study: str, where: str) -> StudyRecord:
    """A finished study.

    Args:
        where: the store's URI.

    Raises:
        UserError: there is no such study, or it is not finished; says what there is.
    """
    experiment = _find(client, study, where)
    found = list(runs(client, [experiment.experiment_id]))
    if "harness.finished" not in experiment.tags:
        raise UserError(_unfinished(client, experiment, found))
    arms = {run.data.tags["arm"]: run for run in found if run.data.tags.get("kind") == "arm"}
    with tempfile.TemporaryDirectory(prefix="harness-") as folder:
        place = Path(folder)
        known = _json(client, next(iter(arms.values())), "study.json", place)
        records = [_arm(client, arms[arm], found, place) for arm in known.pop("arms")]
    known["notes"] = tuple(known["notes"])
    return StudyRecord(arms=tuple(records), **known)


def finals(client: Any, study: str, arm: str, where: str) -> dict[int, str]:
    """The finished finals of an arm, in the order of the comparison's seeds: seed -> run id.

    Args:
        where: the store's URI.

    Raises:
        UserError: there is no such study or arm, or no final of the arm is finished.
    """
    experiment = _find(client, study, where)
    arms = json.loads(experiment.tags.get("harness.arms", "[]"))
    if arm not in arms:
        near = difflib.get_close_matches(arm, arms, n=1, cutoff=0.5)
        hint = f' Did you mean "{near[0]}"?' if near else ""
        raise UserError(f"--arm {arm}: no such arm in study {study}.{hint} There are: {', '.join(arms)}")
    found = list(runs(client, [experiment.experiment_id]))
    ids = {
        int(run.data.tags["seed"]): run.info.run_id
        for run in found
        if run.data.tags.get("kind") == "final" and run.data.tags["arm"] == arm and run.info.status == "FINISHED"
    }
    if not ids:
        raise UserError(_unfinished(client, experiment, found))
    return {seed: ids[seed] for seed in json.loads(experiment.tags["harness.seeds"]) if seed in ids}


def experiments(client: Any) -> Iterator[Any]:
    """Every experiment that harness made."""
    token = None
    while True:
        page = client.search_experiments(max_results=1000, page_token=token)
        yield from (e for e in page if "harness.part" in e.tags)
        token = page.token
        if not token:
            return


def runs(client: Any, experiment_ids: Sequence[str], query: str = "") -> Iterator[Any]:
    """Every run in these experiments that answers the query, newest first."""
    token = None
    while True:
        page = client.search_runs(list(experiment_ids), query, max_results=1000, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _find(client: Any, study: str, where: str) -> Any:
    """The experiment of a study, which may be an archived one."""
    studies = _studies(client)
    archived = client.get_experiment_by_name(study)
    if archived is not None and archived.tags.get("harness.state") == "archived":
        studies[study] = archived
    if study not in studies:
        raise UserError(_unknown(study, list(studies), where))
    refusals.served(studies[study], where)
    return studies[study]


def _studies(client: Any) -> dict[str, Any]:
    return {
        experiment.name: experiment
        for experiment in experiments(client)
        if experiment.tags["harness.part"] == "study" and experiment.tags["harness.state"] != "archived"
    }


def _arm(client: Any, arm: Any, found: Sequence[Any], place: Path) -> ArmRecord:
    known = _json(client, arm, "search.json", place)
    finals = {
        int(run.data.tags["seed"]): run
        for run in found
        if run.data.tags.get("kind") == "final" and run.data.tags["arm"] == known["arm"]
    }
    return ArmRecord(
        arm=known["arm"],
        architecture=known["architecture"],
        chosen=known["chosen"],
        finals=tuple(RunResult.load(fetch(client, finals[seed], "result", place)) for seed in known["seeds"]),
        trials=tuple(Trial(**trial | {"curve": tuple(trial["curve"])}) for trial in known["trials"]),
        importances=known["importances"],
        failure=known.get("failure", ""),
    )


def fetch(client: Any, run: Any, path: str, place: Path) -> Path:
    """Bring an artifact of a run below a folder; gives where it lies."""
    own = place / run.info.run_id
    own.mkdir(exist_ok=True)
    return Path(client.download_artifacts(run.info.run_id, path, str(own)))


def _json(client: Any, run: Any, path: str, place: Path) -> dict[str, Any]:
    return json.loads(fetch(client, run, path, place).read_text())


def _unknown(study: str, names: list[str], where: str) -> str:
    if not names:
        return f"--study {study}: {where} holds no study yet; `harness run FILE` makes one"
    near = difflib.get_close_matches(study, names, n=1, cutoff=0.5)
    hint = f' Did you mean "{near[0]}"?' if near else ""
    return f"--study {study}: no such study in {where}.{hint} There are: {', '.join(sorted(names))}"


def _unfinished(client: Any, experiment: Any, found: Sequence[Any]) -> str:
    tags = experiment.tags
    search = client.get_experiment_by_name(f"{experiment.name}/search")
    if search is not None:
        found = [*found, *runs(client, [search.experiment_id])]
    done = [(r.data.tags.get("arm"), r.data.tags.get("kind")) for r in found if r.info.status == "FINISHED"]
    n_seeds = len(json.loads(tags["harness.seeds"]))
    lines = [
        f"  {arm}: {done.count((arm, 'trial'))} of {tags['harness.trials']} trials, "
        f"{done.count((arm, 'final'))} of {n_seeds} seeds"
        for arm in json.loads(tags["harness.arms"])
    ]
    head = f"--study {experiment.name}: not finished. So far:"
    return "\n".join([head, *lines, "To go on with it:", f"  {tags['harness.command']}"])


_SHORTEST = 4
_N_NAMED = 5


def load_runs(client: Any, ids: Sequence[str], where: str) -> list[StudyRecord]:
    """Finished finals, a record with one arm and one final each; record and arm have the run's name.

    Args:
        ids: run ids, or what they begin with.
        where: the store's URI.

    Raises:
        UserError: an id is unknown, ambiguous, given twice or none of a finished final; all mistakes at once.
    """
    studies = {e.experiment_id: e for e in experiments(client)}
    everything = list(runs(client, list(studies))) if studies else []
    found, mistakes = [], []
    for given in ids:
        matches = [run for run in everything if len(given) >= _SHORTEST and run.info.run_id.startswith(given.lower())]
        wrong = _mistake(given, matches, everything, studies, where)
        if wrong:
            mistakes.append(f"--run {given}: {wrong}")
        elif matches[0] in found:
            mistakes.append(f"--run {given}: is the same run as another one that was given")
        else:
            found.append(matches[0])
    if mistakes:
        known = {run.info.run_id for given in ids for run in everything if run.info.run_id.startswith(given.lower())}
        raise UserError("\n".join([*mistakes, *([] if known else [_finals(everything, studies)])]))
    arms = {run.info.run_id: run for run in everything if run.data.tags.get("kind") == "arm"}
    names = _names(found, studies)
    with tempfile.TemporaryDirectory(prefix="harness-") as folder:
        records = []
        for run, name in zip(found, names, strict=True):
            refusals.served(studies[run.info.experiment_id], where)
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
    result = RunResult.load(fetch(client, run, "result", place))
    known, searched = (_json_if_there(client, arm, file, place) for file in ("study.json", "search.json"))
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


def _json_if_there(client: Any, arm: Any, file: str, place: Path) -> dict[str, Any]:
    """A file of an arm's artifacts; {} if it is not there yet."""
    if arm is None or file not in [artifact.path for artifact in client.list_artifacts(arm.info.run_id)]:
        return {}
    return json.loads(fetch(client, arm, file, place).read_text())
