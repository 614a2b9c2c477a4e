"""torch's compiler takes seconds to import, and nothing here is compiled."""

import pytest

from tests.command import start
from tests.small_corpus import STUDY, write_project

RUN = """\
import sys
from harness.cli.main import main
try:
    main(["run", "small.toml"])
except SystemExit as end:
    print("ended", end.code, "torch._dynamo" in sys.modules)
"""


@pytest.mark.slow
@pytest.mark.parametrize("optimiser", ["adamw", "sgd"])
def test_a_study_is_run_without_torchs_compiler(tmp_path, optimiser):
    file = STUDY.replace("epochs = 1\n", f'epochs = 1\noptimiser = "{optimiser}"\n', 1)
    project = write_project(tmp_path, {"small.toml": file}, n_train=2, n_held=2)
    done = start(RUN, cwd=project, OMP_NUM_THREADS="1").completed()
    assert done.stdout.endswith("ended 0 False\n"), done.stderr
