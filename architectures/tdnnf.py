"""TDNN-F, the factored time-delay network: every affine map is a product of two over neighbouring times.

D. Povey et al.: Semi-Orthogonal Low-Rank Matrix Factorization for Deep Neural Networks. Interspeech 2018.

The original runs along a whole utterance; here a window is all there is, and only what its centre needs is computed.
Every layer takes a time step from each end, and the first layer splices as many frames as are then left over, so that
the whole window is seen whatever the depth. The times that a layer computes share its weights: it has fewer parameters
than operations.

Shapes: B batch, W window (frames), D features, C classes, P times that a layer still computes.
"""

import math
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn

from architectures._initialisation import SHARE, Code, Init, connect, deviations, initialise, orthogonal, set_scale
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


class FactoredLayer(nn.Module):
    """`y_t = dropout(norm(f(B [z_t, z_t+s] + b))) + scale x_t` with `z_t = A [x_t-s, x_t]`, (B, P, width) -> same,
    P less two times; or without neighbours, `z_t = A x_t` and `B z_t`, P unchanged (section 3.1 and 3.4).

    A has no bias. In training it is moved towards a multiple of a matrix with orthonormal rows before it is used:
    `A <- A - (P - a^2 I) A / (2 a^2)` with `P = A A'` and `a^2 = tr(P P') / tr(P)` (section 2, nu = 1/8, at every step
    instead of every fourth).
    """

    def __init__(
        self,
        width: int,
        bottleneck: int,
        has_neighbours: bool,
        scale: float,
        is_semi_orthogonal: bool,
        f: Activation,
        norm: Normalisation,
        dropout: float,
    ) -> None:
        super().__init__()
        self.span = 2 if has_neighbours else 1
        if is_semi_orthogonal and bottleneck > self.span * width:
            raise ValueError(
                f"bottleneck = {bottleneck} is wider than what it narrows, {self.span} x {width}: "
                "semi_orthogonal needs it no wider"
            )
        self.scale = scale
        self.is_semi_orthogonal = is_semi_orthogonal
        self.A = nn.Linear(self.span * width, bottleneck, bias=False)
        self.B = nn.Linear(self.span * bottleneck, width)
        self.f = activation(f)
        self.norm = normalisation(norm, width)
        self.dropout = nn.Dropout(dropout)

    def set_maps(self, a: Tensor, b: Tensor, code: Code, stds: Tensor) -> None:
        """Let A and B map the signal s of one layer to `b a s` of the next.

        a (bottleneck, span n), b (n, span bottleneck), stds (n): standard deviations of `b a s`, which the norm keeps.
        """
        width, std = self.B.out_features, stds.square().mean().sqrt().item()
        b = b * code.compensation(std)
        self.A.weight.copy_(torch.cat([code.read(core, width) for core in a.chunk(self.span, 1)], 1))
        self.B.weight.copy_(code.write(b, width))
        scales = deviations(code.f, code.std * code.compensation(std) * std)[1] * stds / std
        set_scale(self.norm, torch.cat([scales, scales])[:width])

    def forward(self, x: Tensor) -> Tensor:
        if self.training and self.is_semi_orthogonal and not x.is_meta:
            self.constrain()
        linear, nonlinear = self.paths(x)
        return nonlinear + linear

    def paths(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The scaled bypass, and what the layer adds to it."""
        y = self.f(self.B(_with_next(self.A(_with_next(x, self.span)), self.span)))
        y = self.norm(y.flatten(0, 1)).unflatten(0, y.shape[:2])
        nonlinear = self.dropout(y)
        return self.scale * (x[:, 1:-1] if self.span == 2 else x), nonlinear

    @torch.no_grad()
    def constrain(self) -> None:
        """One step towards semi-orthogonality, in place, in single precision whatever the rest runs in."""
        weight = self.A.weight
        with torch.autocast(weight.device.type, enabled=False):
            p = weight @ weight.T
            squared_scale = (p * p).sum() / p.trace()
            weight -= 0.5 * (p @ weight / squared_scale - weight)


def _with_next(x: Tensor, span: int) -> Tensor:
    """(B, P, d) -> (B, P - span + 1, span d): each time beside those after it."""
    return torch.cat([x[:, :-1], x[:, 1:]], dim=2) if span == 2 else x


def _product(b: Tensor, a: Tensor, span: int) -> Tensor:
    """(n, d) weights of all times that `B A` reads: `[b1 a1, b1 a2 + b2 a1, b2 a2]` with neighbours, else `b a`."""
    if span == 1:
        return b @ a
    (b1, b2), (a1, a2) = b.chunk(2, 1), a.chunk(2, 1)
    return torch.cat([b1 @ a1, b1 @ a2 + b2 @ a1, b2 @ a2], 1)


def _top_level(scale: float, n_turns: float) -> float | None:
    """Level of what is lifted every `n_turns` layers and falls by `scale` at each other, for a mean square of 1.

    None where the last to be lifted would rise by more than 1 / 0.6, or a layer can lift all.
    """
    if n_turns < 1 or scale ** (n_turns - 1) < 0.6:
        return None
    return math.sqrt(n_turns * (1 - scale**2) / (1 - scale ** (2 * n_turns)))


@register
class TDNNF(nn.Module):
    """
    Args:
        depth: factored layers; an affine layer that splices frames comes before them.
        width: of what runs through them.
        bottleneck: width between A and B; a quarter of `width` unless given.
        stride: frames between neighbouring times; 0 lets the first layer see the whole window, and no layer neighbours.
            Where depth takes more frames than the window has, the last layers are without neighbours too.
        bypass_scale: what a layer's input is multiplied by before it is added to its output.
        semi_orthogonal: whether A is constrained.
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
        bottleneck: Width | None = None,
        stride: Annotated[int, Between(0, 200)] = 1,
        bypass_scale: Annotated[float, Between(0, 1)] = 0.66,
        semi_orthogonal: bool = True,
        f: Activation = "relu",
        norm: Normalisation = "batch",
        dropout: Dropout = 0.0,
        init: Init = "preserving",
    ) -> None:
        super().__init__()
        n_delayed = min(depth, (window - 1) // (2 * stride)) if stride else 0
        self.stride = stride or 1
        self.spliced = window - 2 * stride * n_delayed
        self.splice = nn.Linear(self.spliced * d_features, width)
        self.f = activation(f)
        self.norm = normalisation(norm, width)
        bottleneck = bottleneck or max(1, width // 4)
        layers = [
            FactoredLayer(width, bottleneck, i < n_delayed, bypass_scale, semi_orthogonal, f, norm, dropout)
            for i in range(depth)
        ]
        self.hidden = nn.Sequential(*layers)
        self.output = nn.Linear(width, n_classes)
        initialise(self, init, lambda: self._preserve(f))

    def _preserve(self, f: Activation) -> None:
        """Maps of a signal that all layers pass on linearly, `s <- (scale + B A) s`, carried by pairs of units.

        With neighbours A and B are random, of variance 1 - scale^2 beside the bypass's. Without, they project on a
        part of one orthonormal basis, each layer on the next, and lift it to a level at which all parts, lowered by
        the bypass since their turn, have variance 1 together. A scale below 0.6 lowers too much for that: they are
        random then, too, whose product keeps a gradient's variance within a factor of 2 for some 16 layers.
        """
        code = Code.for_mixed(f, len(self.hidden), is_mirrored=True)
        connect(self.splice, target=code)
        set_scale(self.norm, deviations(f, code.std)[1])
        n = code.n_signals(self.splice.out_features)
        basis, levels, first = orthogonal(n, n), torch.ones(n), 0
        for layer in self.hidden:
            assert isinstance(layer, FactoredLayer)
            d, least = layer.A.out_features, SHARE / len(self.hidden)
            top = _top_level(layer.scale, n / d) if layer.span == 1 and layer.scale**2 <= 1 - least else None
            if top is None:
                a = orthogonal(d, layer.span * n)
                b = math.sqrt(max(1 - layer.scale**2, least)) * orthogonal(n, layer.span * d)
                stds = _product(b, a, layer.span).norm(dim=1)
            else:
                part = torch.arange(first, first + d) % n
                a, b = basis[part], basis[part].T * (top / levels[part] - layer.scale)
                stds = (b * levels[part]).norm(dim=1)
                levels *= layer.scale
                levels[part] = top
                first += d
            layer.set_maps(a, b, code, stds)
        connect(self.output, source=code, core=orthogonal(self.output.out_features, n) / levels @ basis)

    def forward(self, windows: Tensor) -> Tensor:
        """(B, W, D) -> (B, C) logits."""
        spliced = windows.unfold(1, self.spliced, self.stride).transpose(2, 3).flatten(2)
        x = self.f(self.splice(spliced))
        x = self.norm(x.flatten(0, 1)).unflatten(0, x.shape[:2])
        logits: Tensor = self.output(self.hidden(x).squeeze(1))
        return logits
