"""Pieces of architectures that keep the frames of a window apart: residual layers, frames beside their neighbours.

Shapes: B batch, P times, d width.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from architectures._initialisation import Code, orthogonal


class Residual(nn.Module):
    """`x + branch(x)`, of one shape. A subclass says what the branch is."""

    def branch(self, x: Tensor) -> Tensor:
        """What is added to the input."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        return x + self.branch(x)

    def paths(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x itself and what is added."""
        return x, self.branch(x)


def normalised(norm: nn.Module, x: Tensor) -> Tensor:
    """(B, P, d) -> (B, P, d): a normalisation of d values at each time; batch statistics are over B and P."""
    y: Tensor = norm(x.flatten(0, 1)).unflatten(0, x.shape[:2])
    return y


def spliced(x: Tensor, size: int, stride: int) -> Tensor:
    """(B, P, d) -> (B, P - (size - 1) stride, size d): each time beside those that follow it, `stride` apart."""
    n_left = x.shape[1] - (size - 1) * stride
    return torch.cat([x[:, i * stride : i * stride + n_left] for i in range(size)], dim=2)


def padded(x: Tensor, n: int) -> Tensor:
    """(B, P, d) -> (B, n + P + n, d), zeros before and after."""
    return F.pad(x, (0, 0, n, n))


def connect_times(linear: nn.Linear, size: int, source: Code, target: Code) -> None:
    """Set a map of `size` times of d_in units each, beside each other, to d_out units: an orthogonal one of signals."""
    d_in, d_out = linear.in_features // size, linear.out_features
    core = orthogonal(target.n_signals(d_out), size * source.n_signals(d_in))
    linear.weight.copy_(target.write(torch.cat([source.read(part, d_in) for part in core.chunk(size, 1)], 1), d_out))
    linear.bias.copy_(-(0.5 if source.f == "sigmoid" else 0.0) * linear.weight.sum(1))
