"""Mixer: layers that mix the frames of a window, each channel by itself, alternate with layers that mix the channels.

I. Tolstikhin et al.: MLP-Mixer: An all-MLP Architecture for Vision. NeurIPS 2021, eq. 1; for speech, J. Sakuma et al.:
MLP-based architecture with variable length input for automatic speech recognition. 2022 (arXiv 2202.08456). The middle
frame is read out.

Shapes: B batch, W window (frames), D features, C classes.
"""

from torch import Tensor, nn

from architectures._blocks import FeedForward, Residual, normalise
from architectures._initialisation import Init, connect, draw_branch, initialise
from architectures._layers import Activation, Depth, Dropout, Normalisation, Width, activation, normalisation
from architectures._registry import register


class FrameMixing(Residual):
    """`x + dropout(V f(U norm(x)))` along the frames, (B, W, width) -> same; all channels share U and V."""

    def __init__(
        self, window: int, width: int, hidden: int, f: Activation, norm: Normalisation, dropout: float
    ) -> None:
        super().__init__()
        self.norm = normalisation(norm, width)
        self.U = nn.Linear(window, hidden)
        self.f = activation(f)
        self.V = nn.Linear(hidden, window)
        self.dropout = nn.Dropout(dropout)

    def branch(self, x: Tensor) -> Tensor:
        y: Tensor = self.V(self.f(self.U(normalise(self.norm, x).transpose(1, 2))))
        mixed: Tensor = self.dropout(y.transpose(1, 2))
        return mixed


class MixerBlock(nn.Module):
    """Frames mixed, then channels, (B, W, width) -> same; of the last block only the middle frame, (B, 1, width)."""

    def __init__(
        self,
        window: int,
        width: int,
        hidden: tuple[int, int],
        f: Activation,
        norm: Normalisation,
        dropout: float,
        is_last: bool,
    ) -> None:
        super().__init__()
        self.frames = FrameMixing(window, width, hidden[0], f, norm, dropout)
        self.channels = FeedForward(width, hidden[1], f, norm, dropout)
        self.middle = window // 2 if is_last else None

    def forward(self, x: Tensor) -> Tensor:
        mixed = self.frames(x)
        y: Tensor = self.channels(mixed if self.middle is None else mixed[:, self.middle : self.middle + 1])
        return y


@register
class Mixer(nn.Module):
    """
    Args:
        depth: mixer blocks, each of one mixing of frames and one of channels.
        width: channels.
        hidden: width inside a mixing of channels; `width` unless given.
        frame_hidden: width inside a mixing of frames; twice the window unless given.
    """

    def __init__(
        self,
        window: int,
        d_features: int,
        n_classes: int,
        *,
        depth: Depth = 4,
        width: Width = 256,
        hidden: Width | None = None,
        frame_hidden: Width | None = None,
        f: Activation = "gelu",
        norm: Normalisation = "layer",
        dropout: Dropout = 0.0,
        init: Init = "preserving",
    ) -> None:
        super().__init__()
        inside = frame_hidden or 2 * window, hidden or width
        self.projection = nn.Linear(d_features, width)
        self.hidden = nn.Sequential(
            *(MixerBlock(window, width, inside, f, norm, dropout, is_last=i == depth - 1) for i in range(depth))
        )
        self.norm = normalisation(norm, width)
        self.output = nn.Linear(width, n_classes)
        initialise(self, init, lambda: self._preserve(f))

    def _preserve(self, f: Activation) -> None:
        """Orthogonal maps to the residual stream and from it, and branches along it, two in each block."""
        connect(self.projection)
        for block in self.hidden:
            assert isinstance(block, MixerBlock)
            for mixing in (block.frames, block.channels):
                draw_branch(mixing.U, mixing.V, f, 2 * len(self.hidden))
        connect(self.output)

    def forward(self, windows: Tensor) -> Tensor:
        """(B, W, D) -> (B, C) logits."""
        x = self.hidden(self.projection(windows)).squeeze(1)
        logits: Tensor = self.output(self.norm(x))
        return logits
