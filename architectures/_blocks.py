"""Pieces of architectures that keep the frames of a window apart: residual layers, frames beside their neighbours.

Shapes: B batch, P times, d width.
"""

import torch
from torch import Tensor, nn

from architectures._initialisation import Code, centre, orthogonal
from architectures._layers import Activation, Normalisation, activation, normalisation


class Residual(nn.Module):
    """`x + branch(x)`. A subclass says what the branch is, or by `paths` which part of x is added to what."""

    def branch(self, x: Tensor) -> Tensor:
        """What is added to the input."""
        raise NotImplementedError

    def paths(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x itself and what is added."""
        return x, self.branch(x)

    def forward(self, x: Tensor) -> Tensor:
        linear, nonlinear = self.paths(x)
        return linear + nonlinear


class FeedForward(Residual):
    """`x + dropout(V f(U norm(x)))` at each time, (B, P, width) -> same; all times share U and V."""

    def __init__(self, width: int, hidden: int, f: Activation, norm: Normalisation, dropout: float) -> None:
        super().__init__()
        self.norm = normalisation(norm, width)
        self.U = nn.Linear(width, hidden)
        self.f = activation(f)
        self.V = nn.Linear(hidden, width)
        self.dropout = nn.Dropout(dropout)

    def branch(self, x: Tensor) -> Tensor:
        y: Tensor = self.dropout(self.V(self.f(self.U(normalise(self.norm, x)))))
        return y


def normalise(norm: nn.Module, x: Tensor) -> Tensor:
    """(B, P, d) -> (B, P, d): a normalisation of d values at each time; batch statistics are over B and P."""
    y: Tensor = norm(x.flatten(0, 1)).unflatten(0, x.shape[:2])
    return y


def splice(x: Tensor, size: int, stride: int) -> Tensor:
    """(B, P, d) -> (B, P - (size - 1) stride, size d): each time beside those that follow it, `stride` apart."""
    n_left = x.shape[1] - (size - 1) * stride
    return torch.cat([x[:, i * stride : i * stride + n_left] for i in range(size)], dim=2)


def connect_times(linear: nn.Linear, size: int, source: Code, target: Code) -> None:
    """Set a map of `size` times of d_in units each, beside each other, to d_out units: an orthogonal one of signals."""
    d_in, d_out = linear.in_features // size, linear.out_features
    core = orthogonal(target.n_signals(d_out), size * source.n_signals(d_in))
    linear.weight.copy_(target.write(torch.cat([source.read(part, d_in) for part in core.chunk(size, 1)], 1), d_out))
    linear.bias.copy_(-centre(source.f) * linear.weight.sum(1))
