"""A study that is complete: its comparison from MLflow alone, without torch."""

from pathlib import Path
from typing import Any

from harness.experiment import Experiment
from harness.workspace import Workspace


def of_study(study: str, root: Path) -> dict[str, Any]:
    """The comparison of a study.

    Raises:
        UserError: there is no such study, or it is not finished.
    """
    from harness import tracking
    from harness.report.compare import compare

    return compare(tracking.open_store(root).load_study(study))


def comparison(experiment: Experiment, root: Path) -> dict[str, Any] | None:
    """That of an experiment whose study is complete; None if there is something left to do.

    Raises:
        UserError: the study was begun with other settings.
    """
    from harness import tracking

    workspace = Workspace(root, experiment)
    if not workspace.exists:
        return None
    workspace.open()
    listed = tracking.open_store(root).studies()
    is_finished = any(line.study == experiment.study and line.state == "finished" for line in listed)
    return of_study(experiment.study, root) if is_finished else None
