"""What is complete: studies and single runs as records, and their comparison, from MLflow alone, without torch."""

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from harness.comparison.model import Comparison
from harness.conductor import source_code
from harness.conductor.workspace import Workspace
from harness.errors import UserError
from harness.experiment.claims import Claim, to_json
from harness.experiment.experiment import Experiment
from harness.results import StudyRecord


def load_comparison(
    study: str, root: Path, claims: Sequence[Claim] = (), mute: Sequence[str] | None = None
) -> Comparison:
    """The comparison of a study.

    Args:
        claims: to be answered beside those that it was run with, and marked as stated later.
        mute: codes of the checks that are not shown; those that it was run with if None.

    Raises:
        UserError: there is no such study, or it is not finished.
    """
    from harness.comparison.compare import compare

    found = load_record([study], [], root)
    late = [claim for claim in map(to_json, claims) if claim not in found.claims]
    found = found if mute is None else replace(found, mute=tuple(mute))
    return compare(replace(found, claims=[*found.claims, *({**claim, "is_late": True} for claim in late)]))


def load_record(studies: Sequence[str], runs: Sequence[str], root: Path) -> StudyRecord:
    """A study, several studies as one, or several runs as one.

    Args:
        studies: names; or
        runs: ids of finals, or what they begin with.

    Raises:
        UserError: there are none such, they are not finished, or not scored on the same test data.
    """
    from harness.comparison.folds import merged
    from harness.comparison.joining import joined
    from harness.tracking.store import is_there, open_store

    if studies and runs:
        raise UserError("--study and --run: give studies or runs, not both")
    if len(set(studies)) < len(studies):
        raise UserError(f"--study {max(studies, key=studies.count)}: is given twice; give another, or only one")
    if not studies and len(runs) < 2:
        raise UserError("give --study NAME, or --run ID at least twice, because a run is compared with another")
    if not is_there(root):
        chosen = f"--study {studies[0]}" if studies else f"--run {runs[0]}"
        raise UserError(f"{chosen}: {root} holds no study yet; `harness run FILE` makes one")
    store = open_store(root)
    if runs:
        finals = store.load_runs(runs)
        found = joined(finals, _OF_RUNS, baseline=finals[-1].study)
    else:
        records = [merged(store.load_study(study)) for study in studies]
        found = records[0] if len(records) == 1 else joined(records)
    return replace(found, notes=(*found.notes, *source_code.notes(found)))


_OF_RUNS = "How do these runs differ on the same test data?"


def finished_comparison(experiment: Experiment, root: Path) -> Comparison | None:
    """That of an experiment whose study is complete; None if there is something left to do.

    Raises:
        UserError: the study was begun with other settings.
    """
    from harness.conductor import growth  # with it comes mlflow
    from harness.tracking.store import open_store

    workspace = Workspace(root, experiment)
    if not workspace.has_runs:
        return None
    if workspace.open(amend=True):  # what is not to be is refused when it is run
        return None
    listed = open_store(root).studies()
    is_finished = any(line.study == experiment.study and line.state == "finished" for line in listed)
    if not is_finished:
        return None
    comparison = load_comparison(experiment.study, root, experiment.claims, experiment.comparison.mute)
    with contextlib.suppress(UserError), workspace.reserve():  # unless another process is in the study
        growth.remember_pairs(comparison, workspace)  # which a kill may have kept from it
    return comparison
