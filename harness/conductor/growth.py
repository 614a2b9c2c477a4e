"""A study that grows: what it has is kept, added to or trained anew as its file says; and its looks are counted."""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from harness.conductor import search
from harness.conductor.workspace import Workspace, runs_per_arm
from harness.display.progress import Progress
from harness.errors import Damaged
from harness.experiment.amendment import Amendment, is_of_any
from harness.experiment.experiment import Experiment
from harness.results import Looks, RunResult, StudyRecord
from harness.tracking.recorder import Recorder

_READ = ("level", "margin", "baseline", "pairs", "unit")
"""What decides a verdict beside the results."""


def amend(found: Amendment, workspace: Workspace, recorder: Recorder, progress: Progress) -> None:
    """Make a study one of its changed file. Killed within, it does the same when it is begun again.

    Args:
        found: what `workspace.open` gave.
    """
    if not found:
        return
    experiment, facts = workspace.experiment, workspace.facts()
    if recorder.is_finished and not facts.get("looks"):  # of a version that did not count them
        claims = recorder.reader.load_study(experiment.study).claims
        workspace.remember(looks=[_look(_finals_of_folders(workspace), facts["settings"], 1, claims)])
    for line in (*found.changes, *found.lines(runs_per_arm(experiment))):
        progress.say(f"changed: {line}" if line in found.changes else line)
    recorder.reopen(lambda arm: is_of_any(arm, found.anew), lambda arm: is_of_any(arm, list(experiment.arms)))
    search.forget(workspace.journal, lambda arm: is_of_any(arm, found.anew))
    workspace.forget(found.anew)
    if any(line.startswith("search.trials") for line in found.changes):
        for folder in workspace.folder.glob("runs/*-seed-*"):  # begun with what the search had chosen until now
            if not (folder / "result.json").exists():
                shutil.rmtree(folder)
    workspace.remember(settings=experiment.canonical(), finals=experiment.finals())


def count_look(record: StudyRecord, experiment: Experiment, workspace: Workspace) -> StudyRecord:
    """The record with the number of looks, this one among them. It is remembered before anything is shown.

    The same results read again are the same look, however they are read; so are those of arms that are new.
    """
    looks: list[dict[str, Any]] = list(workspace.facts().get("looks", []))
    finals = {arm.arm: _digest(arm.finals) for arm in record.arms if arm.finals}
    if not looks or any(before != finals.get(arm, before) for arm, before in looks[-1]["finals"].items()):
        looks.append(_look(finals, experiment.canonical(), experiment.comparison.looks, record.claims))
    else:
        looks[-1] = looks[-1] | {"finals": looks[-1]["finals"] | finals}
    workspace.remember(looks=looks)
    now = _reading(experiment.canonical())
    late = [
        f"{key}: {json.dumps(looks[0]['reading'].get(key))} -> {json.dumps(now.get(key))}"
        for key in _READ
        if looks[0]["reading"].get(key) != now.get(key)
    ]
    most = max(look.get("pairs", 0) for look in looks)
    first = looks[0].get("claims", [])
    claims = [*first, *({**claim, "is_late": True} for claim in record.claims if claim not in first)]
    return replace(record, looks=Looks(len(looks), looks[0]["planned"], most, tuple(late)), claims=claims)


def remember_pairs(n_pairs: int, workspace: Workspace) -> None:
    """Remember how many pairs the verdicts of the last look were about: later ones are about no fewer."""
    *before, last = workspace.facts()["looks"]
    if last.get("pairs", 0) < n_pairs:
        workspace.remember(looks=[*before, last | {"pairs": n_pairs}])


def _look(
    finals: Mapping[str, str], canonical: Mapping[str, Any], planned: int, claims: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    return {
        "when": datetime.now().astimezone().isoformat(timespec="seconds"),
        "finals": dict(finals),
        "reading": _reading(canonical),
        "planned": planned,
        "claims": json.loads(json.dumps(list(claims), default=str)),
    }


def _reading(canonical: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps({key: canonical.get(f"comparison.{key}") for key in _READ}))
    return found


def _digest(finals: Sequence[RunResult]) -> str:
    """Of what the finals of an arm have shown."""
    rows = sorted((final.seed, json.dumps(final.settings, sort_keys=True), _shown(final)) for final in finals)
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:16]


def _shown(final: RunResult) -> float:
    return final.test.accuracy if final.test else -1.0


def _finals_of_folders(workspace: Workspace) -> dict[str, str]:
    finals: dict[str, list[RunResult]] = {}
    for folder in sorted((workspace.folder / "runs").glob("*-seed-*")):
        try:
            result = RunResult.load(folder)
        except (OSError, Damaged):
            continue
        finals.setdefault(result.arm, []).append(result)
    return {arm: _digest(own) for arm, own in finals.items()}
