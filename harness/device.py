"""Where a study is computed."""

import os

import torch

from harness.errors import UserError


def choose_device(wanted: str) -> torch.device:
    """auto takes a GPU if there is one.

    Raises:
        UserError: cuda is wanted and there is none.
    """
    if wanted == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: torch sees no CUDA GPU here; use --device cpu, or auto")
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(wanted)


def memory_limit(device: torch.device, wanted: float) -> int:
    """Bytes that frames may take on the device: `wanted` GB, or for 0 half of its memory; models need the rest."""
    if wanted:
        return round(1e9 * wanted)
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory // 2
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
