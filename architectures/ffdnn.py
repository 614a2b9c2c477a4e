"""FF-DNN, the plain feed-forward network: `depth` times `dropout(f(norm(W x + b)))`, then a linear output."""

from typing import ClassVar

from torch import Tensor, nn

from architectures._initialisation import Code, Init, connect, initialise, set_scale
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


@register
class FFDNN(nn.Module):
    """
    Args:
        depth, width: hidden layers and the width of the widest.
        shape: how their widths run, `hidden_widths` says exactly.
        widths: the width of each hidden layer, instead of the three above.
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
        f: Activation = "relu",
        norm: Normalisation = "none",
        dropout: Dropout = 0.0,
        init: Init = "preserving",
    ) -> None:
        super().__init__()
        d_in = window * d_features
        layers: list[nn.Module] = []
        for d_out in hidden_widths(depth, width, widths, shape):
            layers += [nn.Linear(d_in, d_out), normalisation(norm, d_out), activation(f), nn.Dropout(dropout)]
            d_in = d_out
        self.hidden = nn.Sequential(*layers)
        self.output = nn.Linear(d_in, n_classes)
        initialise(self, init, lambda: self._preserve(f))

    def _preserve(self, f: Activation) -> None:
        """Orthogonal maps of a signal that all layers pass on linearly."""
        maps = [module for module in self.hidden if isinstance(module, nn.Linear)]
        code = Code.for_mixed(f, len(maps))
        for i, linear in enumerate(maps):
            connect(linear, source=code if i else None, target=code)
        for module in self.hidden:
            set_scale(module, code.std)
        connect(self.output, source=code)

    def forward(self, windows: Tensor) -> Tensor:
        """(B, W, D) -> (B, C) logits."""
        logits: Tensor = self.output(self.hidden(windows.flatten(1)))
        return logits
