"""Real MLflow servers, and a way to one on which answers are lost."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from harness.errors import UserError
from harness.tracking import refusals


@contextmanager
def serving(folder: Path, *arguments: str) -> Iterator[str]:
    """Run `mlflow ARGUMENTS` in a folder; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    environment.pop("MLFLOW_TRACKING_URI", None)
    line = [Path(sys.executable).parent / "mlflow", *arguments, "--port", str(port), "--workers", "1"]
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(line, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        for _ in range(240):
            try:
                refusals.refuse_silent_server(f"http://127.0.0.1:{port}")
                break
            except UserError:
                assert process.poll() is None, (folder / "server.log").read_text()
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


class Road(ThreadingHTTPServer):
    """What passes requests on to a server, except for those that meet trouble.

    Args:
        address: the server's.
        trouble: number of a request, from 1 -> what happens to it and to the next ones: `refuse` closes the
            connection, `deaf` does so once the server has done what was asked, `500` answers so, `hang` gives no
            answer; `for` requests in all.
    """

    daemon_threads = True

    def __init__(self, address: str, trouble: Mapping[int, str], n_each: int = 2) -> None:
        super().__init__(("127.0.0.1", 0), _Passing)
        self.server = urllib.parse.urlsplit(address)
        self.trouble = trouble
        self.n_each = n_each
        self.n_requests = 0
        self.lock = threading.Lock()
        self.met: set[str] = set()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        """Of the road's beginning."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def fate(self) -> str:
        """What happens to the next request."""
        with self.lock:
            self.n_requests += 1
            here = [what for at, what in self.trouble.items() if 0 <= self.n_requests - at < self.n_each]
            self.met.update(here)
            return here[0] if here else "pass"


class _Passing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Road

    def _pass(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fate = self.server.fate()
        self.close_connection = fate != "pass"
        if fate == "500":
            self.send_response(500)
            self.send_header("Content-Length", "0")
            self.end_headers()
        if fate == "hang":
            time.sleep(5)
        if fate in ("500", "hang", "refuse"):
            return
        there = http.client.HTTPConnection(self.server.server.hostname or "", self.server.server.port)
        there.request(self.command, self.path, content, dict(self.headers.items()))
        answer = there.getresponse()
        content = answer.read()
        there.close()
        if fate == "deaf":
            return
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.headers.get("Content-Type", "application/json"))
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _pass

    def log_message(self, format: str, *arguments: object) -> None:
        pass
