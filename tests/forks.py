"""Python processes that need not import anything: forks of one that has imported all that commands import.

A process that begins from nothing imports for some seconds before it does what a test is about. These are real
processes too, with signals, exit statuses and standard streams of their own. What a command is like from the shell's
first moment on is tested with real ones (`tests.command.HARNESS`).
"""

import atexit
import functools
import json
import os
import subprocess
import sys
import tempfile
import time
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
_BETWEEN_LOOKS = 0.005  # seconds


class Process:
    """A fork, used like one of `subprocess.Popen`."""

    def __init__(self, server: "Server", pid: int, folder: Path, arguments: Sequence[str]) -> None:
        self._server = server
        self._folder = folder
        self.pid = pid
        self.args = list(arguments)
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit status, negative for a signal; None while it lives."""
        if self.returncode is None:
            self.returncode = self._server.ask({"poll": self.pid})
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def communicate(self, timeout: float = 600) -> tuple[str, str]:
        """What it printed on standard output and on standard error, once it has ended.

        Raises:
            subprocess.TimeoutExpired: it lives after so many seconds.
        """
        deadline = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(self.args, timeout)
            time.sleep(_BETWEEN_LOOKS)
        return (self._folder / "out").read_text(errors="replace"), (self._folder / "err").read_text(errors="replace")

    def completed(self) -> subprocess.CompletedProcess[str]:
        """What became of it, waited for."""
        out, err = self.communicate()
        assert self.returncode is not None
        return subprocess.CompletedProcess(self.args, self.returncode, out, err)


class Server:
    """The process that is forked.

    Args:
        path: where packages are looked for first, if not in this project.
        environment: of the server, beside this process's own: what is read when a library is loaded.
    """

    def __init__(self, path: Path | None = None, environment: Mapping[str, str] | None = None) -> None:
        places = [str(path)] if path else []
        own = {"PYTHONPATH": os.pathsep.join([*places, str(ROOT)]), "PYTHONDONTWRITEBYTECODE": "1"}
        self._home = tempfile.TemporaryDirectory(prefix="forks-")
        self._n = 0
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.forks"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=path or ROOT,
            env={k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")} | own | dict(environment or {}),
            text=True,
            start_new_session=True,  # a Ctrl-C is for those who wait for it
        )
        atexit.register(self.end)

    def start(self, code: str, *arguments: str, cwd: Path, environment: Mapping[str, str]) -> Process:
        """Begin a fork, as `python -c CODE ARGUMENTS`, or as `python FILE ARGUMENTS` if the code is a file's path.

        Args:
            environment: all of it. OMP_NUM_THREADS sets torch's threads.
        """
        self._n += 1
        folder = Path(self._home.name) / str(self._n)
        folder.mkdir()
        job = {"code": code, "arguments": arguments, "cwd": str(cwd), "environment": dict(environment)}
        pid = self.ask({"start": {**job, "folder": str(folder)}})
        return Process(self, pid, folder, [sys.executable, "-c", code, *arguments])

    def ask(self, question: Mapping[str, Any]) -> Any:
        """The server's answer."""
        to_server, from_server = self._process.stdin, self._process.stdout
        assert to_server is not None
        assert from_server is not None
        to_server.write(json.dumps(question) + "\n")
        to_server.flush()
        return json.loads(from_server.readline())

    def end(self) -> None:
        """Let it end; forks that live go on."""
        if self._process.poll() is None:
            self._process.communicate()
            self._home.cleanup()


@functools.cache
def server(path: Path | None = None) -> Server:
    """The server of this process for packages in `path`, started when it is first asked for."""
    return Server(path)


def _import_all() -> None:
    """What commands import sooner or later."""
    import harness.cli.listing
    import harness.cli.main
    import harness.conductor.conduct
    import harness.conductor.load
    import harness.corpora.importing.folder
    import harness.corpora.synthetic.make
    import harness.prediction.predict
    import harness.report.files
    import harness.report.page
    import harness.tracking.views  # noqa: F401


def _serve() -> None:
    for line in sys.stdin:
        question = json.loads(line)
        print(json.dumps(_status(question["poll"]) if "poll" in question else _fork(question["start"])), flush=True)


def _status(pid: int) -> int | None:
    ended, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


def _fork(job: Mapping[str, Any]) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            _run(job)
        finally:
            os._exit(70)
    return pid


def _run(job: Mapping[str, Any]) -> None:
    """The fork's life."""
    os.setsid()
    os.chdir(job["cwd"])
    os.environ.clear()
    os.environ.update(job["environment"])
    for name, number in (("out", 1), ("err", 2)):
        os.dup2(os.open(Path(job["folder"]) / name, os.O_WRONLY | os.O_CREAT), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    if threads := os.environ.get("OMP_NUM_THREADS"):
        import torch

        torch.set_num_threads(int(threads))
    atexit._clear()
    module, code = types.ModuleType("__main__"), job["code"]
    if code.endswith(".py"):
        module.__file__ = str(Path(job["cwd"]) / code)
        sys.path.insert(0, job["cwd"])
        code = compile(Path(module.__file__).read_text(), module.__file__, "exec")
    sys.argv, sys.modules["__main__"] = ["-c", *job["arguments"]], module
    status: object = 0
    try:
        exec(code, module.__dict__)
    except SystemExit as end:
        status = 0 if end.code is None else end.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(status if isinstance(status, int) else 1)


if __name__ == "__main__":
    _import_all()
    _serve()
