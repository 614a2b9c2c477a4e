"""The state of a training on disk: written whole or not at all, so that a kill loses no finished epoch."""

import hashlib
import io
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from harness.errors import Damaged
from harness.files import replacing
from harness.results import Epoch

_MARK = b"harness state 1\n"  # the checksum follows, then what torch wrote; older files have neither
_KEYS = {"totals", "model", "optimiser", "schedule", "random", "random_cuda", "history", "best"}


class Stateful(Protocol):
    """What keeps its state in a dictionary: the schedule of the learning rate, say."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state_dict: dict[str, Any]) -> Any: ...


@dataclass
class TrainingState:
    """The state of a training: everything that decides how it goes on."""

    totals: Tensor
    """(2,) float64 on the device, sums over the frames of the epoch in progress: loss, correct."""
    is_finite: Tensor
    """() bool on the device: whether every loss and gradient so far was finite; once false, no weight moves."""
    epoch: int = 1
    """The epoch in progress, from 1."""
    step: int = 0
    """Steps of this epoch that are done."""
    seconds: float = 0.0
    """Time spent on this epoch."""
    history: list[Epoch] = field(default_factory=list)
    best_epoch: int = 0
    best: dict[str, Tensor] = field(default_factory=dict)
    """The weights of the best epoch."""

    is_ended: bool = False
    """Ended from outside before its last epoch."""
    layers: list[str] = field(default_factory=list)
    """Names of the layers that `looks` are at."""
    looks: list[tuple[int, Tensor]] = field(default_factory=list)
    """Updates made before a look, and its (3, L) measurements on the device, as `diagnostics` has them."""

    @property
    def best_accuracy(self) -> float:
        """Validation accuracy of the best epoch so far; -1 before the first."""
        return max((e.validation_accuracy for e in self.history), default=-1.0)


def write(
    file: Path, state: TrainingState, model: nn.Module, optimiser: torch.optim.Optimizer, schedule: Stateful
) -> None:
    """Write the whole state; a kill leaves what was there before."""
    device = state.totals.device
    content = {
        **vars(state),
        "history": [asdict(e) for e in state.history],
        "model": {name: tensor.clone() for name, tensor in model.state_dict().items()},  # a slice would bring its stack
        "optimiser": optimiser.state_dict(),
        "schedule": schedule.state_dict(),
        "random": torch.get_rng_state(),
        "random_cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
    }
    packed = io.BytesIO()
    torch.save(content, packed)
    with replacing(file) as temporary, temporary.open("wb") as written:
        written.write(_MARK + hashlib.sha256(packed.getbuffer()).digest())
        written.write(packed.getbuffer())


def restore(
    file: Path, device: torch.device, model: nn.Module, optimiser: torch.optim.Optimizer, schedule: Stateful
) -> TrainingState:
    """The state on disk, to which model, optimiser, schedule and torch's global generators are brought back.

    No code in the file is run.

    Raises:
        Damaged: it is not what was written, or of another model; nothing was brought back.
    """
    content = _read(file, device)
    model.load_state_dict(content.pop("model"))
    optimiser.load_state_dict(content.pop("optimiser"))
    schedule.load_state_dict(content.pop("schedule"))
    torch.set_rng_state(content.pop("random").cpu())
    random_cuda = content.pop("random_cuda")
    if random_cuda is not None:
        torch.cuda.set_rng_state(random_cuda.cpu(), device)
    content["history"] = [Epoch(**row) for row in content["history"]]
    content.setdefault("is_finite", torch.ones((), dtype=torch.bool, device=device))  # files of earlier versions
    return TrainingState(**content)


def _read(file: Path, device: torch.device) -> dict[str, Any]:
    content = file.read_bytes()
    if not content.startswith(b"PK"):  # which torch's own files do
        begin = len(_MARK) + hashlib.sha256().digest_size
        if content[: len(_MARK)] != _MARK or hashlib.sha256(content[begin:]).digest() != content[len(_MARK) : begin]:
            raise Damaged(file, "its checksum is not that of what was written")
        content = content[begin:]
    try:
        loaded = torch.load(io.BytesIO(content), map_location=device, weights_only=True)
    except Exception as error:  # torch raises whatever a damaged file makes it meet
        raise Damaged(file, f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0][:120]}") from None
    if not isinstance(loaded, dict) or not loaded.keys() >= _KEYS:
        raise Damaged(file, "no state of a training")
    return loaded
