"""LA-DNN, the linearly augmented DNN: a linear path runs around the non-linearity of every layer.

P. Ghahremani, J. Droppo, M. L. Seltzer: Linearly Augmented Deep Neural Network. ICASSP 2016 (IEEE 7472646).
"""

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from architectures._initialisation import Init, connect, draw_branch, initialise
from architectures._layers import (
    Activation,
    Depth,
    Dropout,
    Normalisation,
    Shape,
    Width,
    activation,
    hidden_widths,
    normalisation,
)
from architectures._registry import register

Bypass = Literal["full", "diagonal", "identity", "scalar"]


class LinearlyAugmentedLayer(nn.Module):
    """`y = V f(U x) + T x`, (B, d_in) -> (B, d_out), the paper's eq. 1 with a bottleneck.

    U: d_in -> bottleneck and V: bottleneck -> d_out are affine. T is affine if full; diagonal (a weight per
    coefficient), scalar (one weight) and identity have no bias and need d_in = d_out.

    Raises:
        ValueError: T is not full and d_in differs from d_out.
    """

    def __init__(self, d_in: int, d_out: int, bottleneck: int, bypass: Bypass, f: Activation) -> None:
        super().__init__()
        if bypass != "full" and d_in != d_out:
            raise ValueError(
                f'bypass = "{bypass}" needs hidden layers of one width, and one goes from {d_in} to {d_out}: '
                'make them alike, or give bypass = "full"'
            )
        self.U = nn.Linear(d_in, bottleneck)
        self.f = activation(f)
        self.V = nn.Linear(bottleneck, d_out)
        self.T: nn.Module | nn.Parameter | None
        if bypass == "full":
            self.T = nn.Linear(d_in, d_out)
        elif bypass == "identity":
            self.T = None
        else:
            self.T = nn.Parameter(torch.ones(d_in if bypass == "diagonal" else 1))

    def forward(self, x: Tensor) -> Tensor:
        linear, nonlinear = self.paths(x)
        return nonlinear + linear

    def paths(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """`T x` and `V f(U x)`."""
        if self.T is None:
            linear = x
        elif isinstance(self.T, nn.Parameter):
            linear = self.T * x
        else:
            linear = self.T(x)
        return linear, self.V(self.f(self.U(x)))


@register
class LADNN(nn.Module):
    """Linearly augmented layers, the output among them; hidden layers may be followed by a norm and dropout.

    Args:
        depth, width: hidden layers and the width of the widest.
        shape: how their widths run, `hidden_widths` says exactly.
        widths: the width of each hidden layer, instead of the three above.
        bottleneck: width of the non-linear path inside every layer; half of the layer's input unless given.
        bypass: form of T between hidden layers, which are then of one width; the first layer's and the output's are
            always full.
    """

    replaces: ClassVar = {"widths": ("depth", "width", "shape")}
    first_defaults: ClassVar = {"init": "kaiming"}

    def __init__(
        self,
        window: int,
        d_features: int,
        n_classes: int,
        *,
        depth: Depth = 4,
        width: Width = 512,
        shape: Shape = "cylinder",
        widths: tuple[Width, ...] | None = None,
        bottleneck: Width | None = None,
        bypass: Bypass = "full",
        f: Activation = "relu",
        norm: Normalisation = "none",
        dropout: Dropout = 0.0,
        init: Init = "preserving",
    ) -> None:
        super().__init__()
        d_in = window * d_features
        d_hidden = hidden_widths(depth, width, widths, shape)
        if bypass != "full" and len(d_hidden) == 1:
            raise ValueError(
                f'bypass = "{bypass}" acts between hidden layers, and there is one: give depth = 2 or more'
            )
        layers: list[nn.Module] = []
        for d_out in d_hidden:
            form = bypass if layers else "full"
            layer = LinearlyAugmentedLayer(d_in, d_out, bottleneck or max(1, d_in // 2), form, f)
            layers += [layer, normalisation(norm, d_out), nn.Dropout(dropout)]
            d_in = d_out
        self.hidden = nn.Sequential(*layers)
        self.output = LinearlyAugmentedLayer(d_in, n_classes, bottleneck or max(1, d_in // 2), "full", f)
        initialise(self, init, lambda: self._preserve(f))

    def _preserve(self, f: Activation) -> None:
        """T orthogonal, or 1 as it is made; the non-linear paths, the output's among them, are branches beside it."""
        layers = [module for module in self.modules() if isinstance(module, LinearlyAugmentedLayer)]
        for layer in layers:
            if isinstance(layer.T, nn.Linear):
                connect(layer.T)
            draw_branch(layer.U, layer.V, f, len(layers))

    def forward(self, windows: Tensor) -> Tensor:
        """(B, W, D) -> (B, C) logits."""
        logits: Tensor = self.output(self.hidden(windows.flatten(1)))
        return logits
