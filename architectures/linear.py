"""A linear classifier of the whole window: multinomial logistic regression, the floor of any comparison."""

from torch import Tensor, nn

from architectures._registry import register


@register
class Linear(nn.Module):
    def __init__(self, window: int, d_features: int, n_classes: int) -> None:
        super().__init__()
        self.output = nn.Linear(window * d_features, n_classes)

    def forward(self, windows: Tensor) -> Tensor:
        """(B, W, D) -> (B, C) logits."""
        return self.output(windows.flatten(1))
