"""Where a study is computed."""

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
