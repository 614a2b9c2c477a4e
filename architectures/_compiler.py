"""torch without its compiler, which is of no use here and takes seconds to import."""

import functools
import sys
from types import FunctionType


@functools.cache
def spare_compiler() -> None:
    """Have optimisers, shapes and operations counted without importing `torch._dynamo`.

    torch marks what its compiler must not touch, and imports the compiler to do so when a marked function is first
    called: by `torch._compile._disable_dynamo`, which keeps the marked function as `__dynamo_disable` of the plain one.
    Here the plain function is kept there. Nothing is changed where the compiler is imported already, or where torch has
    none of this.
    """
    import torch
    from torch._decomp import global_decomposition_table
    from torch.optim.optimizer import Optimizer
    from torch.utils import flop_counter

    mark = getattr(getattr(torch, "_compile", None), "_disable_dynamo", None)
    if mark is None or "torch._dynamo" in sys.modules:
        return
    marked = mark(_nothing).__code__
    counters = [kind for kind in vars(flop_counter).values() if isinstance(kind, type)]
    functions: list[object] = [function for place in (Optimizer, *counters) for function in vars(place).values()]
    functions += [function for table in global_decomposition_table.values() for function in table.values()]
    seen: set[int] = set()
    while functions:
        function = functions.pop()
        if not isinstance(function, FunctionType) or id(function) in seen:
            continue
        seen.add(id(function))
        inner = [cell.cell_contents for cell in function.__closure__ or ()]
        if function.__code__ is marked:
            plain = inner[marked.co_freevars.index("fn")]
            plain.__dynamo_disable = plain
        functions += inner


def _nothing() -> None:
    pass
