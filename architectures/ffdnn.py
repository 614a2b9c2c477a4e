"""FF-DNN, the plain feed-forward network: `depth` times `dropout(f(norm(W x + b)))`, then a linear output."""

from typing import ClassVar

from torch import Tensor, nn

from architectures._layers import (
    Activation,
    Depth,
    Dropout,
    Init,
    Normalisation,
    Shape,
    Width,
    activation,
    hidden_widths,
    initialise,
    normalisation,
)
from architectures._registry import register


@register
class FFDNN(nn.Module):
    """
    Args:
        depth, width: hidden layers and the width of the widest.
        shape: how their widths run, `hidden_widths` says exactly.
        widths: the width of each hidden layer, instead of the three above.
    """

    replaces: ClassVar = {"widths": ("depth", "width", "shape")}

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
        f: Activation = "relu",
        norm: Normalisation = "none",
        dropout: Dropout = 0.0,
        init: Init = "kaiming",
    ) -> None:
        super().__init__()
        d_in = window * d_features
        layers: list[nn.Module] = []
        for d_out in hidden_widths(depth, width, widths, shape):
            layers += [nn.Linear(d_in, d_out), normalisation(norm, d_out), activation(f), nn.Dropout(dropout)]
            d_in = d_out
        self.hidden = nn.Sequential(*layers)
        self.output = nn.Linear(d_in, n_classes)
        initialise(self, init)

    def forward(self, windows: Tensor) -> Tensor:
        """(B, W, D) -> (B, C) logits."""
        logits: Tensor = self.output(self.hidden(windows.flatten(1)))
        return logits
