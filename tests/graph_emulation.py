"""The semantics of a CUDA graph on a CPU, so that captured steps can be tested without a GPU.

While a step is recorded, every operator that reaches torch's dispatcher is noted with its arguments. As when a GPU
captures, its effects are undone afterwards, numbers of Python are kept as they were, and what a capture cannot hold is
refused: a wait for the host, a shape that depends on data, a copy from the host. A replay runs the operators again on
the same memory. What this cannot show: a GPU's kernels, streams and allocator.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_REFUSED_TAGS = (torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape)
_WRITTEN = {"running_mean", "running_var"}  # by batch normalisation, whose schema does not say so
_FROM_HOST = "aten::lift_fresh"  # torch.tensor(number)


class NotCapturable(Exception):
    """An operator that a CUDA graph cannot hold."""


class EmulatedGraph:
    """A stand-in for `torch.cuda.CUDAGraph`."""

    def __init__(self) -> None:
        self.operators: list[tuple[Any, Any, Any, Any]] = []
        """Each with its arguments, keyword arguments and result, all of them alive as the memory of a graph is."""
        self.n_replays = 0

    def replay(self) -> None:
        self.n_replays += 1
        with torch.no_grad():
            for operator, arguments, keywords, result in self.operators:
                own = [x for x in tree_leaves((arguments, keywords)) if isinstance(x, Tensor)]
                memory = {x.untyped_storage().data_ptr() for x in own}
                again = operator(*arguments, **keywords)
                for old, new in zip(tree_leaves(result), tree_leaves(again), strict=True):
                    # a view, or what was written in place, lies in the memory of an argument
                    if isinstance(old, Tensor) and old.untyped_storage().data_ptr() not in memory:
                        old.copy_(new)


class _Recorder(TorchDispatchMode):
    def __init__(self, graph: EmulatedGraph) -> None:
        super().__init__()
        self.graph = graph
        self.before: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}
        """The content of what was written, before: by its address and size."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if any(tag in func.tags for tag in _REFUSED_TAGS) or func.name() == _FROM_HOST:
            raise NotCapturable(func.name())
        for declared, value in zip(func._schema.arguments, args, strict=False):
            is_written = declared.alias_info is not None and declared.alias_info.is_write
            if is_written or declared.name in _WRITTEN:
                for tensor in tree_leaves(value):
                    self.before.setdefault((tensor.data_ptr(), tensor.numel()), (tensor, tensor.clone()))
        result = func(*args, **kwargs)
        if not any(tensor.is_meta for tensor in tree_leaves(result) if isinstance(tensor, Tensor)):
            self.graph.operators.append((func, args, kwargs, result))
        return result


@contextmanager
def _recording(graph: EmulatedGraph, **options: Any) -> Iterator[None]:
    assert options["capture_error_mode"] == "thread_local", "another thread pins memory for the next frames"
    random, recorder = torch.get_rng_state(), _Recorder(graph)
    with recorder:
        yield
    with torch.no_grad():
        for tensor, content in reversed(recorder.before.values()):
            tensor.copy_(content)
    torch.set_rng_state(random)


class _Stream:
    def __init__(self, device: object = None) -> None: ...

    def wait_stream(self, other: object) -> None: ...


@contextmanager
def emulated_graphs() -> Iterator[list[EmulatedGraph]]:
    """Has `torch.cuda` record and replay on the CPU; gives the graphs that are made meanwhile."""
    graphs: list[EmulatedGraph] = []

    def new_graph() -> EmulatedGraph:
        graphs.append(EmulatedGraph())
        return graphs[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "CUDAGraph", new_graph)
        patch.setattr(torch.cuda, "graph", _recording)
        patch.setattr(torch.cuda, "Stream", _Stream)
        patch.setattr(torch.cuda, "stream", lambda stream: nullcontext())
        patch.setattr(torch.cuda, "current_stream", _Stream)
        yield graphs
