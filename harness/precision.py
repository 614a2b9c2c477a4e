"""The arithmetic of matrix products: bf16 where this machine is faster with it, which is measured, else fp32."""

import time

import torch

_FASTER = 1.3  # what bf16 must gain before the smaller mantissa is accepted
_SIZE = 1024


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """A context in which matrix products run in "bf16" or "fp32"; weights stay in fp32."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")


def dtype_of_frames(precision: str) -> torch.dtype:
    """What resident frames are kept in: autocast would round them to bf16 anyway before the first product."""
    return torch.bfloat16 if precision == "bf16" else torch.float32


def choose(device: torch.device) -> str:
    """ "bf16" or "fp32", whichever is faster here; takes some 50 ms on a CPU."""
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    return "bf16" if _seconds(torch.float32) > _FASTER * _seconds(torch.bfloat16) else "fp32"


def _seconds(dtype: torch.dtype) -> float:
    """Least of five products of two square matrices on the CPU."""
    a = torch.ones(_SIZE, _SIZE, dtype=dtype)
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        a @ a
        seconds.append(time.perf_counter() - started)
    return min(seconds)
