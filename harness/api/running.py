"""A study run to its end, or read where it is complete: what `harness run` and `harness.run` do."""

import functools
from collections.abc import Sequence
from pathlib import Path

from harness.comparison.model import Comparison
from harness.conductor.load import finished_comparison
from harness.experiment.experiment import Experiment


def run_study(
    experiment: Experiment,
    root: Path,
    *,
    device: str = "auto",
    amend: bool = False,
    restart_arms: Sequence[str] = (),
    restart: bool = False,
    imports_main: bool = True,
) -> Comparison:
    """The comparison; arguments and errors as those of `harness.conductor.conduct.conduct`.

    Args:
        root: the project's folder.
        imports_main: as for `harness.engines.local.LocalEngine`.
    """
    comparison = None if restart or restart_arms else finished_comparison(experiment, root)
    if comparison is not None:
        return comparison
    from harness.conductor.conduct import conduct
    from harness.display import panel
    from harness.display.progress import Progress
    from harness.engines.local import LocalEngine

    with panel.display() as display:
        return conduct(
            experiment,
            root,
            device=device,
            restart=restart,
            amend=amend,
            restart_arms=restart_arms,
            progress=Progress(display),
            open_engine=functools.partial(LocalEngine, imports_main=imports_main),
        )
