"""A study that grows: what it has is kept, added to or trained anew as its file says; and its looks are counted."""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from harness.comparison.model import Comparison
from harness.conductor.workspace import Workspace, runs_per_arm
from harness.display.progress import Progress
from harness.experiment.amendment import Amendment, forms, is_of_any
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
        record = recorder.reader.load_study(experiment.study)
        workspace.remember(looks=[_look(_finals(record), facts["settings"], 1, record.claims)])
    for line in (*(f"changed: {change}" for change in found.changes), *found.lines(runs_per_arm(experiment))):
        progress.say(line)
    recorder.reopen(lambda arm: is_of_any(arm, found.anew), lambda arm: is_of_any(arm, list(experiment.arms)))
    from harness.conductor import search  # with it comes optuna, which a finished study does without

    search.forget(workspace.journal, lambda arm: is_of_any(arm, found.anew))
    workspace.forget(found.anew)
    if any(line.startswith("search.trials") for line in found.changes):
        for folder in workspace.folder.glob("runs/*-seed-*"):  # begun with what the search had chosen until now
            if not (folder / "result.json").exists():
                shutil.rmtree(folder)
    known = facts.get("left_out", {}) | forms(facts["settings"])
    left_out = {arm: form for arm, form in known.items() if arm not in experiment.arms}
    workspace.remember(settings=experiment.canonical(), finals=experiment.finals(), left_out=left_out)


def count_look(record: StudyRecord, workspace: Workspace) -> StudyRecord:
    """The record with the number of looks, this one among them. It is remembered before anything is shown.

    The same results read again are the same look, however they are read; so are those of arms that are new.
    """
    experiment, looks = workspace.experiment, list(workspace.facts().get("looks", []))
    canonical, finals = experiment.canonical(), _finals(record)
    before = looks[-1]["finals"] if looks else {}
    if not looks or any(digest != finals.get(arm, digest) for arm, digest in before.items()):
        looks.append(_look(before | finals, canonical, experiment.comparison.looks, record.claims))
    else:
        looks[-1] = looks[-1] | {"finals": before | finals}
    workspace.remember(looks=looks)
    now = _reading(canonical)
    late = [
        f"{key}: {json.dumps(looks[0]['reading'].get(key))} -> {json.dumps(now.get(key))}"
        for key in _READ
        if looks[0]["reading"].get(key) != now.get(key)
    ]
    most = max(look.get("pairs", 0) for look in looks)
    first = looks[0].get("claims", [])
    claims = [*first, *({**claim, "is_late": True} for claim in record.claims if claim not in first)]
    return replace(record, looks=Looks(len(looks), looks[0]["planned"], most, tuple(late)), claims=claims)


def remember_pairs(comparison: Comparison, workspace: Workspace) -> None:
    """Remember how many pairs the verdicts of the last look were about: later ones are about no fewer."""
    n_pairs = sum(pair.is_planned for pair in comparison.pairs_in("accuracy"))
    looks = workspace.facts().get("looks")
    if not looks:  # of a version that did not count them
        return
    *before, last = looks
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


def _finals(record: StudyRecord) -> dict[str, str]:
    """Arm -> a digest of what its finals have shown."""
    return {arm.arm: _digest(arm.finals) for arm in record.arms if arm.finals}


def _digest(finals: Sequence[RunResult]) -> str:
    rows = sorted(
        (final.seed, json.dumps(final.settings, sort_keys=True), final.test.accuracy) for final in finals if final.test
    )
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:16]
