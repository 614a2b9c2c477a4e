"""Pieces that several architectures share, chosen by name: activation, normalisation, initialisation, widths."""

from typing import Annotated, Literal

from torch import nn

from architectures._registry import Between

Depth = Annotated[int, Between(1, 256)]
Width = Annotated[int, Between(1, 65536)]
Dropout = Annotated[float, Between(0, below=1)]
Activation = Literal["relu", "gelu", "silu", "tanh", "sigmoid"]
Normalisation = Literal["none", "batch", "layer"]
Init = Literal["kaiming", "xavier", "pytorch"]

_ACTIVATIONS = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}


def activation(name: Activation) -> nn.Module:
    return _ACTIVATIONS[name]()


def normalisation(name: Normalisation, width: int) -> nn.Module:
    if name == "none":
        return nn.Identity()
    return nn.BatchNorm1d(width) if name == "batch" else nn.LayerNorm(width)


def hidden_widths(depth: int, width: int, widths: tuple[int, ...] | None) -> tuple[int, ...]:
    """Output widths of the hidden layers: `depth` times `width`, unless each is given."""
    return widths or (width,) * depth


def initialise(model: nn.Module, init: Init) -> None:
    """Draw the weights of all affine maps; biases keep PyTorch's U(-1/sqrt(d_in), 1/sqrt(d_in)).

    kaiming: U(-b, b) with b = sqrt(6 / d_in), He et al. 2015, eq. 10, which keeps the variance through ReLUs.
    xavier: b = sqrt(6 / (d_in + d_out)), Glorot and Bengio 2010, eq. 16. pytorch: b = 1 / sqrt(d_in).
    """
    for module in model.modules():
        if isinstance(module, nn.Linear):
            if init == "kaiming":
                nn.init.kaiming_uniform_(module.weight)
            elif init == "xavier":
                nn.init.xavier_uniform_(module.weight)
