"""A linear classifier of the whole window: multinomial logistic regression, the floor of any comparison."""

from torch import Tensor, nn

from architectures._layers import Dropout, Init, Normalisation, initialise, normalisation
from architectures._registry import register


@register
class Linear(nn.Module):
    """
    Args:
        norm, dropout: of the window's values, before the affine map.
    """

    def __init__(
        self,
        window: int,
        d_features: int,
        n_classes: int,
        *,
        norm: Normalisation = "none",
        dropout: Dropout = 0.0,
        init: Init = "pytorch",
    ) -> None:
        super().__init__()
        self.input = nn.Sequential(normalisation(norm, window * d_features), nn.Dropout(dropout))
        self.output = nn.Linear(window * d_features, n_classes)
        initialise(self, init)

    def forward(self, windows: Tensor) -> Tensor:
        """(B, W, D) -> (B, C) logits."""
        logits: Tensor = self.output(self.input(windows.flatten(1)))
        return logits
