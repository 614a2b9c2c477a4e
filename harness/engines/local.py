"""The engine of this machine: one run at a time in a thread of this process, or several in worker processes.

The thread that conducts is free to hear a signal in both, and both are spoken with through a pipe.
"""

import contextlib
import ctypes
import itertools
import multiprocessing
import signal
import sys
import threading
import time
import types
from collections.abc import Iterator, Sequence
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import torch

import architectures
from harness.engines.request import CorpusParts, Divided, EpochEnd, Event, Lost, Printed, Request, Stop
from harness.engines.worker import READY, serve, serve_process
from harness.frames.device import Parallelism

_PATIENCE = 10.0  # seconds that a worker's end is waited for


class LocalEngine:
    """An engine of threads and processes of this machine, on one device. As `Engine`.

    Args:
        folder: the study's; it need not exist yet.
        takes_batches: unless given, on a GPU whose runs follow each other.
        imports_main: worker processes first import the program's main module, as Python's own do. A script that runs
            a study without asking whether it is `__main__` would run it again in each.
    """

    def __init__(
        self,
        parallelism: Parallelism,
        device: torch.device,
        folder: Path,
        takes_batches: bool | None = None,
        imports_main: bool = True,
    ) -> None:
        self._n_slots = parallelism.n_runs
        self._device = str(device)
        self._folder = folder
        self._main = None if imports_main else types.ModuleType("__main__")
        self._takes_batches = device.type == "cuda" and self._n_slots == 1 if takes_batches is None else takes_batches
        self._corpora: dict[str, CorpusParts] = {}
        self._workers: list[_Worker] = []
        self._events: list[Event] = []
        self._ids = itertools.count()
        self._is_stopping = False

    @property
    def takes_batches(self) -> bool:
        return self._takes_batches

    def slots(self) -> int:
        return self._n_slots

    def offer(self, corpus: CorpusParts) -> None:
        self._corpora[corpus.digest] = corpus

    def submit(self, request: Request) -> int:
        id = next(self._ids)
        if self._is_stopping:
            self._events.append(Stop(id))
            return id
        worker = self._idle_worker() or self._new_worker()
        worker.id = id
        if worker.corpus != request.corpus:
            worker.send(self._corpora[request.corpus])
            worker.corpus = request.corpus
        worker.send((id, request))
        return id

    def events(self, timeout: float | None = None) -> Sequence[Event]:
        assert self._events or timeout is not None or any(worker.id is not None for worker in self._workers)
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._events:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            by_connection = {worker.connection: worker for worker in self._workers}
            for connection in wait(list(by_connection), left):
                assert isinstance(connection, Connection)
                self._receive(by_connection[connection])
            if left == 0.0:
                break
        events, self._events = self._events, []
        return events

    def answer(self, id: int, end: bool) -> None:
        for worker in self._workers:
            if worker.id == id:
                worker.send(end)

    def stop(self, id: int | None = None) -> None:
        self._is_stopping |= id is None
        for worker in tuple(self._workers):  # a signal may come while one is added
            if id is None or worker.id == id:
                worker.handle.stop(id)

    def kill(self) -> None:
        self._is_stopping = True
        for worker in tuple(self._workers):
            worker.handle.kill()

    def __enter__(self) -> Self:
        """Workers start at once, while their conductor prepares the corpus and opens the tracker."""
        for _ in range(self._n_slots):
            self._new_worker()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()
        for worker in self._workers:
            worker.connection.close()
            worker.handle.end()
        self._workers.clear()

    def _idle_worker(self) -> "_Worker | None":
        """One that is free and lives: a process that died while it was idle is no loss of the next request's."""
        for worker in tuple(self._workers):
            if worker.id is None:
                while worker in self._workers and worker.connection.poll():
                    self._receive(worker)
                if worker in self._workers:
                    return worker
        return None

    def _new_worker(self) -> "_Worker":
        assert len(self._workers) < self._n_slots, "more requests than slots"
        start = _ThreadHandle if self._n_slots == 1 else _ProcessHandle
        own, theirs = multiprocessing.Pipe()
        with _main_module(self._main):
            worker = _Worker(own, start(theirs, self._device, self._folder))
        self._workers.append(worker)
        if self._is_stopping:
            worker.handle.stop(None)
        return worker

    def _receive(self, worker: "_Worker") -> None:
        """Take what a worker says. One that is gone makes room for another, which starts with the next request."""
        try:
            message = worker.connection.recv()
        except (EOFError, OSError):
            worker.connection.close()
            self._workers.remove(worker)
            cause = worker.handle.end()
            if worker.id is not None:
                self._events.append(Stop(worker.id) if self._is_stopping else Lost(worker.id, cause))
            return
        if message == READY:
            worker.begin()
            return
        if not isinstance(message, EpochEnd | Printed | Divided):
            worker.id = None
        self._events.append(message)


class _Handle(Protocol):
    """A thread or a process, as the engine holds it."""

    def stop(self, id: int | None) -> None:
        """Have the request stop, or all."""

    def kill(self) -> None:
        """End it in the middle of whatever it does."""

    def end(self) -> str:
        """Wait until it is gone, whose pipe has ended or which was killed; gives how it ended."""


@contextlib.contextmanager
def _main_module(module: types.ModuleType | None) -> Iterator[None]:
    """The main module is another one meanwhile; the same for None."""
    before = sys.modules["__main__"]
    sys.modules["__main__"] = module or before
    try:
        yield
    finally:
        sys.modules["__main__"] = before


class _Worker:
    """A worker, and what it does. What is sent before it listens waits, so that nobody waits for its start."""

    def __init__(self, connection: Connection, handle: _Handle) -> None:
        self.connection = connection
        self.handle = handle
        self.id: int | None = None
        """Of the request that it trains."""
        self.corpus: str | None = None
        """Digest of the one that it was sent last."""
        self._unsent: list[object] | None = []

    def send(self, message: object) -> None:
        if self._unsent is not None:
            self._unsent.append(message)
            return
        with contextlib.suppress(OSError):  # it is gone: reading will say so
            self.connection.send(message)

    def begin(self) -> None:
        """It listens."""
        unsent, self._unsent = self._unsent or [], None
        for message in unsent:
            self.send(message)


class _ThreadHandle:
    """A worker in a thread of this process."""

    def __init__(self, connection: Connection, device: str, folder: Path) -> None:
        self._stopping: set[int | None] = set()
        self._connection = connection
        self._thread = threading.Thread(target=self._serve, args=(device, folder), daemon=True)
        self._thread.start()

    def stop(self, id: int | None) -> None:
        self._stopping.add(id)

    def kill(self) -> None:
        """Raise KeyboardInterrupt in the thread, as Ctrl-C would in the main one."""
        identifier = self._thread.ident
        assert identifier is not None
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(identifier), ctypes.py_object(KeyboardInterrupt))

    def end(self) -> str:
        self._thread.join(_PATIENCE)
        return "its thread ended"

    def _serve(self, device: str, folder: Path) -> None:
        with contextlib.suppress(KeyboardInterrupt), self._connection:
            serve(self._connection, self._stopping, device, folder)


class _ProcessHandle:
    """A worker in a process of its own."""

    def __init__(self, connection: Connection, device: str, folder: Path) -> None:
        fresh = multiprocessing.get_context("spawn")  # a fork would inherit locks that OpenMP's threads hold
        stops, self._stop = fresh.Pipe(duplex=False)
        arguments = (connection, stops, device, folder, architectures.own_folders())
        self._process = fresh.Process(target=serve_process, args=arguments, daemon=True)
        resource_tracker.ensure_running()  # which unblocks these signals when it starts
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM])  # for good in the worker
        try:
            self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        connection.close()  # so that reading ends when the worker does
        stops.close()

    def stop(self, id: int | None) -> None:
        with contextlib.suppress(OSError):  # it is gone
            self._stop.send(id)

    def kill(self) -> None:
        self._process.kill()

    def end(self) -> str:
        self._process.join(_PATIENCE)
        if self._process.is_alive():
            self.kill()
            self._process.join(_PATIENCE)
        code = self._process.exitcode or 0
        return signal.Signals(-code).name if code < 0 else f"exit status {code}"
