"""Matched arms: the width that gives a model a stated number of parameters, solved on the meta device.

A file states `params.parameters` where `params.width` would stand; what a run is built from has the width.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

import architectures
from architectures import WIDEST
from harness.settings import Params

TOLERANCE = 0.01
"""Largest distance from the stated number, as a fraction of it."""

Shape = tuple[int, int, int]
"""Window in frames, coefficients, classes."""


class Solution(NamedTuple):
    """The hyper-parameters of a model of the stated size."""

    params: Params
    """Fit for the constructor."""
    parameters: int
    step: int
    """Parameters between the widths next to each other there; their nearer one is at most half of it away."""


def has_width(architecture: str) -> bool:
    """Whether there is a width to be solved."""
    return "width" in architectures.parameters_of(architecture)


def resolved(architecture: str, shape: Shape, params: Mapping[str, Any], limit: int | None = None) -> Params:
    """`params` as the constructor takes them: with a solved width where `parameters` are stated, else as they are.

    Raises:
        ValueError: as `solve`.
    """
    return solve(architecture, shape, params, limit).params if "parameters" in params else dict(params)


def solve(architecture: str, shape: Shape, params: Mapping[str, Any], limit: int | None = None) -> Solution:
    """The model of this architecture whose parameters are nearest to `params["parameters"]`.

    Args:
        params: as the file states them. Explicit `widths` are scaled, all by one factor; else `width` is found.
        limit: parameters that must not be exceeded.

    Raises:
        ValueError: no width comes within 1 %; or the settings do not fit together, whatever the width.
    """
    return _solve(architecture, shape, tuple(sorted(params.items())), limit)


@cache
def _solve(architecture: str, shape: Shape, settings: tuple[tuple[str, Any], ...], limit: int | None) -> Solution:
    params = dict(settings)
    target = params.pop("parameters")

    @cache
    def count(width: int) -> int:
        return architectures.n_parameters(architecture, *shape, _of_width(params, width))

    narrower = _widest_within(count, target)
    sizes = {width: size for width in (narrower, narrower + 1) if (size := _count_if_valid(count, width)) is not None}
    if not sizes:
        count(narrower or 1)  # raises, and says what is wrong with these settings
    size_of = {w: n for w, n in sizes.items() if limit is None or n <= limit}
    width = min(size_of, key=lambda w: abs(size_of[w] - target), default=None)
    if width is None or abs(size_of[width] - target) > TOLERANCE * target:
        near = ", ".join(f"width {w} gives {n}" for w, n in sizes.items())
        most = f" of at most {limit} in all" if limit is not None and len(size_of) < len(sizes) else ""
        raise ValueError(
            f"no width gives {target} parameters within 1 %{most}; nearest: {near}; "
            "use one of these numbers, or change depth, shape or context"
        )
    step = max(sizes.values()) - min(sizes.values()) if len(sizes) == 2 else target
    return Solution(_of_width(params, width), sizes[width], step)


def _widest_within(count: Callable[[int], int], target: int) -> int:
    """The widest of at most `target` parameters, or 0; bisection, with steps guessed from growth by the square."""
    low, high, guess = 0, WIDEST + 1, 64
    for n in range(100):
        if high - low == 1:
            break
        middle = (low + high) // 2 if n > 8 else min(max(guess, low + 1), high - 1)
        size = _count_if_valid(count, middle)
        if size is None or size <= target:  # too narrow for its other settings, such as a bottleneck
            low = middle
        else:
            high = middle
        guess = round(middle * (target / size) ** 0.5) if size else middle * 4
    return low


def _count_if_valid(count: Callable[[int], int], width: int) -> int | None:
    try:
        return count(width) if 1 <= width <= WIDEST else None
    except ValueError:
        return None


def _of_width(params: Mapping[str, Any], width: int) -> Params:
    """`params` with this width; of explicit widths it is the widest."""
    if widths := params.get("widths"):
        return dict(params) | {"widths": tuple(max(1, round(w * width / max(widths))) for w in widths)}
    return dict(params) | {"width": width}
