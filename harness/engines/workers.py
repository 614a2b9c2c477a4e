"""Who trains several runs side by side: worker processes."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Any

import torch

from harness.engines.batched import Batched
from harness.engines.here import Here, Item, Made
from harness.engines.worker import Worker
from harness.errors import Interrupted, RunFailed
from harness.frames.device import Parallelism
from harness.frames.placement import DeviceData
from harness.results import Epoch, RunResult
from harness.settings import Settings

_GOING = 10.0  # seconds that a killed process is waited for


class Workers(Here):
    """Trains in other processes. They start at once, while this one prepares the corpus and opens the tracker."""

    def __init__(self, spread: Parallelism) -> None:
        super().__init__()
        self._spread = spread
        self._changed = threading.Condition()
        self._all = [Worker(spread.threads) for _ in range(spread.n_runs)]
        self._free = list(self._all)
        self._trials_waiting = 0

    def run(
        self, arm: str, settings: Settings, residents: DeviceData, *, on_epoch: Callable[[Epoch], bool], **request: Any
    ) -> RunResult:
        """As `Here.run`; waits for a free worker. Called in many threads.

        Raises:
            RunFailed: also if the worker died.
        """
        worker = self._take(is_trial=request.get("trial") is not None)
        try:
            return worker.run(residents, request | {"arm": arm, "settings": settings}, on_epoch)
        except (EOFError, ConnectionError):
            if self.stopping.is_set():
                raise Interrupted from None
            raise RunFailed(
                f"its process died ({worker.status()}), perhaps for want of memory; the same command goes on, "
                "and needs less with OMP_NUM_THREADS=1: one run at a time"
            ) from None
        finally:
            self._give_back(worker)

    def stop(self) -> None:
        super().stop()
        for worker in self._all:
            worker.stop()
        with self._changed:  # reentrant: a signal may come while the main thread is here
            self._changed.notify_all()

    def kill(self) -> None:
        for worker in self._all:
            worker.process.kill()

    def wait(self) -> None:
        """Until the processes that were killed are gone."""
        for worker in self._all:
            worker.process.join(_GOING)

    def map(self, call: Callable[[Item], Made], items: Sequence[Item]) -> list[Made]:
        """All at once. What goes wrong with one stops the others; Interrupted only if nothing else went wrong."""
        with ThreadPoolExecutor(len(items)) as threads:
            futures = [threads.submit(call, item) for item in items]
            if any(future.exception() for future in wait(futures, return_when=FIRST_EXCEPTION).done):
                self.stop()
        errors = [error for future in futures if (error := future.exception())]
        for error in sorted(errors, key=lambda error: isinstance(error, Interrupted)):
            raise error
        return [future.result() for future in futures]

    def _take(self, is_trial: bool) -> Worker:
        """A free worker. Trials come first: an arm's wait for each other, its finals for all of them."""
        with self._changed:
            self._trials_waiting += is_trial
            self._changed.wait_for(
                lambda: self.stopping.is_set() or (self._free and (is_trial or not self._trials_waiting))
            )
            self._trials_waiting -= is_trial
            self._changed.notify_all()
            if self.stopping.is_set():
                raise Interrupted
            return self._free.pop()

    def _give_back(self, worker: Worker) -> None:
        """A worker that died, or was left in the middle of a run, is replaced."""
        with self._changed:
            if worker.is_idle:
                self._free.append(worker)
            elif not self.stopping.is_set():
                worker.process.kill()
                self._all.remove(worker)
                self._free.append(Worker(self._spread.threads))
                self._all.append(self._free[-1])
            self._changed.notify_all()


@contextlib.contextmanager
def started(spread: Parallelism, device: torch.device) -> Iterator[Here]:
    """Whoever trains on a machine that is shared so; processes that were started are gone at the end."""
    if spread.n_runs == 1:
        torch.set_num_threads(spread.threads)
        yield Batched() if device.type == "cuda" else Here()
        return
    workers = Workers(spread)
    try:
        yield workers
    finally:
        workers.kill()
        workers.wait()


@contextlib.contextmanager
def stoppable(runner: Here) -> Iterator[None]:
    """Ctrl-C and SIGTERM have the runs stop, a second one kills them.

    Raises:
        Interrupted: it came, and no run was there to say so.
    """

    def come(number: int, frame: Any) -> None:
        (runner.kill if runner.stopping.is_set() else runner.stop)()

    before = {number: signal.signal(number, come) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if runner.stopping.is_set():
        raise Interrupted
