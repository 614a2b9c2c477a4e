"""Several small models of one shape trained as one batched model: a GPU that one of them cannot fill is filled by all.

Their weights are stacked, and one vectorised forward and backward pass (`torch.func.vmap`: batched matrix products)
serves all. Each model has its own order of frames, clipping, optimiser, learning rate and schedule, and each ends where
its separate run would, within floating-point noise; with dropout, within the noise of another draw.

Legend: S models, B batch, W window, D features, C classes.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from harness.frames.placement import FrameSource
from harness.results import Epoch
from harness.settings import Training
from harness.training.checkpoint import TrainingState
from harness.training.cuda_graph import capture
from harness.training.trainer import Learner, loss_and_logits, steps_per_epoch, train_epochs


def train_together(
    models: Sequence[nn.Module],
    data: FrameSource,
    validation: FrameSource,
    trainings: Sequence[Training],
    *,
    seeds: Sequence[int],
    precision: str,
    state_files: Sequence[Path] = (),
    on_epoch: Callable[[int, Epoch], object] = lambda model, epoch: None,
    should_stop: Callable[[], bool] = lambda: False,
    observed: bool = False,
) -> list[TrainingState]:
    """The training of several models at once, as `train`; an epoch's seconds are a model's share of them.

    Args:
        trainings: of each model; they may differ in learning rate, weight decay, momentum, clipping and schedule.
        seeds: of each model's order of frames; the first one also of all dropout and masks.
        state_files: of each model, as those of `train`, which can go on from them with each model by itself.
        on_epoch: called after each epoch with the number of a model.

    Raises:
        RunFailed, Interrupted: as `train`.
    """
    device, shared = data.labels.device, trainings[0]
    n_steps = steps_per_epoch(data, shared)
    stack = Stack(models)
    learners = [Learner(model, own, n_steps, device) for model, own in zip(models, trainings, strict=True)]

    def batches(epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Windows (S, B, W, D) and labels (S, B), each model's in its own order."""
        for examples in zip(*(data.batches(shared.batch_size, seed, epoch) for seed in seeds), strict=True):
            windows, labels = zip(*examples, strict=True)
            yield torch.stack(windows), torch.stack(labels)

    def report(model: int, epoch: Epoch) -> bool:
        on_epoch(model, epoch)
        return False  # none ends before the others

    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        train_epochs(
            learners,
            capture(
                lambda windows, labels: step(stack, learners, windows, labels, precision),
                [learner.optimiser for learner in learners],
                device,
            ),
            batches,
            data,
            validation,
            seed=seeds[0],
            precision=precision,
            state_files=state_files,
            on_epoch=report,
            should_stop=should_stop,
            observers=[
                learner.observer(data, seed, precision, n_steps)
                for learner, seed in zip(learners, seeds, strict=True)
                if observed
            ],
        )
    for learner in learners:
        learner.model.load_state_dict(learner.state.best)
    return [learner.state for learner in learners]


def step(stack: "Stack", learners: Sequence[Learner], windows: Tensor, labels: Tensor, precision: str) -> None:
    """One update of each model on its own windows (S, B, W, D) and labels (S, B)."""
    losses, logits = loss_and_logits(stack, learners[0].training, windows, labels, precision)
    stack.clear_gradients()
    torch.autograd.backward(losses.sum())
    stack.hand_out_gradients()
    for learner, loss, own, truth in zip(learners, losses.detach(), logits.detach(), labels, strict=True):
        learner.apply_gradients(loss, own, truth)


class Stack:
    """Models of one shape whose weights and buffers lie stacked, (S, ...); each model sees its own slice, live."""

    def __init__(self, models: Sequence[nn.Module]) -> None:
        self.models = models
        self.weights = {k: _stack([m.get_parameter(k) for m in models]) for k, _ in models[0].named_parameters()}
        self.buffers = {k: _stack([m.get_buffer(k) for m in models]) for k, _ in models[0].named_buffers()}
        for weight in self.weights.values():
            weight.requires_grad_()

    def __call__(self, windows: Tensor) -> Tensor:
        """Logits (S, B, C) of windows (S, B, W, D)."""

        def one(weights: dict[str, Tensor], buffers: dict[str, Tensor], windows: Tensor) -> Tensor:
            logits: Tensor = torch.func.functional_call(self.models[0], (weights, buffers), (windows,))
            return logits

        logits: Tensor = torch.func.vmap(one, randomness="different")(self.weights, self.buffers, windows)
        return logits

    def clear_gradients(self) -> None:
        for weight in self.weights.values():
            weight.grad = None

    def hand_out_gradients(self) -> None:
        """Each model's parameters get their slice of the gradient."""
        for name, weight in self.weights.items():
            for s, model in enumerate(self.models):
                model.get_parameter(name).grad = None if weight.grad is None else weight.grad[s]


def _stack(tensors: list[Tensor]) -> Tensor:
    """One tensor (S, ...), whose slices the given ones become."""
    together = torch.stack([tensor.detach() for tensor in tensors])
    for s, tensor in enumerate(tensors):
        tensor.data = together[s]
    return together
