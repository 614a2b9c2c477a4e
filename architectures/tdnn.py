"""TDNN, the time-delay network: each layer maps a few neighbouring times, and deeper layers see more of the window.

A. Waibel, T. Hanazawa, G. Hinton, K. Shikano, K. Lang: Phoneme Recognition Using Time-Delay Neural Networks. IEEE
Transactions on Acoustics, Speech and Signal Processing 37(3), 1989. V. Peddinti, D. Povey, S. Khudanpur: A time delay
neural network architecture for efficient modeling of long temporal contexts. Interspeech 2015.

As in `tdnnf`, only what the window's centre needs is computed, and the first layer splices as many frames as the layers
after it leave over: the whole window is seen whatever the depth.

Shapes: B batch, W window (frames), D features, C classes, P times that a layer still computes.
"""

from typing import Annotated

from torch import Tensor, nn

from architectures._blocks import connect_times, normalise, splice
from architectures._initialisation import Code, Init, connect, initialise, set_scale
from architectures._layers import Activation, Depth, Dropout, Normalisation, Width, activation, normalisation
from architectures._registry import Between, register


class TimeDelayLayer(nn.Module):
    """`y_t = dropout(f(norm(A [x_t-s, x_t, x_t+s] + b)))`, (B, P, d_in) -> (B, P - 2 s, width); with s = 0, of x_t."""

    def __init__(self, d_in: int, width: int, stride: int, f: Activation, norm: Normalisation, dropout: float) -> None:
        super().__init__()
        self.stride = stride
        self.n_times = 3 if stride else 1
        self.A = nn.Linear(self.n_times * d_in, width)
        self.f = activation(f)
        self.norm = normalisation(norm, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.dropout(self.f(normalise(self.norm, self.A(splice(x, self.n_times, self.stride)))))
        return y


@register
class TDNN(nn.Module):
    """
    Args:
        depth: time-delay layers, the one that splices frames among them.
        width: of all of them.
        stride: frames between the times that a layer maps. Where the window has no frames left, layers map one time.
    """

    def __init__(
        self,
        window: int,
        d_features: int,
        n_classes: int,
        *,
        depth: Depth = 4,
        width: Width = 512,
        stride: Annotated[int, Between(1, 200)] = 1,
        f: Activation = "relu",
        norm: Normalisation = "none",
        dropout: Dropout = 0.0,
        init: Init = "preserving",
    ) -> None:
        super().__init__()
        n_delayed = min(depth - 1, (window - 1) // (2 * stride))
        self.splice_size = window - 2 * stride * n_delayed
        strides = [stride] * n_delayed + [0] * (depth - 1 - n_delayed)
        first = TimeDelayLayer(self.splice_size * d_features, width, 0, f, norm, dropout)
        self.hidden = nn.Sequential(first, *(TimeDelayLayer(width, width, s, f, norm, dropout) for s in strides))
        self.output = nn.Linear(width, n_classes)
        initialise(self, init, lambda: self._preserve(f))

    def _preserve(self, f: Activation) -> None:
        """Orthogonal maps of a signal that all layers pass on linearly."""
        code = Code.for_mixed(f, len(self.hidden))
        for i, layer in enumerate(self.hidden):
            assert isinstance(layer, TimeDelayLayer)
            if i:
                connect_times(layer.A, layer.n_times, code, code)
            else:
                connect(layer.A, target=code)
            set_scale(layer.norm, code.std)
        connect(self.output, source=code)

    def forward(self, windows: Tensor) -> Tensor:
        """(B, W, D) -> (B, C) logits."""
        logits: Tensor = self.output(self.hidden(splice(windows, self.splice_size, 1)).squeeze(1))
        return logits
