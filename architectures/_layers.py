"""Pieces that several architectures share, chosen by name: activation, normalisation, widths."""

from typing import Annotated, Literal

from torch import nn

from architectures._registry import WIDEST, Between

Depth = Annotated[int, Between(1, 256)]
Width = Annotated[int, Between(1, WIDEST)]
Dropout = Annotated[float, Between(0, below=1)]
Activation = Literal["relu", "gelu", "silu", "tanh", "sigmoid"]
Normalisation = Literal["none", "batch", "layer"]
Shape = Literal["cylinder", "pyramid", "diamond"]

_TAPER = 4  # a shape's widest layer is that many times as wide as its narrowest

_ACTIVATIONS = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}


def activation(name: Activation) -> nn.Module:
    module: nn.Module = _ACTIVATIONS[name]()
    return module


def normalisation(name: Normalisation, width: int) -> nn.Module:
    if name == "none":
        return nn.Identity()
    return nn.BatchNorm1d(width) if name == "batch" else nn.LayerNorm(width)


def hidden_widths(depth: int, width: int, widths: tuple[int, ...] | None, shape: Shape = "cylinder") -> tuple[int, ...]:
    """Widths of the hidden layers: `widths` themselves, or `depth` of them in a shape whose widest is `width`.

    cylinder: all alike. pyramid: from `width` down to a quarter of it, each layer narrower by the same factor.
    diamond: from a quarter of `width` up to it and down again, by equal factors; an even depth has two widest layers.

    Raises:
        ValueError: too few layers for the shape.
    """
    if widths:
        return widths
    if shape == "cylinder":
        return (width,) * depth
    fewest = {"pyramid": 2, "diamond": 3}[shape]
    if depth < fewest:
        raise ValueError(f'shape = "{shape}" needs depth = {fewest} or more, not {depth}')
    from_widest = (
        range(depth) if shape == "pyramid" else [(depth - 1) // 2 - min(i, depth - 1 - i) for i in range(depth)]
    )
    return tuple(max(1, round(width * _TAPER ** (-i / max(from_widest)))) for i in from_widest)
