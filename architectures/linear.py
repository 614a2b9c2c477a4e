"""A linear classifier of the whole window: multinomial logistic regression, the floor of any comparison."""

from typing import ClassVar

from torch import Tensor, nn

from architectures._initialisation import Init, connect, initialise
from architectures._layers import Dropout, Normalisation, normalisation
from architectures._registry import register


@register
class Linear(nn.Module):
    """
    Args:
        norm, dropout: of the window's values, before the affine map.
    """

    first_defaults: ClassVar = {"init": "pytorch"}

    def __init__(
        self,
        window: int,
        d_features: int,
        n_classes: int,
        *,
        norm: Normalisation = "none",
        dropout: Dropout = 0.0,
        init: Init = "preserving",
    ) -> None:
        super().__init__()
        self.input = nn.Sequential(normalisation(norm, window * d_features), nn.Dropout(dropout))
        self.output = nn.Linear(window * d_features, n_classes)
        initialise(self, init, self._preserve)

    def _preserve(self) -> None:
        """One orthogonal map."""
        connect(self.output)

    def forward(self, windows: Tensor) -> Tensor:
        """(B, W, D) -> (B, C) logits."""
        logits: Tensor = self.output(self.input(windows.flatten(1)))
        return logits
