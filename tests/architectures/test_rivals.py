"""Architectures against PyTorch's own layers and against their equations spelled out.

Shapes: B batch, W window (frames), D features, C classes, K members.
"""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import architectures
from architectures._recurrent import Cell
from architectures.attention import SelfAttention
from architectures.bgru import GRUCell
from architectures.blstm import LSTMCell
from harness.settings import Training
from harness.training.trainer import loss_and_logits

B, W, D, C = 6, 7, 4, 5


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def build(name: str, **params: object) -> nn.Module:
    return architectures.build(name, W, D, C, {"init": "kaiming", **params}).eval()


@pytest.mark.parametrize(
    ("make", "reference", "order"), [(LSTMCell, nn.LSTM, [0, 1, 3, 2]), (GRUCell, nn.GRU, [0, 1, 2])]
)
def test_recurrent_cells_are_those_of_pytorch(make: type[Cell], reference: type[nn.RNNBase], order: list[int]) -> None:
    """`order`: PyTorch's gates, by their places here."""
    cell, other = make(3, 6), reference(3, 6, batch_first=True)
    with torch.no_grad():
        for own, name in ((cell.input.weight, "weight_ih_l0"), (cell.recurrent.weight, "weight_hh_l0")):
            getattr(other, name).copy_(torch.cat([own.chunk(len(order))[i] for i in order]))
        other.bias_ih_l0.copy_(torch.cat([cell.input.bias.chunk(len(order))[i] for i in order]))
        other.bias_hh_l0.zero_()
    x = torch.randn(B, W, 3)
    torch.testing.assert_close(cell(x), other(x)[0])


def test_the_forget_gate_of_an_lstm_begins_open() -> None:
    cells = [module for module in build("blstm", width=6).modules() if isinstance(module, LSTMCell)]
    assert len(cells) == 4
    assert all((cell.input.bias.chunk(4)[1] == 1).all() for cell in cells)


@pytest.mark.parametrize("name", ["blstm", "bgru"])
@pytest.mark.parametrize("width", [1, 5])
def test_a_last_recurrent_layer_computes_what_the_middle_needs_and_no_more(name: str, width: int) -> None:
    model = build(name, depth=2, width=width)
    windows = torch.randn(B, W, D)
    logits = model(windows)
    model.hidden[-1].middle = None
    whole = model.hidden(model.projection(windows))[:, W // 2]
    torch.testing.assert_close(model.output(model.norm(whole)), logits)


@pytest.mark.parametrize("name", ["attention", "mixer"])
def test_a_last_block_computes_the_middle_frame_alone(name: str) -> None:
    model = build(name, depth=2, width=8)
    windows = torch.randn(B, W, D)
    logits = model(windows)
    last = model.hidden[-1][0] if name == "attention" else model.hidden[-1]
    last.middle = None
    position = model.position if name == "attention" else 0
    whole = model.hidden(model.projection(windows) + position)[:, W // 2]
    torch.testing.assert_close(model.output(model.norm(whole)), logits)


@pytest.mark.parametrize(("width", "heads"), [(8, 2), (7, 3)])
def test_self_attention_is_that_of_pytorch(width: int, heads: int) -> None:
    own, x = SelfAttention(width, heads, "none", 0.0, None), torch.randn(B, W, width)
    q, k, v = (part(x).view(B, W, heads, -1).transpose(1, 2) for part in (own.query, own.key, own.value))
    attended = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
    torch.testing.assert_close(own(x), x + own.output(attended))


@pytest.mark.parametrize("kernel", [1, 3, 9])
def test_a_block_of_cnn_is_a_convolution(kernel: int) -> None:
    block, x = build("cnn", width=6, kernel=kernel).hidden[0], torch.randn(B, W, 6)
    weight = block.U.weight.view(6, kernel, 6).transpose(1, 2)
    convolved = F.conv1d(block.norm(x).transpose(1, 2), weight, block.U.bias, padding=kernel // 2).transpose(1, 2)
    torch.testing.assert_close(block(x), x + block.V(convolved.relu()))


def test_an_even_kernel_is_refused() -> None:
    with pytest.raises(ValueError, match="kernel = 4 has no middle: give an odd number of frames"):
        build("cnn", kernel=4)


@pytest.mark.parametrize(("depth", "stride", "n_delayed"), [(1, 1, 0), (3, 1, 2), (3, 2, 1), (6, 1, 3)])
def test_layers_of_tdnn_are_dilated_convolutions_that_see_the_whole_window(
    depth: int, stride: int, n_delayed: int
) -> None:
    model = build("tdnn", depth=depth, width=6, stride=stride)
    windows = torch.randn(B, W, D)
    first, *others = model.hidden
    size = W - 2 * stride * n_delayed
    assert first.A.in_features == size * D
    weight = first.A.weight.view(6, size, D).transpose(1, 2)
    x = F.conv1d(windows.transpose(1, 2), weight, first.A.bias).relu()
    for i, layer in enumerate(others):
        taps = 3 if i < n_delayed else 1
        weight = layer.A.weight.view(6, taps, 6).transpose(1, 2)
        x = F.conv1d(x, weight, layer.A.bias, dilation=stride).relu()
    assert x.shape[2] == 1
    torch.testing.assert_close(model(windows), model.output(x.squeeze(2)))


def test_a_gated_block_multiplies_two_maps() -> None:
    block, x = build("swiglu", width=6).hidden[0], torch.randn(B, 6)
    z = F.layer_norm(x, (6,))
    torch.testing.assert_close(block(x), x + block.V(F.silu(block.U(z)) * block.G(z)))
    assert block.V.in_features == 4


def test_a_maxout_unit_is_the_largest_of_its_maps() -> None:
    layer, x = build("maxout", width=6, pieces=3).hidden[0], torch.randn(B, W * D)
    maps = [x @ layer.A.weight[j * 6 : j * 6 + 6].T + layer.A.bias[j * 6 : j * 6 + 6] for j in range(3)]
    torch.testing.assert_close(layer(x), torch.stack(maps).max(0).values)


def test_members_of_tabm_are_mlps_of_shared_weights_with_a_loss_each_and_a_common_posterior() -> None:
    model = build("tabm", depth=2, width=6, members=3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    windows, labels = torch.randn(B, W, D), torch.randint(C, (B,))
    members = []
    for k, output in enumerate(model.outputs):
        x = windows.flatten(1)
        for layer in model.hidden:
            x = (layer.s[k] * (layer.A.weight @ (layer.r[k] * x).T).T + layer.b[k]).relu()
        members.append(output(x))
    posterior = torch.stack([member.softmax(1) for member in members]).mean(0)
    torch.testing.assert_close(model(windows), posterior.log())
    loss, logits = loss_and_logits(model.train(), Training(label_smoothing=0.1), windows, labels, "fp32")
    of_members = [F.cross_entropy(member, labels, label_smoothing=0.1) for member in members]
    torch.testing.assert_close(loss, torch.stack(of_members).mean())
    torch.testing.assert_close(logits, posterior.log())
