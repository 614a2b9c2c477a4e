"""The command `harness`: as a shell starts it, in a fork that need not import anything, or in this process."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner, Result

from harness.cli.main import main
from tests import forks

ROOT = Path(__file__).parents[1]
_CODE = "from harness.cli.main import main; main(prog_name='harness')"
HARNESS = [sys.executable, "-c", _CODE]
"""The command's beginning, as a shell starts it; its arguments follow."""
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")} | {"PYTHONPATH": str(ROOT)}


def harness(
    *arguments: str, cwd: Path, path: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, waited for: its exit status, and what it printed.

    Args:
        path: where its packages are, if not in this project.
    """
    return start(_CODE, *arguments, cwd=cwd, path=path, **environment).completed()


def start(code: str, *arguments: str, cwd: Path, path: Path | None = None, **environment: str) -> forks.Process:
    """Python code, or a file of it, in a process of its own. Arguments as those of `harness`."""
    return forks.server(path).start(code, *arguments, cwd=cwd, environment=ENVIRONMENT | environment)


def invoke(*arguments: str, cwd: Path) -> Result:
    """A command in this process: its exit status, and what it printed."""
    with contextlib.chdir(cwd):
        return CliRunner().invoke(main, arguments)
