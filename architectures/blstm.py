"""BLSTM: bidirectional long short-term memory over the frames of a window, of which the middle one is read out.

S. Hochreiter, J. Schmidhuber: Long Short-Term Memory. Neural Computation 9(8), 1997, with forget gates (F. Gers et al.
2000); for frames of speech in both directions, A. Graves, J. Schmidhuber: Framewise phoneme classification with
bidirectional LSTM and other neural network architectures. Neural Networks 18, 2005. A bypass around each layer, as in
Y. Wu et al. 2016 (arXiv 1609.08144), section 3.1, lets many be trained.
"""

import torch
from torch import Tensor, nn

from architectures._recurrent import Bidirectional, Cell
from architectures._registry import register


class LSTMCell(Cell):
    """`c <- s(f) c + s(i) tanh(g)`, `h = s(o) tanh(c)`; i, f, o and g are maps of x and h, s the logistic function.

    The forget gate's bias begins at 1 (R. Jozefowicz et al.: An Empirical Exploration of Recurrent Network
    Architectures. ICML 2015).
    """

    n_gates = 4

    def begin(self) -> None:
        nn.init.constant_(self.input.bias.view(4, -1)[1], 1.0)

    def step(self, gates: Tensor, recurrent: Tensor, state: list[Tensor]) -> list[Tensor]:
        i, f, o, g = (gates + recurrent).chunk(4, 1)
        c = torch.sigmoid(f) * state[1] + torch.sigmoid(i) * torch.tanh(g)
        return [torch.sigmoid(o) * torch.tanh(c), c]


@register
class BLSTM(Bidirectional):
    """Bidirectional layers of LSTM cells; `Bidirectional` has the settings."""

    cell = LSTMCell
