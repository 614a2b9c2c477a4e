"""Maxout DNN: each unit gives the largest of several affine maps of its input.

I. Goodfellow, D. Warde-Farley, M. Mirza, A. Courville, Y. Bengio: Maxout Networks. ICML 2013, section 3; for speech, Y.
Miao, F. Metze, S. Rawat: Deep maxout networks for low-resource speech recognition. ASRU 2013.
"""

import math
from typing import Annotated

import torch
from torch import Tensor, nn

from architectures._initialisation import SHARE, Init, connect, initialise, orthogonal
from architectures._layers import Depth, Dropout, Normalisation, Width, normalisation
from architectures._registry import Between, register


class MaxoutLayer(nn.Module):
    """`dropout(norm(max_j (A_j x + b_j)))`, (B, d_in) -> (B, width), over the pieces j."""

    def __init__(self, d_in: int, width: int, pieces: int, norm: Normalisation, dropout: float) -> None:
        super().__init__()
        self.pieces = pieces
        self.A = nn.Linear(d_in, pieces * width)
        self.norm = normalisation(norm, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        largest = self.A(x).unflatten(1, (self.pieces, -1)).amax(dim=1)
        y: Tensor = self.dropout(self.norm(largest))
        return y


@register
class Maxout(nn.Module):
    """
    Args:
        depth: hidden layers.
        width: units of each.
        pieces: affine maps of each unit.
    """

    def __init__(
        self,
        window: int,
        d_features: int,
        n_classes: int,
        *,
        depth: Depth = 4,
        width: Width = 512,
        pieces: Annotated[int, Between(2, 16)] = 2,
        norm: Normalisation = "none",
        dropout: Dropout = 0.0,
        init: Init = "preserving",
    ) -> None:
        super().__init__()
        d_in = window * d_features
        self.hidden = nn.Sequential(
            *(MaxoutLayer(width if i else d_in, width, pieces, norm, dropout) for i in range(depth))
        )
        self.output = nn.Linear(width, n_classes)
        initialise(self, init, self._preserve)

    def _preserve(self) -> None:
        """The pieces of a layer are one orthogonal map and a small random one each, by which they differ."""
        std = math.sqrt(SHARE / len(self.hidden))
        for layer in self.hidden:
            assert isinstance(layer, MaxoutLayer)
            d_out, d_in = layer.A.out_features // layer.pieces, layer.A.in_features
            shared = orthogonal(d_out, d_in)
            layer.A.weight.copy_(torch.cat([shared + std * orthogonal(d_out, d_in) for _ in range(layer.pieces)]))
        connect(self.output)

    def forward(self, windows: Tensor) -> Tensor:
        """(B, W, D) -> (B, C) logits."""
        logits: Tensor = self.output(self.hidden(windows.flatten(1)))
        return logits
