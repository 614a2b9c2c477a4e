"""Residual MLP: a projection, blocks `x + dropout(V f(U norm(x)))`, then norm and a linear output.

The pre-activation residual unit of He et al. 2016 (Identity Mappings in Deep Residual Networks, eq. 1) with affine
maps, as in Gorishniy et al. 2021 (Revisiting Deep Learning Models for Tabular Data, section 3.2).
"""

from typing import ClassVar

from torch import Tensor, nn

from architectures._initialisation import Init, connect, draw_branch, initialise
from architectures._layers import (
    Activation,
    Depth,
    Dropout,
    Normalisation,
    Width,
    activation,
    normalisation,
)
from architectures._registry import register


class ResidualBlock(nn.Module):
    """(B, width) -> (B, width)."""

    def __init__(self, width: int, hidden: int, f: Activation, norm: Normalisation, dropout: float) -> None:
        super().__init__()
        self.norm = normalisation(norm, width)
        self.U = nn.Linear(width, hidden)
        self.f = activation(f)
        self.V = nn.Linear(hidden, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        linear, nonlinear = self.paths(x)
        return linear + nonlinear

    def paths(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x itself and what the block adds."""
        return x, self.dropout(self.V(self.f(self.U(self.norm(x)))))


@register
class ResidualMLP(nn.Module):
    """
    Args:
        depth: residual blocks, of two affine maps each.
        width: of the residual stream.
        hidden: width inside a block; `width` unless given.
    """

    first_defaults: ClassVar = {"init": "kaiming"}

    def __init__(
        self,
        window: int,
        d_features: int,
        n_classes: int,
        *,
        depth: Depth = 4,
        width: Width = 512,
        hidden: Width | None = None,
        f: Activation = "relu",
        norm: Normalisation = "layer",
        dropout: Dropout = 0.0,
        init: Init = "preserving",
    ) -> None:
        super().__init__()
        self.projection = nn.Linear(window * d_features, width)
        self.blocks = nn.Sequential(*(ResidualBlock(width, hidden or width, f, norm, dropout) for _ in range(depth)))
        self.norm = normalisation(norm, width)
        self.output = nn.Linear(width, n_classes)
        initialise(self, init, lambda: self._preserve(f))

    def _preserve(self, f: Activation) -> None:
        """Orthogonal maps to the residual stream and from it, and branches along it."""
        connect(self.projection)
        for block in self.blocks:
            assert isinstance(block, ResidualBlock)
            draw_branch(block.U, block.V, f, len(self.blocks))
        connect(self.output)

    def forward(self, windows: Tensor) -> Tensor:
        """(B, W, D) -> (B, C) logits."""
        logits: Tensor = self.output(self.norm(self.blocks(self.projection(windows.flatten(1)))))
        return logits
