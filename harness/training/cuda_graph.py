"""A training step recorded once as a CUDA graph and then replayed: the host launches one thing instead of hundreds.

Small models are bound by these launches. Follows "Whole-network capture" in PyTorch's notes on CUDA graphs.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

_EAGER = 3  # steps before the recording: they make the optimiser's state and choose the kernels

Step = Callable[[Tensor, Tensor], None]
"""One update on windows and labels. It reads and writes the same tensors each time, and never waits."""


def capture(step: Step, optimisers: Sequence[torch.optim.Optimizer], device: torch.device) -> Step:
    """The step itself on a CPU; on a GPU the same arithmetic, replayed. Learning rates may change between steps."""
    return _CapturedStep(step, optimisers, device) if device.type == "cuda" else step


class _CapturedStep:
    """A step that runs eagerly a few times, is recorded, and is replayed from then on."""

    def __init__(self, step: Step, optimisers: Sequence[torch.optim.Optimizer], device: torch.device) -> None:
        self.step = step
        self.groups = [group for optimiser in optimisers for group in optimiser.param_groups]
        self.optimisers = optimisers
        self.stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self.rates = [torch.zeros((), device=device) for _ in self.groups]
        self.graph: torch.cuda.CUDAGraph | None = None
        self.n_eager = 0
        self.windows = self.labels = torch.empty(0, device=device)

    def __call__(self, windows: Tensor, labels: Tensor) -> None:
        if self.graph is None and self.n_eager < _EAGER:
            self.n_eager += 1
            self.stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self.stream):
                self.step(windows, labels)
            torch.cuda.current_stream().wait_stream(self.stream)
            return
        if self.graph is None:
            self._record(windows, labels)
        if windows.shape != self.windows.shape:  # the last batch of an epoch
            self.step(windows, labels)
            return
        assert self.graph is not None
        for rate, group in zip(self.rates, self.groups, strict=True):
            rate.fill_(group["lr"])
        self.windows.copy_(windows)
        self.labels.copy_(labels)
        self.graph.replay()

    def _record(self, windows: Tensor, labels: Tensor) -> None:
        """Record without executing. The graph reads the learning rates from tensors that a replay fills before."""
        self.windows, self.labels = windows.clone(), labels.clone()
        rates = [group["lr"] for group in self.groups]
        for rate, group in zip(self.rates, self.groups, strict=True):
            group["lr"] = rate
        for optimiser in self.optimisers:
            optimiser.zero_grad(set_to_none=True)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph, stream=self.stream):
            self.step(self.windows, self.labels)
        for rate, group in zip(rates, self.groups, strict=True):
            group["lr"] = rate
