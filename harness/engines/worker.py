"""What a worker does: it is sent requests, tells each epoch, and hears whether that was the last.

It knows nothing of the search, the tracker or the screen. In a process of its own it leaves Ctrl-C to the process that
started it, and ends with that one, however that ends.
"""

import contextlib
import gc
import mmap
import os
import threading
import traceback
from collections.abc import Callable, Container, Sequence
from dataclasses import replace
from functools import partial
from multiprocessing import reduction
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import torch

import architectures
from harness import failures, prints
from harness.engines.request import CorpusParts, Divided, Done, EpochEnd, Event, Failed, Fault, Printed, Request, Stop
from harness.errors import Interrupted, RunFailed, UserError
from harness.frames.device import dtype_of_frames
from harness.frames.placement import DeviceData
from harness.results import Epoch, RunResult
from harness.training import provenance, run

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA is first used: see Training.deterministic

_MOST_PARTS = 256

READY = "ready"
"""What a worker says once it listens."""


def serve_process(
    connection: Connection, stops: Connection, device: str, folder: Path, own_architectures: Sequence[Path] = ()
) -> None:
    """As `serve`, in a process that ends when its conductor is gone.

    Args:
        stops: says ids of requests that are to stop, None for all.
        own_architectures: folders of the user's, which the conductor looks in.
    """
    for own in own_architectures:
        architectures.look_in(own)
    stopping: set[int | None] = set()
    threading.Thread(target=_watch, args=(stops, stopping), daemon=True).start()
    serve(connection, stopping, device, folder)


def serve(connection: Connection, stopping: Container[int | None], device: str, folder: Path) -> None:
    """Train what is sent until the connection ends.

    Args:
        connection: brings `CorpusParts`, (id, `Request`) and answers to epochs; takes READY and events.
        stopping: ids of requests that are to stop, None among them for all; filled by another thread.
        folder: the study's, in which the requests' folders lie.
    """
    corpus: _Corpus | None = None
    with contextlib.suppress(EOFError, OSError):
        connection.send(READY)
        while True:
            message = connection.recv()
            if isinstance(message, CorpusParts):
                corpus = _Corpus(message, torch.device(device))
                continue
            id, request = message
            assert corpus is not None, "a corpus is offered before the first request"
            with prints.kept() as printed:
                event = _outcome(id, request, corpus, folder, connection, stopping)
            if said := printed.said(request.arm):
                connection.send(Printed(id, said))
            connection.send(event)


def _outcome(
    id: int,
    request: Request,
    corpus: "_Corpus",
    folder: Path,
    connection: Connection,
    stopping: Container[int | None],
) -> Event:
    """The last event of a request, which is trained."""
    try:
        return Done(id, _train(id, request, corpus.data(request), folder, connection, stopping))
    except Interrupted:
        return Stop(id)
    except RunFailed as error:
        return Failed(id, error)
    except UserError as error:
        return Fault(id, error)
    except Exception as error:
        return Fault(id, _explained(error))


def _explained(error: Exception) -> Exception:
    """What went wrong, as it is told: a failing medium, the code of an architecture, or a defect of the program."""
    if sentence := failures.of_medium(error):
        return RunFailed(sentence)
    if fault := architectures.fault_of(error):
        return UserError(fault)
    return RuntimeError(f"in a worker process:\n{traceback.format_exc()}")


class _Corpus:
    """The corpus that was sent last, with its frames on the device in the type of numbers that was asked last."""

    def __init__(self, parts: CorpusParts, device: torch.device) -> None:
        self._parts = parts
        self._device = device
        self._data: DeviceData | None = None

    def data(self, request: Request) -> DeviceData:
        assert self._parts.digest == request.corpus, "the corpus that was sent last"
        dtype = dtype_of_frames(request.precision)
        if self._data is None or self._data.dtype != dtype:
            self._data = None  # its memory is free before the next is placed
            parts = self._parts
            self._data = DeviceData(dict(parts.parts), parts.padding, self._device, dtype, limit=parts.memory)
        return self._data


def _train(
    id: int,
    request: Request,
    data: DeviceData,
    folder: Path,
    connection: Connection,
    stopping: Container[int | None],
) -> tuple[RunResult, ...]:
    """Train a request on its threads, and write the results into its folders.

    Where the memory of the device is too small, it is trained again with batches in twice as many parts.

    Raises:
        Exception: as `train`; out of memory too, where a batch cannot be divided further.
    """
    if torch.get_num_threads() != request.threads:
        torch.set_num_threads(request.threads)

    def on_epoch(seed: int, epoch: Epoch) -> bool:
        connection.send(EpochEnd(id, seed, epoch))
        return bool(connection.recv())

    while True:
        try:
            results = train(request, data, folder, on_epoch, lambda: None in stopping or id in stopping)
            break
        except Exception as error:
            n_parts, batch_size = 2 * request.micro_batches, request.settings.training.batch_size
            if not failures.is_out_of_memory(error) or n_parts > min(batch_size, _MOST_PARTS):
                raise
            if run.depends_on_batch(request.settings, data.parts["train"]):
                raise RunFailed(
                    f"out of memory with batches of {batch_size} frames, which cannot be divided because the model "
                    'normalises over each: use a smaller batch_size, or norm = "layer"'
                ) from None
        request = replace(request, micro_batches=n_parts)
        gc.collect()  # what the error held
        if data.device.type == "cuda":
            torch.cuda.empty_cache()
        connection.send(Divided(id, n_parts))
    for name, result in zip(request.folders, results, strict=True):
        result.save(folder / name)
    return results


def train(
    request: Request,
    data: DeviceData,
    folder: Path,
    on_epoch: Callable[[int, Epoch], bool],
    should_stop: Callable[[], bool],
) -> tuple[RunResult, ...]:
    """The results of a request, one for each seed. Seeds that were not begun are trained as one batched model.

    Args:
        folder: the study's.
        on_epoch: called after each epoch with its seed; true ends the run, where it is trained by itself.
        should_stop: asked after every step.

    Raises:
        RunFailed, Interrupted: as `run.run`.
    """
    _check_code(request)
    own = provenance.of_machine(str(data.device), request.precision) | dict(request.facts)
    own |= {"micro_batches": request.micro_batches} if request.micro_batches > 1 else {}
    folders = {seed: folder / name for seed, name in zip(request.seeds, request.folders, strict=True)}
    new = [seed for seed in request.seeds if not (folders[seed] / "state.pt").exists()]
    results: dict[int, RunResult] = {}
    if len(new) > 1 and request.micro_batches == 1:
        batch = run.run_together(
            request.arm,
            request.settings,
            data,
            seeds=new,
            search=request.search,
            precision=request.precision,
            folders=[folders[seed] for seed in new],
            provenance=own,
            on_epoch=on_epoch,
            should_stop=should_stop,
        )
        results |= zip(new, batch, strict=True)
    for seed in request.seeds:
        if seed not in results:
            results[seed] = run.run(
                request.arm,
                request.settings,
                data,
                seed=seed,
                precision=request.precision,
                trial=request.trial,
                search=request.search,
                part=request.part,
                folder=folders[seed],
                provenance=own,
                on_epoch=partial(on_epoch, seed),
                should_stop=should_stop,
                micro_batches=request.micro_batches,
            )
    return tuple(results[seed] for seed in request.seeds)


def _check_code(request: Request) -> None:
    """A process that begins late must not train what was edited since the study began.

    Raises:
        UserError: the code of the architecture is not that of the request.
    """
    name, wanted = request.settings.architecture, request.facts.get("code")
    if wanted and architectures.digest(name) != wanted:
        raise UserError(
            f"architectures/{name}.py, or what it imports, was edited while the study ran, and a process that began "
            "since would train other code. Bring the old code back and run the same command, or train the arm anew: "
            f"--restart-arm {request.arm}"
        )


def _watch(stops: Connection, stopping: set[int | None]) -> None:
    """Hears what is to stop, and when the conductor is gone: then this process is to be gone as well."""
    with contextlib.suppress(EOFError, OSError):
        while True:
            stopping.add(stops.recv())
    os._exit(1)


def _reopened(array: np.memmap) -> tuple[Any, ...]:
    """A memory-mapped array travels as the name of its file."""
    assert isinstance(array.base, mmap.mmap), "only whole arrays"
    return np.memmap, (array.filename, array.dtype, "r", array.offset, array.shape)


reduction.ForkingPickler.register(np.memmap, _reopened)
