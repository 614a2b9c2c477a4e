"""Recurrent layers over the frames of a window, in both directions, written out step by step.

They are written with affine maps, not with PyTorch's fused layers, so that they can be captured, vectorised over models
and exported as all else here; the products of all frames with the input's weights are one.

Shapes: B batch, P times, d width of the residual stream, h width of a direction, d = h_forward + h_backward.
"""

import math
from typing import ClassVar

import torch
from torch import Tensor, nn

from architectures._blocks import Residual, normalise
from architectures._initialisation import SHARE, Init, connect, initialise, orthogonal
from architectures._layers import Depth, Dropout, Normalisation, Width, normalisation


class Cell(nn.Module):
    """One direction: (B, P, d) -> (B, P, h) states; a subclass has a step. `n_gates` maps of width h.

    The candidate's map is the last one.
    """

    n_gates: int

    def __init__(self, d_in: int, width: int) -> None:
        super().__init__()
        self.width = width
        self.input = nn.Linear(d_in, self.n_gates * width)
        self.recurrent = nn.Linear(width, self.n_gates * width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        state = [x.new_zeros(x.shape[0], self.width)] * 2
        states = []
        for gates in self.input(x).unbind(1):
            state = self.step(gates, self.recurrent(state[0]), state)
            states.append(state[0])
        return torch.stack(states, dim=1)

    def step(self, gates: Tensor, recurrent: Tensor, state: list[Tensor]) -> list[Tensor]:
        """The next state, whose first entry is the output, from both maps (B, n_gates h) and the state before."""
        raise NotImplementedError

    def begin(self) -> None:
        """Set what begins alike under every initialisation; nothing in general."""

    def preserve(self, std: float) -> None:
        """Orthogonal maps for each gate; states begin with at most this standard deviation for inputs of variance 1."""
        d_in = self.input.in_features
        cores = [orthogonal(self.width, d_in) for _ in range(self.n_gates)]
        self.input.weight.copy_(torch.cat([*cores[:-1], std * cores[-1]]))
        self.recurrent.weight.copy_(torch.cat([orthogonal(self.width, self.width) for _ in range(self.n_gates)]))


class BidirectionalLayer(Residual):
    """`x + dropout([forward, backward])` of norm(x), (B, P, d) -> same; of the last layer only the middle, (B, 1, d).

    Forward states at the middle depend on no time after it, backward states on none before it.
    """

    def __init__(
        self,
        cell: type[Cell],
        width: int,
        norm: Normalisation,
        dropout: float,
        middle: int | None,
    ) -> None:
        super().__init__()
        self.norm = normalisation(norm, width)
        self.ahead = cell(width, math.ceil(width / 2))
        self.back = cell(width, width // 2) if width > 1 else None
        self.dropout = nn.Dropout(dropout)
        self.middle = middle

    def branch(self, x: Tensor) -> Tensor:
        z = normalise(self.norm, x)
        if self.middle is None:
            states = [self.ahead(z)] + ([self.back(z.flip(1)).flip(1)] if self.back else [])
        else:
            states = [self.ahead(z[:, : self.middle + 1])[:, -1:]]
            if self.back:
                states.append(self.back(z[:, self.middle :].flip(1))[:, -1:])
        y: Tensor = self.dropout(torch.cat(states, dim=2))
        return y

    def paths(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The input at the times that are computed, and what is added to it."""
        return x if self.middle is None else x[:, self.middle : self.middle + 1], self.branch(x)


class Bidirectional(nn.Module):
    """A map of each frame, bidirectional layers with a bypass around each, and a linear output of the middle frame.

    A subclass names its cell.

    Args:
        depth: bidirectional layers.
        width: of both directions of a layer together.
    """

    cell: ClassVar[type[Cell]]

    def __init__(
        self,
        window: int,
        d_features: int,
        n_classes: int,
        *,
        depth: Depth = 2,
        width: Width = 256,
        norm: Normalisation = "layer",
        dropout: Dropout = 0.0,
        init: Init = "preserving",
    ) -> None:
        super().__init__()
        self.projection = nn.Linear(d_features, width)
        middles = [None] * (depth - 1) + [window // 2]
        self.hidden = nn.Sequential(
            *(BidirectionalLayer(self.cell, width, norm, dropout, middle) for middle in middles)
        )
        self.norm = normalisation(norm, width)
        self.output = nn.Linear(width, n_classes)
        initialise(self, init, self._preserve)
        for cell in self._cells():
            cell.begin()

    def _cells(self) -> list[Cell]:
        return [module for module in self.modules() if isinstance(module, Cell)]

    def _preserve(self) -> None:
        """Orthogonal maps to the residual stream and from it; states of a share of the variance are added to it."""
        connect(self.projection)
        for cell in self._cells():
            cell.preserve(math.sqrt(SHARE / len(self.hidden)))
        connect(self.output)

    def forward(self, windows: Tensor) -> Tensor:
        """(B, W, D) -> (B, C) logits."""
        x = self.hidden(self.projection(windows)).squeeze(1)
        logits: Tensor = self.output(self.norm(x))
        return logits
