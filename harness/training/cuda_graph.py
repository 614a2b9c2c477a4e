"""A training step recorded once as a CUDA graph and then replayed: the host launches one thing instead of hundreds.

Small models are bound by these launches. Follows "Whole-network capture" in PyTorch's notes on CUDA graphs.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

_EAGER = 3  # steps before the recording: they make the optimiser's state and choose the kernels

Step = Callable[[Tensor, Tensor], None]
"""One update on windows and labels. It reads and writes the same tensors each time, and never waits."""


def capture(step: Step, optimisers: Sequence[torch.optim.Optimizer], device: torch.device) -> Step:
    """The step itself on a CPU; on a GPU the same arithmetic, replayed. Learning rates may change between steps."""
    return CapturedStep(step, optimisers, device) if device.type == "cuda" else step


class CapturedStep:
    """A step that runs eagerly a few times, is recorded, and is replayed from then on.

    A batch that is smaller than the largest so far, the last of an epoch, always runs eagerly: if it were recorded, all
    others would have to. Which steps are replayed depends on where a training was resumed; their bits do not, because
    every step reads its learning rates from the same float32 tensors.
    """

    def __init__(self, step: Step, optimisers: Sequence[torch.optim.Optimizer], device: torch.device) -> None:
        self.step = step
        self.groups = [group for optimiser in optimisers for group in optimiser.param_groups]
        self.optimisers = optimisers
        self.stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self.rates = [torch.zeros((), device=device) for _ in self.groups]
        self.graph: torch.cuda.CUDAGraph | None = None
        self.n_eager = 0
        self.largest = 0
        """Frames of the largest batch so far."""
        self.windows = self.labels = torch.empty(0, device=device)

    def __call__(self, windows: Tensor, labels: Tensor) -> None:
        for rate, group in zip(self.rates, self.groups, strict=True):
            rate.fill_(group["lr"])
        n_frames = labels.numel()
        if n_frames > self.largest:
            self.largest, self.graph, self.n_eager = n_frames, None, 0
        if n_frames < self.largest or self.n_eager < _EAGER:
            self.n_eager += n_frames == self.largest
            self._run(windows, labels)
            return
        if self.graph is None:
            self.graph = self._recording(windows, labels)
        self.windows.copy_(windows)
        self.labels.copy_(labels)
        self.graph.replay()

    def _run(self, windows: Tensor, labels: Tensor) -> None:
        """Run eagerly, beside the default stream as the recording wants it."""
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream), self._rates_on_device():
            self.step(windows, labels)
        torch.cuda.current_stream().wait_stream(self.stream)

    def _recording(self, windows: Tensor, labels: Tensor) -> torch.cuda.CUDAGraph:
        """A recording of the step, which is not executed.

        Only what this thread does is checked while it records: another one pins memory and allocates for the next
        frames.
        """
        self.windows, self.labels = windows.clone(), labels.clone()
        for optimiser in self.optimisers:
            optimiser.zero_grad(set_to_none=True)
        graph = torch.cuda.CUDAGraph()
        recording = torch.cuda.graph(graph, stream=self.stream, capture_error_mode="thread_local")
        with recording, self._rates_on_device():
            self.step(self.windows, self.labels)
        return graph

    @contextmanager
    def _rates_on_device(self) -> Iterator[None]:
        """The optimisers read their learning rates from tensors; schedules see Python's numbers again afterwards."""
        numbers = [group["lr"] for group in self.groups]
        for rate, group in zip(self.rates, self.groups, strict=True):
            group["lr"] = rate
        try:
            yield
        finally:
            for number, group in zip(numbers, self.groups, strict=True):
                group["lr"] = number
