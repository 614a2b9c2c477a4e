"""The command `harness`: in a process of its own, as a shell starts it, or in this one."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner, Result

from harness.cli.main import main

ROOT = Path(__file__).parents[1]
HARNESS = [sys.executable, "-c", "from harness.cli.main import main; main(prog_name='harness')"]
"""The command's beginning, whatever is installed; its arguments follow."""
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")} | {"PYTHONPATH": str(ROOT)}


def harness(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command, waited for: its exit status, and what it printed."""
    command = [*HARNESS, *arguments]
    return subprocess.run(command, cwd=cwd, env=ENVIRONMENT | environment, capture_output=True, text=True)


def invoke(*arguments: str, cwd: Path) -> Result:
    """A command in this process: its exit status, and what it printed."""
    with contextlib.chdir(cwd):
        return CliRunner().invoke(main, arguments)
