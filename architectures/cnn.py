"""CNN: residual one-dimensional convolutions over the frames of a window, all of whose times the output reads.

Convolutions along time as O. Abdel-Hamid et al.: Convolutional Neural Networks for Speech Recognition. IEEE/ACM
Transactions on Audio, Speech, and Language Processing 22(10), 2014, compares them; the unit is the pre-activation one
of K. He et al.: Identity Mappings in Deep Residual Networks. ECCV 2016, eq. 1.

Shapes: B batch, W window (frames), D features, C classes, P = W times.
"""

from typing import Annotated

from torch import Tensor, nn
from torch.nn import functional as F

from architectures._blocks import Residual, normalise, splice
from architectures._initialisation import Init, connect, draw_branch, initialise
from architectures._layers import Activation, Depth, Dropout, Normalisation, Width, activation, normalisation
from architectures._registry import Between, register


class ConvolutionalBlock(Residual):
    """`x + dropout(V f(U * norm(x)))`, (B, P, width) -> same; U is a convolution of `kernel` times, V of one.

    Times before and after the window are zeros.
    """

    def __init__(self, width: int, kernel: int, f: Activation, norm: Normalisation, dropout: float) -> None:
        super().__init__()
        self.kernel = kernel
        self.norm = normalisation(norm, width)
        self.U = nn.Linear(kernel * width, width)
        self.f = activation(f)
        self.V = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def branch(self, x: Tensor) -> Tensor:
        n = self.kernel // 2
        neighbours = splice(F.pad(normalise(self.norm, x), (0, 0, n, n)), self.kernel, 1)
        y: Tensor = self.dropout(self.V(self.f(self.U(neighbours))))
        return y


@register
class CNN(nn.Module):
    """
    Args:
        depth: convolutional blocks, each of a convolution over `kernel` times and one over a single time.
        width: channels.
        kernel: times that a convolution sees; odd.
    """

    def __init__(
        self,
        window: int,
        d_features: int,
        n_classes: int,
        *,
        depth: Depth = 4,
        width: Width = 128,
        kernel: Annotated[int, Between(1, 201)] = 3,
        f: Activation = "relu",
        norm: Normalisation = "layer",
        dropout: Dropout = 0.0,
        init: Init = "preserving",
    ) -> None:
        super().__init__()
        if kernel % 2 == 0:
            raise ValueError(f"kernel = {kernel} has no middle: give an odd number of frames")
        self.projection = nn.Linear(d_features, width)
        self.hidden = nn.Sequential(*(ConvolutionalBlock(width, kernel, f, norm, dropout) for _ in range(depth)))
        self.norm = normalisation(norm, width)
        self.output = nn.Linear(window * width, n_classes)
        initialise(self, init, lambda: self._preserve(f))

    def _preserve(self, f: Activation) -> None:
        """Orthogonal maps to the residual stream and from it, and branches along it."""
        connect(self.projection)
        for block in self.hidden:
            assert isinstance(block, ConvolutionalBlock)
            draw_branch(block.U, block.V, f, len(self.hidden))
        connect(self.output)

    def forward(self, windows: Tensor) -> Tensor:
        """(B, W, D) -> (B, C) logits."""
        x = self.hidden(self.projection(windows))
        logits: Tensor = self.output(normalise(self.norm, x).flatten(1))
        return logits
