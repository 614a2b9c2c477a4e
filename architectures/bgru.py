"""BGRU: bidirectional gated recurrent units over the frames of a window, of which the middle one is read out.

K. Cho et al.: Learning Phrase Representations using RNN Encoder-Decoder for Statistical Machine Translation. EMNLP
2014, with the reset gate after the map, as in most implementations; M. Ravanelli et al.: Light Gated Recurrent Units
for Speech Recognition. IEEE Transactions on Emerging Topics in Computational Intelligence 2(2), 2018, compares such
for phonemes. A bypass runs around each layer, as in `blstm`.
"""

import torch
from torch import Tensor

from architectures._recurrent import Bidirectional, Cell
from architectures._registry import register


class GRUCell(Cell):
    """`h <- z h + (1 - z) tanh(a x + r (b h))` with gates r and z of x and h."""

    n_gates = 3

    def step(self, gates: Tensor, recurrent: Tensor, state: list[Tensor]) -> list[Tensor]:
        (r, z, n), (r_h, z_h, n_h) = gates.chunk(3, 1), recurrent.chunk(3, 1)
        update = torch.sigmoid(z + z_h)
        candidate = torch.tanh(n + torch.sigmoid(r + r_h) * n_h)
        return [update * state[0] + (1 - update) * candidate] * 2


@register
class BGRU(Bidirectional):
    """Bidirectional layers of GRU cells; `Bidirectional` has the settings."""

    cell = GRUCell
