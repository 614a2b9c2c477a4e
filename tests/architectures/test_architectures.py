"""Every registered architecture, and the exact ones of the design."""

import sys

import pytest
import torch

import architectures
from architectures.highway import HighwayLayer
from architectures.ladnn import LinearlyAugmentedLayer
from harness.experiment import load
from harness.settings import Training
from harness.training.trainer import loss_and_logits

SMALL = {"depth": 2, "width": 16}


def small(name):
    """Settings that make a model of this name small."""
    return {k: v for k, v in SMALL.items() if k in architectures.parameters_of(name)}


@pytest.mark.parametrize("name", architectures.names())
def test_windows_become_logits_and_every_parameter_learns(name):
    torch.manual_seed(0)
    model = architectures.build(name, 5, 4, 7, small(name)).eval()
    assert model(torch.randn(9, 5, 4)).shape == (9, 7)
    labels = torch.randint(7, (9,))
    loss, logits = loss_and_logits(model.train(), Training(), torch.randn(9, 5, 4), labels, "fp32")
    assert logits.shape == (9, 7)
    loss.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


@pytest.mark.parametrize("name", architectures.names())
def test_the_size_on_the_meta_device_is_that_of_the_built_model(name):
    size = architectures.measure(name, 5, 4, 7, small(name))
    model = architectures.build(name, 5, 4, 7, small(name))
    assert size.parameters == sum(p.numel() for p in model.parameters())
    with torch.profiler.profile(with_flops=True) as profiled:
        model.eval()(torch.randn(1, 5, 4))
    products = ("aten::mm", "aten::addmm", "aten::bmm")
    assert size.flops_per_frame == sum(event.flops for event in profiled.events() if event.name in products)


@pytest.mark.parametrize("init", ["kaiming", "xavier", "pytorch"])
@pytest.mark.parametrize("norm", ["none", "batch", "layer"])
@pytest.mark.parametrize("name", architectures.names())
def test_normalisation_dropout_and_initialisation_are_settings_of_all(name, norm, init):
    torch.manual_seed(0)
    model = architectures.build(name, 5, 4, 7, small(name) | {"norm": norm, "init": init, "dropout": 0.5})
    kinds = {"none": (), "batch": torch.nn.BatchNorm1d, "layer": torch.nn.LayerNorm}
    others = tuple(kind for other, kind in kinds.items() if other not in ("none", norm))
    assert not any(isinstance(m, others) for m in model.modules())
    assert norm == "none" or any(isinstance(m, kinds[norm]) for m in model.modules())
    assert any(isinstance(m, torch.nn.Dropout) and m.p == 0.5 for m in model.modules())
    weight = next(m.weight for m in model.modules() if isinstance(m, torch.nn.Linear))
    d_out, d_in = weight.shape
    bound = {"kaiming": (6 / d_in) ** 0.5, "xavier": (6 / (d_in + d_out)) ** 0.5, "pytorch": d_in**-0.5}[init]
    assert 0.9 * bound < weight.abs().max() <= bound
    windows = torch.randn(9, 5, 4)
    assert not torch.equal(model(windows), model(windows))


@pytest.mark.parametrize("name", [n for n in architectures.names() if "f" in architectures.parameters_of(n)])
def test_the_activation_is_a_setting_of_all_that_have_one(name):
    for f, kind in {"gelu": torch.nn.GELU, "silu": torch.nn.SiLU, "tanh": torch.nn.Tanh}.items():
        model = architectures.build(name, 5, 4, 7, small(name) | {"f": f})
        assert any(isinstance(m, kind) for m in model.modules())
        assert not any(isinstance(m, torch.nn.ReLU) for m in model.modules())


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
    experiment = load.load("experiments/seed_ladnn.toml")
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


@pytest.mark.parametrize("bypass", ["diagonal", "scalar", "identity"])
def test_a_bypass_that_is_not_full_lies_between_hidden_layers_of_one_width(bypass):
    model = architectures.build("ladnn", 5, 4, 7, {"depth": 3, "width": 20, "bypass": bypass})  # 20 inputs as well
    layers = [m for m in model.modules() if isinstance(m, LinearlyAugmentedLayer)]
    assert [isinstance(layer.T, torch.nn.Linear) for layer in layers] == [True, False, False, True]
    with pytest.raises(ValueError, match=f'bypass = "{bypass}" needs hidden layers of one width, and one goes'):
        architectures.build("ladnn", 5, 4, 7, {"widths": (8, 6), "bypass": bypass})
    with pytest.raises(ValueError, match="acts between hidden layers, and there is one"):
        architectures.build("ladnn", 5, 4, 7, {"depth": 1, "bypass": bypass})


def test_a_highway_layer_mixes_what_it_computes_with_its_input():
    torch.manual_seed(0)
    layer = HighwayLayer(4, "tanh", "none", 0.0)
    x = torch.randn(5, 4)
    computed = torch.tanh(x @ layer.H[0].weight.T + layer.H[0].bias)
    gate = 1 / (1 + torch.exp(-(x @ layer.T.weight.T + layer.T.bias)))
    torch.testing.assert_close(layer(x), computed * gate + x * (1 - gate))


def test_a_highway_network_has_two_maps_a_layer_and_begins_by_carrying():
    params = {"depth": 2, "width": 16, "gate_bias": -3.0}
    size = architectures.measure("highway", 5, 4, 7, params)
    assert size.parameters == (20 * 16 + 16) + 2 * 2 * (16 * 16 + 16) + (16 * 7 + 7)
    model = architectures.build("highway", 5, 4, 7, params)
    assert all((layer.T.bias == -3).all() for layer in model.hidden)


def test_tdnnf_has_the_parameters_of_a_hand_count():
    n_delayed, n_plain = 32 * 4 + (2 * 4 * 16 + 16) + 2 * 16, 16 * 4 + (4 * 16 + 16) + 2 * 16
    params = {"depth": 3, "width": 16, "bottleneck": 4}
    spliced = architectures.measure("tdnnf", 5, 4, 7, params)  # 5 frames: two layers take one from each end
    assert spliced.parameters == (4 * 16 + 16 + 2 * 16) + 2 * n_delayed + n_plain + (16 * 7 + 7)
    whole = architectures.measure("tdnnf", 5, 4, 7, params | {"stride": 0})
    assert whole.parameters == (5 * 4 * 16 + 16 + 2 * 16) + 3 * n_plain + (16 * 7 + 7)


@pytest.mark.parametrize(("window", "stride", "depth"), [(15, 1, 3), (15, 3, 2), (16, 2, 5), (5, 0, 2), (1, 1, 2)])
def test_tdnnf_is_what_its_equations_say_frame_by_frame(window, stride, depth):
    torch.manual_seed(0)
    params = {"depth": depth, "width": 6, "bottleneck": 3, "stride": stride, "norm": "none"}
    model = architectures.build("tdnnf", window, 4, 7, params).eval()
    frames = torch.randn(window, 4)
    delays = [stride * (layer.span - 1) for layer in model.hidden]

    def output(n_layers, t):
        """Of layer `n_layers` at frame `t`, which is the earliest that it needs; by recursion, nothing shared."""
        if n_layers == 0:
            seen = frames[t : t + window - 2 * sum(delays)].flatten()
            assert len(seen) == model.splice.in_features
            return torch.relu(model.splice.weight @ seen + model.splice.bias)
        layer, delay = model.hidden[n_layers - 1], delays[n_layers - 1]
        x = [output(n_layers - 1, t + i * delay) for i in (0, 1, 2)]
        if delay:
            z = [layer.A.weight @ torch.cat([x[0], x[1]]), layer.A.weight @ torch.cat([x[1], x[2]])]
            return torch.relu(layer.B.weight @ torch.cat(z) + layer.B.bias) + 0.66 * x[1]
        return torch.relu(layer.B.weight @ (layer.A.weight @ x[0]) + layer.B.bias) + 0.66 * x[0]

    logits = model.output.weight @ output(depth, 0) + model.output.bias
    torch.testing.assert_close(model(frames[None])[0], logits)


def test_training_makes_the_rows_of_tdnnf_factors_orthogonal_and_keeps_them_so():
    torch.manual_seed(0)
    params = {"depth": 3, "width": 32, "bottleneck": 12, "init": "kaiming"}
    model = architectures.build("tdnnf", 5, 4, 7, params)
    free = architectures.build("tdnnf", 5, 4, 7, params | {"semi_orthogonal": False})
    for one in (model, free):
        optimiser = torch.optim.AdamW(one.parameters(), lr=3e-3, weight_decay=0.1)
        for _ in range(60):
            windows = torch.randn(64, 5, 4)
            loss = torch.nn.functional.cross_entropy(one(windows), windows[:, 2, 0].gt(0).long())
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()

    def spread(layer):
        """Ratio of the largest to the smallest singular value."""
        values = torch.linalg.svdvals(layer.A.weight)
        return values.max() / values.min()

    assert all(spread(layer) < 1.1 for layer in model.hidden)
    assert all(spread(layer) > 1.3 for layer in free.hidden)
    before = [p.clone() for p in model.parameters()]
    model.eval()(torch.randn(2, 5, 4))
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_a_tdnnf_bottleneck_is_no_wider_than_what_it_narrows():
    with pytest.raises(ValueError, match="bottleneck = 40 is wider than what it narrows, 2 x 16"):
        architectures.build("tdnnf", 5, 4, 7, {"width": 16, "bottleneck": 40})


@pytest.mark.parametrize(
    ("shape", "depth", "widths"),
    [
        ("cylinder", 1, (512,)),
        ("cylinder", 3, (512, 512, 512)),
        ("pyramid", 2, (512, 128)),
        ("pyramid", 3, (512, 256, 128)),
        ("pyramid", 4, (512, 323, 203, 128)),
        ("diamond", 3, (128, 512, 128)),
        ("diamond", 4, (128, 512, 512, 128)),
        ("diamond", 5, (128, 256, 512, 256, 128)),
    ],
)
def test_the_shapes(shape, depth, widths):
    model = architectures.build("ffdnn", 5, 4, 7, {"depth": depth, "width": 512, "shape": shape})
    assert tuple(m.out_features for m in model.hidden if isinstance(m, torch.nn.Linear)) == widths


@pytest.mark.parametrize(("shape", "depth", "fewest"), [("pyramid", 1, 2), ("diamond", 2, 3)])
def test_a_shape_of_too_few_layers_is_refused(shape, depth, fewest):
    with pytest.raises(ValueError, match=f'shape = "{shape}" needs depth = {fewest} or more, not {depth}'):
        architectures.build("ffdnn", 5, 4, 7, {"depth": depth, "width": 512, "shape": shape})


def test_kaiming_weights_lie_within_their_bound():
    model = architectures.build("ffdnn", 5, 4, 7, {"depth": 1, "width": 1000, "init": "kaiming"})
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
        architectures.unregister("mine")


def test_an_unknown_architecture_names_the_nearest_spelling():
    with pytest.raises(KeyError, match="unknown architecture 'ladn'; did you mean 'ladnn'"):
        architectures.find("ladn")


def test_widths_replace_depth_and_width():
    assert architectures.replaced_by("ladnn", ["widths", "depth", "shape", "f"]) == {
        "depth": "widths",
        "shape": "widths",
    }
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
