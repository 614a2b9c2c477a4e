"""The device of a study, its memory, the arithmetic of matrix products there, and how runs share the machine."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from harness.errors import UserError

_FASTER = 1.3  # what bf16 must gain before the smaller mantissa is accepted
_EMULATED = 4.0  # what bf16 loses in small products where it is emulated, at least; large ones would take seconds
_SMALL, _LARGE = 256, 1024


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """A context in which matrix products run in "bf16" or "fp32"; weights stay in fp32."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")


def dtype_of_frames(precision: str) -> torch.dtype:
    """The type of resident frames: autocast would round them to bf16 anyway before the first product."""
    return torch.bfloat16 if precision == "bf16" else torch.float32


def choose(device: torch.device) -> str:
    """The precision that is faster here, "bf16" or "fp32"; measuring it takes some 50 ms on a CPU, some 200 ms on one
    that emulates bf16."""
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    if _seconds(_SMALL, torch.bfloat16) > _EMULATED * _seconds(_SMALL, torch.float32):
        return "fp32"
    return "bf16" if _seconds(_LARGE, torch.float32) > _FASTER * _seconds(_LARGE, torch.bfloat16) else "fp32"


def _seconds(size: int, dtype: torch.dtype) -> float:
    """Least of five products of two square matrices on the CPU."""
    a = torch.ones(size, size, dtype=dtype)
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        a @ a
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def choose_device(name: str) -> torch.device:
    """The device of a name; auto takes a GPU if there is one.

    Raises:
        UserError: it is cuda, and there is none.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: torch sees no CUDA GPU here; use --device cpu, or auto")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def memory_limit(device: torch.device, gigabytes: float, begun: Mapping[str, int]) -> int:
    """Bytes that frames may take on the device; models need the rest.

    Args:
        gigabytes: 0 stands for half of the memory; on a GPU of what is free, since other processes may use it too.
        begun: `memory` of the study so far, empty at its beginning: the size of the chunks of what passes through
            depends on it, and with it the order of the frames, which must not follow what is free at the moment.
    """
    if gigabytes:
        return round(1e9 * gigabytes)
    if "memory" in begun:
        return begun["memory"]
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        return (total if "threads" in begun else free) // 2  # of the total in studies begun by earlier versions
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


@dataclass(frozen=True)
class Parallelism:
    """How the runs of a study share the machine."""

    n_runs: int
    """Runs that are trained side by side."""
    threads: int
    """Of each run. Decides the last bits of its result."""
    memory_shares: int
    """The memory for frames is divided into so many; stays when fewer are trained at once than when the study began."""


def choose_parallelism(device: torch.device, n_arms: int, begun: Mapping[str, int]) -> Parallelism:
    """On a CPU as many runs at once as there are arms or cores: two small models on a thread each train far faster than
    one after the other on two. Elsewhere one.

    `OMP_NUM_THREADS` bounds the cores.

    Args:
        begun: `threads` and `shares` of the study so far; empty at its beginning.
    """
    threads = torch.get_num_threads()
    cores = min(threads, n_cores()) if device.type == "cpu" else 1
    at_once = min(n_arms, cores)
    chosen = Parallelism(at_once, cores // at_once if at_once > 1 else threads, at_once)
    if "threads" not in begun:
        return chosen
    shares, threads = begun["shares"], begun["threads"]
    return Parallelism(max(1, min(shares, cores // threads)), threads, shares)


def n_cores() -> int:
    """Cores that this process may use; two hyper-threads are one."""
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    return len({_siblings(number) for number in allowed})


def _siblings(number: int) -> str:
    try:
        return Path(f"/sys/devices/system/cpu/cpu{number}/topology/thread_siblings_list").read_text()
    except OSError:
        return str(number)
