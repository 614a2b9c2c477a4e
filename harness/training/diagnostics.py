"""The layers of a model while it is trained: gradients, scales, and how linear the paths are.

A look is one forward and backward pass of a copy of the model on a few fixed frames.
Training therefore goes on bit for bit as without it, on a GPU beside the recorded step. An architecture needs to know
nothing of this: a layer is an outermost module with a weight matrix, where `Sequential` and `ModuleList` are opened.
A layer may have a method `paths(x)` that gives the linear and the non-linear part that its output is the sum of.

Legend: L layers, in the order in which the model uses them.
"""

import copy
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from harness.results import Layers
from harness.training.checkpoint import TrainingState

_FRAMES = 256  # of the first batch of the first epoch: a look then costs a quarter of a step of 1,024 frames


def steps_to_look_at(n_steps: int, epochs: int) -> frozenset[int]:
    """The updates after which the layers are looked at: 0, 1, 2, 4, 8 ... and those that end an epoch.

    Args:
        n_steps: of an epoch.
    """
    ends = [epoch * n_steps for epoch in range(1, epochs + 1)]
    return frozenset([0, *(2**k for k in range(ends[-1].bit_length())), *ends])


class LayerObserver:
    """An observer of a model at some steps of its training, whose measurements go into the training's state.

    Args:
        state: of the training.
        steps: at which the model is looked at.
        batch: windows (B, W, D) and labels (B,), whose first are looked at.
        loss: of a model on such, as the training has it.
    """

    def __init__(
        self,
        model: nn.Module,
        state: TrainingState,
        steps: frozenset[int],
        batch: tuple[Tensor, Tensor],
        loss: Callable[[nn.Module, Tensor, Tensor], Tensor],
    ) -> None:
        self.model = model
        self.state = state
        self.steps = steps
        self.windows, self.labels = (examples[:_FRAMES].clone() for examples in batch)  # the rest is not held
        self.loss = loss
        self.probe: LayerProbe | None = None

    def measure_at(self, step: int) -> None:
        """Measure after so many updates since the start, unless the step is none of `steps` or was measured before."""
        if step not in self.steps or (self.state.looks and self.state.looks[-1][0] >= step):
            return
        if self.probe is None:
            self.probe = LayerProbe(self.model)
        device = self.labels.device
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(0)
            self.state.layers, values = self.probe.measure(
                self.model, lambda copy: self.loss(copy, self.windows, self.labels)
            )
        self.state.looks.append((step, values))


class LayerProbe:
    """A copy of a model on which measurements are made; its weights are brought up to date for each look."""

    def __init__(self, model: nn.Module) -> None:
        self.model = copy.deepcopy(model).train()
        self.outputs: dict[str, tuple[nn.Module, Tensor, Tensor]] = {}
        for name, layer in layers_of(self.model).items():
            layer.register_forward_hook(_hook(name, self.outputs))

    def measure(self, model: nn.Module, loss: Callable[[nn.Module], Tensor]) -> tuple[list[str], Tensor]:
        """Names of the layers, and (3, L) float32 on the device: gradient norm, RMS of the output, linear over
        non-linear. The model stays as it is. A value that a layer does not have is NaN.
        """
        with torch.no_grad():
            for mine, other in zip(_tensors(self.model), _tensors(model), strict=True):
                mine.copy_(other)
        self.outputs.clear()
        self.model.zero_grad(set_to_none=True)
        torch.autograd.backward(loss(self.model))
        outputs = self.outputs.values()
        gradients = [
            nn.utils.get_total_norm([p.grad for p in layer.parameters() if p.grad is not None]).float()
            for layer, _, _ in outputs
        ]
        rows = [gradients, [scale for _, scale, _ in outputs], [ratio for _, _, ratio in outputs]]
        return list(self.outputs), torch.stack([torch.stack(row) for row in rows]).detach()


def _tensors(model: nn.Module) -> list[Tensor]:
    return [*model.parameters(), *model.buffers()]


def layers_of(model: nn.Module) -> dict[str, nn.Module]:
    """The outermost modules with a weight matrix, by name; containers are opened."""
    layers: dict[str, nn.Module] = {}
    for name, module in model.named_children():
        if isinstance(module, nn.Sequential | nn.ModuleList):
            layers |= {f"{name}.{inner}": layer for inner, layer in layers_of(module).items()}
        elif any(weight.ndim > 1 for weight in module.parameters()):
            layers[name] = module
    return layers


def history(layers: Sequence[str], looks: Sequence[tuple[int, Tensor]]) -> Layers | None:
    """The measurements of all looks at a training, on the host; None if there was none."""
    if not looks or not layers:
        return None
    measurements = torch.stack([values for _, values in looks]).cpu().numpy()
    steps = np.array([step for step, _ in looks], np.int64)
    gradient, scale, ratio = measurements[:, 0], measurements[:, 1], measurements[:, 2]
    return Layers(tuple(layers), steps, gradient=gradient, scale=scale, path_ratio=ratio)


def _hook(name: str, outputs: dict[str, tuple[nn.Module, Tensor, Tensor]]) -> Callable[..., None]:
    @torch.no_grad()
    def look(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        absent = torch.full((), float("nan"), device=inputs[0].device)
        ratio = absent
        if paths := getattr(layer, "paths", None):
            linear, nonlinear = paths(*inputs)
            ratio = linear.float().norm() / nonlinear.float().norm()
        scale = output.float().square().mean().sqrt() if isinstance(output, Tensor) else absent
        outputs[name] = (layer, scale, ratio)

    return look
