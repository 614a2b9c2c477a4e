"""SwiGLU: a residual MLP whose blocks multiply two maps of their input, one of them through a non-linearity.

N. Shazeer: GLU Variants Improve Transformer. 2020 (arXiv 2002.05202), eq. 5 and 6, in the residual network of `resmlp`.
"""

import math

from torch import Tensor, nn

from architectures._blocks import Residual
from architectures._initialisation import SHARE, Init, centre, connect, deviations, initialise, orthogonal
from architectures._layers import Activation, Depth, Dropout, Normalisation, Width, activation, normalisation
from architectures._registry import register


class GatedBlock(Residual):
    """`x + dropout(V (f(U z) * (G z)))` with `z = norm(x)`, (B, width) -> (B, width)."""

    def __init__(self, width: int, hidden: int, f: Activation, norm: Normalisation, dropout: float) -> None:
        super().__init__()
        self.norm = normalisation(norm, width)
        self.U = nn.Linear(width, hidden)
        self.f = activation(f)
        self.G = nn.Linear(width, hidden)
        self.V = nn.Linear(hidden, width)
        self.dropout = nn.Dropout(dropout)

    def branch(self, x: Tensor) -> Tensor:
        z = self.norm(x)
        y: Tensor = self.dropout(self.V(self.f(self.U(z)) * self.G(z)))
        return y


@register
class SwiGLU(nn.Module):
    """
    Args:
        depth: residual blocks, of three affine maps each.
        width: of the residual stream.
        hidden: width inside a block; two thirds of `width` unless given, as many weights as a block of `resmlp`.
        f: silu makes it SwiGLU; gelu GEGLU, relu ReGLU, sigmoid GLU.
    """

    def __init__(
        self,
        window: int,
        d_features: int,
        n_classes: int,
        *,
        depth: Depth = 4,
        width: Width = 512,
        hidden: Width | None = None,
        f: Activation = "silu",
        norm: Normalisation = "layer",
        dropout: Dropout = 0.0,
        init: Init = "preserving",
    ) -> None:
        super().__init__()
        inside = hidden or max(1, round(2 * width / 3))
        self.projection = nn.Linear(window * d_features, width)
        self.hidden = nn.Sequential(*(GatedBlock(width, inside, f, norm, dropout) for _ in range(depth)))
        self.norm = normalisation(norm, width)
        self.output = nn.Linear(width, n_classes)
        initialise(self, init, lambda: self._preserve(f))

    def _preserve(self, f: Activation) -> None:
        """Orthogonal maps to the residual stream and from it, and branches along it.

        The two factors of a product are independent, of mean squares E[f(z)^2] and 1. A gradient passes through both:
        half of the share that other branches have keeps it too.
        """
        connect(self.projection)
        gain = math.sqrt(SHARE / 2 / len(self.hidden)) / math.hypot(deviations(f)[0], centre(f))
        for block in self.hidden:
            assert isinstance(block, GatedBlock)
            connect(block.U)
            connect(block.G)
            connect(block.V, core=gain * orthogonal(*block.V.weight.shape))
        connect(self.output)

    def forward(self, windows: Tensor) -> Tensor:
        """(B, W, D) -> (B, C) logits."""
        logits: Tensor = self.output(self.norm(self.hidden(self.projection(windows.flatten(1)))))
        return logits
