"""Highway DNN: each layer learns, value by value, how much of its input to carry past the non-linearity.

R. K. Srivastava, K. Greff, J. Schmidhuber: Highway Networks. ICML 2015 Deep Learning workshop (arXiv 1505.00387),
eq. 3: `y = H(x) T(x) + x (1 - T(x))`. Such a layer keeps its width; a plain one comes first and brings it about
(section 2.1).
"""

import math
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn

from architectures._initialisation import SHARE, Code, Init, connect, initialise, orthogonal, set_scale
from architectures._layers import (
    Activation,
    Depth,
    Dropout,
    Normalisation,
    Width,
    activation,
    normalisation,
)
from architectures._registry import Between, register


class HighwayLayer(nn.Module):
    """`H(x) T(x) + x (1 - T(x))`, (B, width) -> (B, width).

    `H = dropout(f(norm(W x + b)))`, and the gate `T = sigmoid(V x + c)`.
    """

    def __init__(self, width: int, f: Activation, norm: Normalisation, dropout: float) -> None:
        super().__init__()
        self.H = nn.Sequential(nn.Linear(width, width), normalisation(norm, width), activation(f), nn.Dropout(dropout))
        self.T = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        linear, nonlinear = self.paths(x)
        return nonlinear + linear

    def paths(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What is carried, `x (1 - T(x))`, and `H(x) T(x)`."""
        gate = torch.sigmoid(self.T(x))
        nonlinear = self.H(x) * gate
        return x * (1 - gate), nonlinear


@register
class Highway(nn.Module):
    """
    Args:
        depth: highway layers, of two affine maps each; a plain layer comes before them.
        width: of all of them.
        gate_bias: c at the start; negative, so that a deep network begins by carrying (section 2.2).
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
        gate_bias: Annotated[float, Between(-20, 20)] = -1.0,
        f: Activation = "relu",
        norm: Normalisation = "none",
        dropout: Dropout = 0.0,
        init: Init = "preserving",
    ) -> None:
        super().__init__()
        self.projection = nn.Sequential(
            nn.Linear(window * d_features, width), normalisation(norm, width), activation(f), nn.Dropout(dropout)
        )
        self.hidden = nn.Sequential(*(HighwayLayer(width, f, norm, dropout) for _ in range(depth)))
        self.output = nn.Linear(width, n_classes)
        initialise(self, init, lambda: self._preserve(f))
        for layer in self.hidden:
            assert isinstance(layer, HighwayLayer)
            nn.init.constant_(layer.T.bias, gate_bias)

    def _preserve(self, f: Activation) -> None:
        """H gives back its input but for a small random map, and so does the mixture, whatever the gates' biases.

        Gates begin without weights: open as far as their biases say.
        """
        code = Code.for_carried(f, len(self.hidden))
        linear, norm, *_ = self.projection
        assert isinstance(linear, nn.Linear)
        connect(linear, target=code)
        set_scale(norm, code.std)
        for layer in self.hidden:
            assert isinstance(layer, HighwayLayer)
            linear, norm, *_ = layer.H
            assert isinstance(linear, nn.Linear)
            n = code.n_signals(linear.in_features)
            core = torch.eye(n) + math.sqrt(SHARE / len(self.hidden)) * orthogonal(n, n)
            connect(linear, source=code, target=code, core=core)
            set_scale(norm, code.std)
            nn.init.zeros_(layer.T.weight)
        connect(self.output, source=code)

    def forward(self, windows: Tensor) -> Tensor:
        """(B, W, D) -> (B, C) logits."""
        logits: Tensor = self.output(self.hidden(self.projection(windows.flatten(1))))
        return logits
