"""Patience with a tracking server that does not answer for a while: calls are tried again, and it is said.

MLflow's own client tries in silence for minutes, and then gives up. Here each try is short, the first that fails is
told at once, and the calls go on as soon as the server is back.
"""

import os
import re
import time
from collections.abc import Callable
from typing import Any, cast

import requests
import urllib3
from mlflow import MlflowClient
from mlflow.entities import Run

from harness import process
from harness.errors import RunFailed

LONGEST = 15 * 60.0
"""Seconds that one call waits for the server."""
_BRIEFLY = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "10", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}  # else 120 s, up to 8 times
BETWEEN_TRIES = 5.0
BETWEEN_LINES = 30.0


def try_briefly() -> None:
    """Have MLflow's clients of this process fail within seconds where a server is silent. Variables set before win."""
    for name, value in _BRIEFLY.items():
        os.environ.setdefault(name, value)


def patient(client: MlflowClient, uri: str, say: Callable[[str], None]) -> MlflowClient:
    """A client of a server, each of whose calls is tried again while the server is silent.

    Args:
        uri: the server's address.
        say: shows a line.
    """
    return cast(MlflowClient, _Patient(client, uri, say))


def at_once(client: MlflowClient) -> MlflowClient:
    """The same client without patience, for what can be made good later."""
    return client.client if isinstance(client, _Patient) else client


def hurry(client: MlflowClient) -> None:
    """Have a patient client wait no longer, now and later: its process is to stop."""
    if isinstance(client, _Patient):
        client.is_hurried = True


def silence(error: BaseException | None) -> str:
    """What an error of a call says of its server: not reached, too slow, or failing itself (5xx); "" if none of that.

    Example:
        >>> silence(requests.ConnectionError("refused")), silence(MlflowException("no such run"))
        ('there is no connection', '')
    """
    said = ""
    while error is not None:
        if isinstance(error, requests.HTTPError) and error.response is not None:
            return f"it answers {error.response.status_code}" if error.response.status_code >= 500 else ""
        if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError | TimeoutError):
            return "it gave no answer in time"
        if isinstance(error, requests.RequestException | urllib3.exceptions.HTTPError | ConnectionError):
            said = "there is no connection"
        if code := re.search(r"failed with error code (5\d\d)|too many (5\d\d) error responses", str(error)):
            return f"it answers {code[1] or code[2]}"
        error = error.__cause__ or error.__context__
    return said


class _Patient:
    def __init__(self, client: MlflowClient, uri: str, say: Callable[[str], None]) -> None:
        self.client = client
        self.is_hurried = False
        self._uri = uri
        self._say = say

    def __getattr__(self, name: str) -> Any:
        call = getattr(self.client, name)

        def tried(*arguments: Any, **settings: Any) -> Any:
            try:
                return call(*arguments, **settings)
            except Exception as error:
                if not (why := silence(error)) or self.is_hurried:
                    raise
                self._say(
                    f"MLflow's server {self._uri} does not answer as it should: {why}; trying again for up to "
                    f"{LONGEST / 60:.0f} minutes. Results are kept here as well"
                )
            return self._tried_again(name, call, arguments, settings)

        return tried

    def _tried_again(
        self, name: str, call: Callable[..., Any], arguments: tuple[Any, ...], settings: dict[str, Any]
    ) -> Any:
        began = told = time.monotonic()
        while time.monotonic() - began < LONGEST:
            self._wait()
            try:
                made = _made(self.client, *arguments, **settings) if name == "create_run" else None
                done = made or call(*arguments, **settings)
            except Exception as error:
                if not (why := silence(error)) or self.is_hurried:
                    raise
            else:
                self._say(f"MLflow's server answers again, after {time.monotonic() - began:.0f} s")
                return done
            if time.monotonic() - told >= BETWEEN_LINES:
                told = time.monotonic()
                self._say(f"MLflow's server has not answered for {told - began:.0f} s; trying again")
        self.is_hurried = True  # what is recorded while the study stops is not waited for once more
        raise RunFailed(
            f"MLflow's server {self._uri} has not answered for {LONGEST / 60:.0f} minutes ({why}). What it lacks is "
            "kept in .harness/studies: see that it runs, then give the same command again; it delivers that, and goes "
            "on where it stopped"
        )

    def _wait(self) -> None:
        until = time.monotonic() + BETWEEN_TRIES
        while not self.is_hurried and time.monotonic() < until:
            time.sleep(0.1)  # a signal's handler sets the flag in between


def _made(client: MlflowClient, experiment_id: str, *, tags: dict[str, str], run_name: str) -> Run | None:
    """The run that a call was to make, if the server did make it and only its answer was lost."""
    own = process.signature()
    query = " and ".join(f"tags.{key} = '{own[key]}'" for key in ("host", "pid", "born"))
    found = client.search_runs([experiment_id], f"attributes.status = 'RUNNING' and {query}", max_results=1000)
    return next((run for run in found if run.info.run_name == run_name), None)
