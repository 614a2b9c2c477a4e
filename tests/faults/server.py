"""A process that has imported everything, and runs each command in a fork of itself: two seconds less for each.

It reads jobs, a line of JSON each, and answers with what became of it. Started with the shim loaded.
"""

import ctypes
import json
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

from harness.cli import main as cli

LONGEST = 120
"""Seconds that a command may take."""


def run(job: dict[str, Any], shim: ctypes.CDLL) -> dict[str, Any]:
    """Run a command in a fork.

    Args:
        job: arguments, folder (it works in its `watched/project`), at, and how as a number of the shim.

    Returns:
        status (negative: the signal), said, and of a command that was not killed the number of calls counted.
    """
    folder = Path(job["folder"])
    child = os.fork()
    if child == 0:
        try:
            _command(job, folder, shim)
        finally:
            os._exit(70)
    _, status = os.waitpid(child, 0)
    facts = folder / "calls.json"
    return {
        "status": os.waitstatus_to_exitcode(status),
        "said": (folder / "said.txt").read_text(errors="replace"),
        **(json.loads(facts.read_text()) if facts.exists() else {}),
    }


def _command(job: dict[str, Any], folder: Path, shim: ctypes.CDLL) -> None:
    os.setpgid(0, 0)
    signal.alarm(LONGEST)
    os.chdir(folder / "watched" / "project")
    tempfile.tempdir = str(folder / "watched" / "tmp")
    said = os.open(folder / "said.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(said, 1)
    os.dup2(said, 2)
    (folder / "calls.json").unlink(missing_ok=True)
    shim.faults_arm(str(folder / "watched").encode(), job["at"], job["how"])
    status: int | str | None = 0
    try:
        cli.main(job["arguments"], prog_name="harness")
    except SystemExit as end:
        status = end.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    (folder / "calls.json").write_text(json.dumps({"calls": shim.faults_count()}))
    os._exit(status if isinstance(status, int) else 1)


def main() -> None:
    """Import what commands import, then serve until standard input ends."""
    import harness.cli.listing
    import harness.conductor.conduct
    import harness.conductor.load
    import harness.corpora.importing.folder
    import harness.corpora.synthetic.make
    import harness.report.files
    import harness.report.page
    import harness.tracking.views  # noqa: F401

    shim = ctypes.CDLL(None)
    shim.faults_count.restype = ctypes.c_long
    shim.faults_arm.argtypes = [ctypes.c_char_p, ctypes.c_long, ctypes.c_int]
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line), shim)), flush=True)


if __name__ == "__main__":
    main()
