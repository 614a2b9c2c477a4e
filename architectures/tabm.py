"""TabM: an ensemble of MLPs that share all weights but a vector before and after each map, trained as one model.

Y. Gorishniy, A. Kotelnikov, A. Babenko: TabM: Advancing Tabular Deep Learning with Parameter-Efficient Ensembling. ICLR
2025 (arXiv 2410.24210), section 3.3, after Y. Wen, D. Tran, J. Ba: BatchEnsemble. ICLR 2020.

In training each member has its own loss on every frame; otherwise posteriors are the mean of the members'.

Shapes: B batch, W window (frames), D features, C classes, K members.
"""

import math
from typing import Annotated

import torch
from torch import Tensor, nn

from architectures._blocks import normalise
from architectures._initialisation import Code, Init, centre, connect, initialise, set_scale
from architectures._layers import Activation, Depth, Dropout, Normalisation, Width, activation, normalisation
from architectures._registry import Between, register


class EnsembleLayer(nn.Module):
    """`dropout(f(norm(s_k * A (r_k * x_k) + b_k)))`, (B, K, d_in) -> (B, K, width); A is shared.

    `is_first`: r_k begins with random signs, so that members differ; else all r_k and s_k begin as ones.
    """

    def __init__(
        self, d_in: int, width: int, members: int, is_first: bool, f: Activation, norm: Normalisation, dropout: float
    ) -> None:
        super().__init__()
        signs = torch.randint(2, (members, d_in)) * 2.0 - 1
        self.r = nn.Parameter(signs if is_first else torch.ones(members, d_in))
        self.A = nn.Linear(d_in, width, bias=False)
        self.s = nn.Parameter(torch.ones(members, width))
        self.b = nn.Parameter(torch.zeros(members, width))
        self.norm = normalisation(norm, width)
        self.f = activation(f)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.dropout(self.f(normalise(self.norm, self.s * self.A(self.r * x) + self.b)))
        return y


@register
class TabM(nn.Module):
    """
    Args:
        depth, width: hidden layers and their width.
        members: of the ensemble; each computes as much as the whole of an `ffdnn`. The paper has 32.
    """

    def __init__(
        self,
        window: int,
        d_features: int,
        n_classes: int,
        *,
        depth: Depth = 3,
        width: Width = 512,
        members: Annotated[int, Between(1, 256)] = 8,
        f: Activation = "relu",
        norm: Normalisation = "none",
        dropout: Dropout = 0.0,
        init: Init = "preserving",
    ) -> None:
        super().__init__()
        d_in = window * d_features
        self.hidden = nn.Sequential(
            *(EnsembleLayer(width if i else d_in, width, members, i == 0, f, norm, dropout) for i in range(depth))
        )
        self.outputs = nn.ModuleList(nn.Linear(width, n_classes) for _ in range(members))
        self.members = members
        initialise(self, init, lambda: self._preserve(f))

    def _preserve(self, f: Activation) -> None:
        """Orthogonal maps of a signal that all layers pass on linearly, which signs leave orthogonal."""
        code = Code.for_mixed(f, len(self.hidden))
        for i, layer in enumerate(self.hidden):
            assert isinstance(layer, EnsembleLayer)
            connect(layer.A, source=code if i else None, target=code)
            if i:
                layer.b.copy_(-centre(f) * layer.A.weight.sum(1))
            set_scale(layer.norm, code.std)
        for output in self.outputs:
            assert isinstance(output, nn.Linear)
            connect(output, source=code)

    def forward(self, windows: Tensor) -> Tensor:
        """(B, W, D) -> (B, C) log posteriors; in training (B, K, C) logits of the members."""
        x = self.hidden(windows.flatten(1)[:, None].expand(-1, self.members, -1))
        logits = torch.stack([output(x[:, k]) for k, output in enumerate(self.outputs)], dim=1)
        if self.training:
            return logits
        return logits.log_softmax(2).logsumexp(1) - math.log(self.members)
