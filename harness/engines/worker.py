"""One process that trains, as the process that started it sees it, and what it does.

It is handed a run, tells each epoch, and is told whether that was the last. It knows nothing of the search, the tracker
or the screen, leaves Ctrl-C to the process that started it, and ends with that one, however that ends.
"""

import contextlib
import mmap
import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable
from multiprocessing import reduction, resource_tracker
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import torch

from harness.errors import Interrupted, RunFailed, UserError
from harness.frames.placement import DeviceData
from harness.results import Epoch, RunResult
from harness.training import run


class Worker:
    """Starts at once; is killed when it is not needed any more."""

    def __init__(self, threads: int) -> None:
        fresh = multiprocessing.get_context("spawn")  # a fork would inherit locks that OpenMP's threads hold
        self._connection, theirs = fresh.Pipe()
        stops, self._stop = fresh.Pipe(duplex=False)
        self.process = fresh.Process(target=_serve, args=(theirs, stops, threads), daemon=True)
        self._residents: DeviceData | None = None
        self.is_idle = True
        resource_tracker.ensure_running()  # which unblocks these signals when it starts
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM])  # for good in the worker
        try:
            self.process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()  # so that reading ends when the worker does
        stops.close()

    def run(self, residents: DeviceData, request: dict[str, Any], on_epoch: Callable[[Epoch], bool]) -> RunResult:
        """Raises EOFError or ConnectionError if the worker is gone."""
        self.is_idle = False
        if self._residents is not residents:
            self._connection.send(residents)
            self._residents = residents
        self._connection.send(request)
        while isinstance(told := self._connection.recv(), Epoch):
            self._connection.send(on_epoch(told))
        self.is_idle = True
        if isinstance(told, Exception):
            raise told
        return told

    def stop(self) -> None:
        with contextlib.suppress(OSError):  # it is gone
            self._stop.send_bytes(b"stop")

    def status(self) -> str:
        """How the process ended."""
        self.process.join(5)
        code = self.process.exitcode or 0
        return signal.Signals(-code).name if code < 0 else f"exit status {code}"


def _serve(connection: Connection, stops: Connection, threads: int) -> None:
    """What a worker does, until it is killed or its conductor is gone."""
    stopping = threading.Event()
    threading.Thread(target=_watch, args=(stops, stopping), daemon=True).start()
    torch.set_num_threads(threads)

    def on_epoch(epoch: Epoch) -> bool:
        connection.send(epoch)
        return connection.recv()

    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            told = connection.recv()
            if isinstance(told, DeviceData):
                residents = told
                continue
            try:
                result = run.run(residents=residents, on_epoch=on_epoch, should_stop=stopping.is_set, **told)
                connection.send(result)
            except (RunFailed, Interrupted, UserError) as error:
                connection.send(error)
            except Exception:
                connection.send(RuntimeError(f"in a worker process:\n{traceback.format_exc()}"))


def _watch(stops: Connection, stopping: threading.Event) -> None:
    """Hears when the runs are to stop, and when the conductor is gone: then this process is to be gone as well."""
    with contextlib.suppress(EOFError, OSError):
        while True:
            stops.recv_bytes()
            stopping.set()
    os._exit(1)


def _reopened(array: np.memmap) -> tuple[Any, ...]:
    """A memory-mapped array travels as the name of its file."""
    assert isinstance(array.base, mmap.mmap), "only whole arrays"
    return np.memmap, (array.filename, array.dtype, "r", array.offset, array.shape)


reduction.ForkingPickler.register(np.memmap, _reopened)
