"""Studies as they lie in an MLflow store: found, listed, read back whole. Is handed a client; knows no mlflow."""

import difflib
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import mlflow_refusals
from harness.errors import UserError
from harness.results import ArmRecord, RunResult, StudyRecord, Trial


@dataclass(frozen=True)
class Listed:
    """One line of `harness list`."""

    study: str
    question: str
    arms: tuple[str, ...]
    state: str
    """finished, or unfinished: running now or stopped."""
    when: str
    """ISO time at which it was finished, or begun."""


def listed(client: Any) -> list[Listed]:
    """Every study that is not archived, newest first."""
    lines = [
        Listed(
            experiment.name,
            experiment.tags.get("harness.question", ""),
            tuple(json.loads(experiment.tags.get("harness.arms", "[]"))),
            experiment.tags["harness.state"],
            experiment.tags.get("harness.finished", experiment.tags.get("harness.started", "")),
        )
        for experiment in _studies(client).values()
    ]
    return sorted(lines, key=lambda line: line.when, reverse=True)


def load(client: Any, study: str, where: str) -> StudyRecord:
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
    mlflow_refusals.served(studies[study], where)
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
