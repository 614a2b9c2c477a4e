"""Initial weights: how variances run through networks of every depth, and that nothing but values is initial.

Shapes: B batch, W window (frames), D features, C classes, P times of tdnnf, L layers.
"""

import pytest
import torch
from torch import nn

import architectures
from architectures._initialisation import orthogonal

WINDOW, D_FEATURES, N_CLASSES = 15, 28, 40
WIDTH, BATCH = 256, 256
ACTIVATIONS = ("relu", "gelu", "silu", "tanh", "sigmoid")
NORMS = ("none", "batch", "layer")
BYPASSES = ("full", "diagonal", "identity", "scalar")
FIRST_DEFAULTS = dict.fromkeys(("ffdnn", "highway", "ladnn", "resmlp", "tdnnf"), "kaiming") | {"linear": "pytorch"}
DEEP = [name for name in architectures.names() if "depth" in architectures.parameters_of(name)]
OVER_FRAMES = ("attention", "bgru", "blstm", "cnn", "mixer")
"""Those whose layers keep the frames of a window apart: as many times as slow, so that their
windows and batches are smaller and fewer combinations are drawn."""

MEANS_ADD_UP = {
    ("tdnnf", "none", f): "activations that are never negative are added up along the bypass, and no norm takes their "
    "mean away: it goes from E[f] to E[f] / (1 - scale) whatever the variance does"
    for f in ("relu", "sigmoid")
}
"""Exempt from the bound on the second moment about zero, with the reason; their variance keeps it."""

PLAIN_WITH_BATCH_NORM = {
    (
        "tdnn",
        "batch",
    ): "plain layers whose signals' directions are unequal, which shared maps of neighbouring times make "
    "so: batch normalisation then lets gradients grow, by 1.2 % a layer instead of 0.3 % (Yang et al. 2019 prove the "
    "growth for independent weights, Meterez et al. 2024 its absence for orthogonal ones and whitened signals only)"
}
"""Bound on gradients 2.5 instead of 2, with the reason."""


def outputs_of(name: str, model: nn.Module) -> list[nn.Module]:
    """The modules whose outputs are a layer's or block's, first to last; in general the parts of `hidden`."""
    every = {"ffdnn": 4, "ladnn": 3}.get(name, 1)  # map, norm, activation, dropout; layer, norm, dropout
    layers = list(model.hidden if hasattr(model, "hidden") else model.blocks)[every - 1 :: every]
    before = {"resmlp": "projection", "highway": "projection", "tdnnf": "norm"}.get(name)
    return [getattr(model, before), *layers] if before else layers


def variances(name: str, n_draws: int, **params: object) -> torch.Tensor:
    """(L, 3): second moment and variance over inputs of each layer's outputs, and their gradient's second moment.

    Means over draws of weights, standard normal inputs and standard normal gradients of the logits. A window's gradient
    is summed over the times of tdnnf, which share it: fewer are left after each layer.
    """
    return torch.stack([_of_draw(name, seed, params) for seed in range(n_draws)]).mean(0)


def _of_draw(name: str, seed: int, params: dict[str, object]) -> torch.Tensor:
    torch.manual_seed(seed)
    window, batch = (WINDOW if name == "mixer" else 7, BATCH // 2) if name in OVER_FRAMES else (WINDOW, BATCH)
    model = architectures.build(name, window, D_FEATURES, N_CLASSES, {"width": WIDTH, **params})
    outputs: list[torch.Tensor] = []
    for module in outputs_of(name, model):
        module.register_forward_hook(lambda _module, _inputs, y: outputs.append(y))
    logits = model(torch.randn(batch, window, D_FEATURES))
    gradients = torch.autograd.grad(logits, outputs, torch.randn_like(logits))
    moments = [
        (y.square().mean(), y.reshape(batch, -1).var(0).mean(), g.square().sum() / batch)
        for y, g in zip(outputs, gradients, strict=True)
    ]
    return torch.stack([torch.stack(row) for row in moments]).detach()


def factors(table: torch.Tensor) -> tuple[float, float, float]:
    """Of each column, the largest value over the smallest: no two layers differ by more."""
    second, variance, gradient = (table.max(0).values / table.min(0).values).tolist()
    return second, variance, gradient


def assert_preserved(name: str, depth: int, n_draws: int, norm: str, **params: object) -> None:
    """That no layer's variance is more than twice another's, nor its gradient's; `params` may have an activation."""
    f = params.get("f", "")
    second, variance, gradient = factors(variances(name, n_draws, depth=depth, norm=norm, **params))
    assert variance <= 2
    assert gradient <= (2.5 if (name, norm) in PLAIN_WITH_BATCH_NORM else 2)
    assert second <= 2 or (name, norm, f) in MEANS_ADD_UP


def grid(name: str, depth: int) -> list[dict[str, str]]:
    """Combinations of norm, activation and bypass that an architecture and a depth allow: all of few layers.

    Of many layers, each activation with each norm, and each of both with every bypass; over frames each with one other.
    """
    has_activation = "f" in architectures.parameters_of(name)
    found: list[dict[str, str]] = []
    for i, norm in enumerate(NORMS):
        for j, f in enumerate(ACTIVATIONS if has_activation else ACTIVATIONS[:1]):
            own = {"norm": norm} | ({"f": f} if has_activation else {})
            if name == "ladnn":
                bypasses = BYPASSES[:1] if depth == 1 else BYPASSES if depth < 32 else BYPASSES[(i + j) % 4 :][:1]
                found += [own | {"bypass": bypass} for bypass in bypasses]
            elif not (name in OVER_FRAMES and depth >= 32 and has_activation and (i + j) % 3):
                found.append(own)
    return found


@pytest.mark.parametrize("depth", [1, 2, 8])
@pytest.mark.parametrize("name", DEEP)
def test_signals_and_gradients_keep_their_variance_in_few_layers(name: str, depth: int) -> None:
    has_activation = "f" in architectures.parameters_of(name)
    for i, f in enumerate(ACTIVATIONS if has_activation else ACTIVATIONS[:3]):  # each with another norm and bypass
        params = {"f": f} if has_activation else {}
        params |= {"bypass": BYPASSES[(i + depth) % 4 if depth > 1 else 0]} if name == "ladnn" else {}
        assert_preserved(name, depth, 2, NORMS[(i + depth) % 3], **params)


@pytest.mark.parametrize("name", [name for name in DEEP if name not in OVER_FRAMES])
def test_signals_and_gradients_keep_their_variance_in_64_layers(name: str) -> None:
    for norm, f in (("batch", "relu"), ("none", "tanh")):
        assert_preserved(name, 64, 1, norm, **({"f": f} if "f" in architectures.parameters_of(name) else {}))


@pytest.mark.slow
@pytest.mark.parametrize("depth", [1, 8, 64])
@pytest.mark.parametrize("name", DEEP)
def test_signals_and_gradients_keep_their_variance_with_every_activation_norm_and_bypass(name: str, depth: int) -> None:
    """Of means over few draws, which is stricter than over 10: means of fewer vary more."""
    for params in grid(name, depth):
        assert_preserved(name, depth, 3 if depth < 32 and name not in OVER_FRAMES else 1, **params)


@pytest.mark.parametrize(("name", "norm", "f"), MEANS_ADD_UP)
def test_an_exempt_combination_does_break_the_bound_on_its_second_moment(name: str, norm: str, f: str) -> None:
    assert factors(variances(name, 2, depth=8, f=f, norm=norm))[0] > 2


@pytest.mark.parametrize("init", ["kaiming", "xavier", "pytorch"])
def test_no_other_initialisation_keeps_the_variance_of_a_linearly_augmented_network(init: str) -> None:
    assert max(factors(variances("ladnn", 2, depth=32, init=init))) > 100


@pytest.mark.parametrize("f", ["relu", "gelu", "silu"])
def test_a_plain_network_of_pairs_begins_as_a_linear_map(f: str) -> None:
    torch.manual_seed(0)
    model = architectures.build("ffdnn", 5, 4, 7, {"depth": 6, "width": 40, "f": f})
    x, y = torch.randn(2, 9, 5, 4)
    torch.testing.assert_close(model(x + y), model(x) + model(y))


@pytest.mark.parametrize(("width", "shape"), [(255, "cylinder"), (300, "pyramid"), (256, "diamond")])
@pytest.mark.parametrize("f", ACTIVATIONS)
def test_odd_and_unequal_widths_keep_activations_as_well(f: str, width: int, shape: str) -> None:
    table = variances("ffdnn", 3, depth=5, width=width, shape=shape, f=f)
    assert factors(table)[1] <= 2


@pytest.mark.parametrize(("d_out", "d_in"), [(40, 60), (60, 40), (2100, 2060)])
def test_a_random_map_keeps_the_variance_of_its_input(d_out: int, d_in: int) -> None:
    torch.manual_seed(0)
    y = torch.randn(500, d_in) @ orthogonal(d_out, d_in).T
    assert abs(y.var().item() - 1) < 0.03


@pytest.mark.parametrize("gate_bias", [-4.0, 0.0, 3.0])
def test_a_highway_network_keeps_variances_whatever_its_gates_begin_with(gate_bias: float) -> None:
    for f in ("relu", "tanh"):
        assert_preserved("highway", 16, 2, "none", f=f, gate_bias=gate_bias)


@pytest.mark.parametrize("bypass_scale", [0.0, 0.5, 0.8, 1.0])  # below 0.6 its maps are random: up to 16 layers
def test_tdnnf_keeps_variances_at_other_scales_of_its_bypass(bypass_scale: float) -> None:
    _, variance, gradient = factors(variances("tdnnf", 2, depth=16, bypass_scale=bypass_scale))
    assert max(variance, gradient) <= 2


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", architectures.names())
def test_parameters_and_function_are_those_of_any_initialisation(name: str, norm: str) -> None:
    small = {"norm": norm, **({"depth": 3, "width": 18} if name in DEEP else {})}
    models = {
        init: architectures.build(name, 5, 4, 7, {**small, "init": init}).eval() for init in ("preserving", "kaiming")
    }
    shapes = [{k: v.shape for k, v in model.state_dict().items()} for model in models.values()]
    assert shapes[0] == shapes[1]
    assert list(shapes[0]) == list(shapes[1])
    models["preserving"].load_state_dict(models["kaiming"].state_dict())
    windows = torch.randn(9, 5, 4)
    assert torch.equal(models["preserving"](windows), models["kaiming"](windows))


@pytest.mark.parametrize("name", architectures.names())
def test_preserving_is_the_default_and_what_was_is_remembered(name: str) -> None:
    assert architectures.parameters_of(name)["init"].default == "preserving"
    assert architectures.first_defaults(name)["init"] == FIRST_DEFAULTS.get(name, "preserving")


@pytest.mark.parametrize("name", architectures.names())
def test_the_number_of_threads_does_not_show_in_the_weights(name: str) -> None:
    states, n_threads = [], torch.get_num_threads()
    for n in (1, 2):
        torch.set_num_threads(n)
        torch.manual_seed(0)
        states.append(
            architectures.build(name, 5, 4, 7, {"depth": 2, "width": 64} if name in DEEP else {}).state_dict()
        )
        assert torch.get_num_threads() == n
    torch.set_num_threads(n_threads)
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
