"""Every registered architecture, and the exact ones of the design."""

import sys

import pytest
import torch

import architectures
from architectures.ladnn import LinearlyAugmentedLayer
from harness import config

SMALL = {"depth": 2, "width": 16}


def small(name):
    """Settings that make a model of this name small."""
    return {k: v for k, v in SMALL.items() if k in architectures.parameters_of(name)}


@pytest.mark.parametrize("name", architectures.names())
def test_windows_become_logits_and_every_parameter_learns(name):
    torch.manual_seed(0)
    model = architectures.build(name, 5, 4, 7, small(name))
    logits = model(torch.randn(9, 5, 4))
    assert logits.shape == (9, 7)
    logits.logsumexp(1).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


@pytest.mark.parametrize("name", architectures.names())
def test_the_size_on_the_meta_device_is_that_of_the_built_model(name):
    size = architectures.measure(name, 5, 4, 7, small(name))
    model = architectures.build(name, 5, 4, 7, small(name))
    assert size.parameters == sum(p.numel() for p in model.parameters())
    weights = sum(m.weight.numel() for m in model.modules() if isinstance(m, torch.nn.Linear))
    assert size.flops_per_frame == 2 * weights


@pytest.mark.parametrize("name", architectures.names())
def test_a_frame_is_classified_alike_alone_and_in_a_batch(name):
    torch.manual_seed(0)
    model = architectures.build(name, 5, 4, 7, small(name)).eval()
    windows = torch.randn(3, 5, 4)
    torch.testing.assert_close(model(windows)[1:2], model(windows[1:2]))


@pytest.mark.parametrize("name", architectures.names())
def test_every_hyper_parameter_has_a_default_and_a_schema(name):
    for parameter in architectures.parameters_of(name).values():
        assert parameter.default is not parameter.empty
        assert parameter.annotation is not parameter.empty


def test_the_reference_ladnn_has_18942890_parameters_layer_by_layer():
    experiment = config.load("experiments/seed_ladnn.toml")
    settings = experiment.arms["ladnn"].settings({})
    assert settings.data.window * 28 == 420
    with torch.device("meta"):
        model = architectures.build("ladnn", settings.data.window, 28, 40, settings.params)
    assert sum(p.numel() for p in model.parameters()) == 18_942_890
    widths = [420, 2048, 2048, 1024, 1024, 512, 256, 256, 40]
    layers = [m for m in model.modules() if isinstance(m, LinearlyAugmentedLayer)]
    assert len(layers) == 8
    for layer, d_in, d_out in zip(layers, widths[:-1], widths[1:], strict=True):
        counts = {part: sum(p.numel() for p in getattr(layer, part).parameters()) for part in "TUV"}
        h = d_in // 2
        assert counts == {"T": d_in * d_out + d_out, "U": d_in * h + h, "V": h * d_out + d_out}
    first = {part: sum(p.numel() for p in getattr(layers[0], part).parameters()) for part in "TUV"}
    assert first == {"T": 862_208, "U": 88_410, "V": 432_128}


def test_a_linearly_augmented_layer_is_V_f_U_x_plus_T_x():
    torch.manual_seed(0)
    layer = LinearlyAugmentedLayer(4, 3, 2, "full", "relu")
    x = torch.randn(5, 4)
    by_hand = torch.relu(x @ layer.U.weight.T + layer.U.bias) @ layer.V.weight.T + layer.V.bias
    by_hand += x @ layer.T.weight.T + layer.T.bias
    torch.testing.assert_close(layer(x), by_hand)


@pytest.mark.parametrize(("bypass", "n_parameters"), [("full", 20), ("diagonal", 4), ("scalar", 1), ("identity", 0)])
def test_the_forms_of_the_bypass(bypass, n_parameters):
    layer = LinearlyAugmentedLayer(4, 4, 2, bypass, "relu")
    path = 4 * 2 + 2 + 2 * 4 + 4
    assert sum(p.numel() for p in layer.parameters()) == path + n_parameters
    if bypass != "full":
        with torch.no_grad():
            layer.V.weight.zero_()
            layer.V.bias.zero_()
        x = torch.randn(5, 4)
        torch.testing.assert_close(layer(x), x)


def test_a_bypass_between_unequal_widths_is_full():
    assert isinstance(LinearlyAugmentedLayer(4, 3, 2, "identity", "relu").T, torch.nn.Linear)


def test_kaiming_weights_lie_within_their_bound():
    model = architectures.build("ffdnn", 5, 4, 7, {"depth": 1, "width": 1000})
    bound = (6 / 20) ** 0.5
    weight = model.hidden[0].weight
    assert 0.99 * bound < weight.abs().max() <= bound


def test_a_new_architecture_is_one_file_with_one_decorator(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(
        "from torch import nn\n"
        "from architectures import register\n"
        "@register\n"
        "class Mine(nn.Module):\n"
        "    def __init__(self, window: int, d_features: int, n_classes: int, *, gain: float = 1.0) -> None:\n"
        "        super().__init__()\n"
        "        self.output = nn.Linear(window * d_features, n_classes)\n"
        "        self.gain = gain\n"
        "    def forward(self, windows):\n"
        "        return self.gain * self.output(windows.flatten(1))\n"
    )
    monkeypatch.setattr(architectures, "__path__", [*architectures.__path__, str(tmp_path)])
    try:
        assert "mine" in architectures.names()
        assert list(architectures.parameters_of("mine")) == ["gain"]
        assert architectures.measure("mine", 5, 4, 7, {}).parameters == 147
    finally:
        architectures._registry._registered.pop("mine", None)


def test_an_unknown_architecture_names_the_nearest_spelling():
    with pytest.raises(KeyError, match="unknown architecture 'ladn'; did you mean 'ladnn'"):
        architectures.find("ladn")


def test_widths_replace_depth_and_width():
    assert architectures.replaced_by("ladnn", ["widths", "depth", "f"]) == {"depth": "widths"}
    assert architectures.replaced_by("ladnn", ["depth", "width"]) == {}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import nowhere_at_all\n", "architectures/mine.py:1: ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("x = 1\nx = = 2\n", "architectures/mine.py:2: SyntaxError: invalid syntax"),
        ("class Mine: pass\n", "architectures/mine.py: no class in it is decorated with @register"),
    ],
)
def test_a_broken_file_is_told_with_its_place_and_keeps_no_other_away(tmp_path, monkeypatch, text, reason):
    (tmp_path / "mine.py").write_text(text)
    monkeypatch.setattr(architectures, "__path__", [*architectures.__path__, str(tmp_path)])
    monkeypatch.delitem(sys.modules, "architectures.mine", raising=False)
    assert "ladnn" in architectures.names()
    assert architectures.broken()["mine"].startswith(reason)
    with pytest.raises(KeyError, match=r"architectures/mine\.py"):
        architectures.find("mine")
    sys.modules.pop("architectures.mine", None)
