"""Attention: transformer encoder blocks over the frames of a window, of which the middle one is read out.

A. Vaswani et al.: Attention Is All You Need. NeurIPS 2017, section 3.2, with the normalisation before each part as in
R. Xiong et al.: On Layer Normalization in the Transformer Architecture. ICML 2020. Positions are learnt.

Shapes: B batch, W window (frames), D features, C classes, H heads, Q queries: W, in the last block 1.
"""

import math
from typing import Annotated

import torch
from torch import Tensor, nn

from architectures._blocks import FeedForward, Residual, normalise
from architectures._initialisation import SHARE, Init, connect, draw_branch, initialise, orthogonal
from architectures._layers import Activation, Depth, Dropout, Normalisation, Width, normalisation
from architectures._registry import Between, register


class SelfAttention(Residual):
    """`x + dropout(O softmax(q k' / sqrt(d)) v)` with q, k, v = maps of norm(x), (B, W, width) -> (B, Q, width).

    Args:
        heads: each of `width / heads` values, rounded up.
        middle: the one frame that asks; all frames unless given.
    """

    def __init__(self, width: int, heads: int, norm: Normalisation, dropout: float, middle: int | None) -> None:
        super().__init__()
        self.heads, self.middle = heads, middle
        inside = heads * math.ceil(width / heads)
        self.norm = normalisation(norm, width)
        self.query = nn.Linear(width, inside)
        self.key = nn.Linear(width, inside, bias=False)  # a bias would add the same to all scores of a query
        self.value = nn.Linear(width, inside)
        self.output = nn.Linear(inside, width)
        self.dropout = nn.Dropout(dropout)

    def paths(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The frames that ask, and what is added to them."""
        y = normalise(self.norm, x)
        asking = slice(None) if self.middle is None else slice(self.middle, self.middle + 1)
        q, k, v = (self._by_head(part) for part in (self.query(y[:, asking]), self.key(y), self.value(y)))
        weights = torch.softmax(q @ k.transpose(2, 3) / math.sqrt(q.shape[-1]), dim=-1)
        attended = (weights @ v).transpose(1, 2).flatten(2)
        return x[:, asking], self.dropout(self.output(attended))

    def _by_head(self, y: Tensor) -> Tensor:
        """(B, P, H d) -> (B, H, P, d)."""
        return y.view(*y.shape[:2], self.heads, -1).transpose(1, 2)


@register
class Attention(nn.Module):
    """
    Args:
        depth: encoder blocks, each of self-attention and a feed-forward part.
        width: of the residual stream.
        heads: of each self-attention.
        hidden: width inside a feed-forward part; four times `width` unless given.
    """

    def __init__(
        self,
        window: int,
        d_features: int,
        n_classes: int,
        *,
        depth: Depth = 2,
        width: Width = 128,
        heads: Annotated[int, Between(1, 256)] = 4,
        hidden: Width | None = None,
        f: Activation = "gelu",
        norm: Normalisation = "layer",
        dropout: Dropout = 0.0,
        init: Init = "preserving",
    ) -> None:
        super().__init__()
        self.projection = nn.Linear(d_features, width)
        self.position = nn.Parameter(torch.randn(window, width) * 0.02)
        self.hidden = nn.Sequential(
            *(
                nn.Sequential(
                    SelfAttention(width, heads, norm, dropout, window // 2 if i == depth - 1 else None),
                    FeedForward(width, hidden or 4 * width, f, norm, dropout),
                )
                for i in range(depth)
            )
        )
        self.norm = normalisation(norm, width)
        self.output = nn.Linear(width, n_classes)
        initialise(self, init, lambda: self._preserve(f))

    def _preserve(self, f: Activation) -> None:
        """Orthogonal maps to the residual stream and from it, and branches along it, two in each block.

        A mean of values varies less than they do: self-attention begins with at most its share of the variance.
        """
        n_branches = 2 * len(self.hidden)
        connect(self.projection)
        for module in self.modules():
            if isinstance(module, SelfAttention):
                for linear in (module.query, module.key, module.value):
                    connect(linear)
                connect(module.output, core=math.sqrt(SHARE / n_branches) * orthogonal(*module.output.weight.shape))
            elif isinstance(module, FeedForward):
                draw_branch(module.U, module.V, f, n_branches)
        connect(self.output)

    def forward(self, windows: Tensor) -> Tensor:
        """(B, W, D) -> (B, C) logits."""
        x = self.hidden(self.projection(windows) + self.position).squeeze(1)
        logits: Tensor = self.output(self.norm(x))
        return logits
