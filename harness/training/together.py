"""Several small models of one shape trained as one batched model: a GPU that one of them cannot fill is filled by all.

Their weights are stacked, and one vectorised forward and backward pass (`torch.func.vmap`: batched matrix products)
serves all. Each model has its own order of frames, clipping, optimiser, learning rate and schedule, and each ends where
its separate run would, within floating-point noise; with dropout, within the noise of another draw.

Legend: S models, B batch, W window, D features, C classes.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.errors import Interrupted
from harness.frames.device import autocast
from harness.frames.placement import FrameSource
from harness.frames.windows import mask
from harness.results import Epoch
from harness.seeds import derive_seed
from harness.settings import Training
from harness.training.checkpoint import TrainingState
from harness.training.cuda_graph import captured
from harness.training.trainer import CHECK_EVERY_STEPS, DROPOUT_SEED_OFFSET, Learner


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
    """As `train`, of several models at once; an epoch's seconds are a model's share of them.

    Args:
        trainings: of each model; they may differ in learning rate, weight decay, momentum, clipping and schedule.
        seeds: of each model's order of frames.
        state_files: of each model, as those of `train`, which can go on from them with each model by itself.
        on_epoch: called after each epoch with the number of a model.

    Raises:
        RunFailed, Interrupted: as `train`.
    """
    device, shared = data.labels.device, trainings[0]
    n_steps = -(-len(data) // shared.batch_size)
    stack = Stack(models)
    learners = [Learner(model, own, n_steps, device) for model, own in zip(models, trainings, strict=True)]
    observers = [
        learner.observer(data, seed, precision, n_steps)
        for learner, seed in zip(learners, seeds, strict=True)
        if observed
    ]
    update = captured(
        lambda windows, labels: step(stack, learners, windows, labels, precision),
        [learner.optimiser for learner in learners],
        device,
    )
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        for epoch in range(1, shared.epochs + 1):
            started = time.perf_counter()
            torch.manual_seed(derive_seed(seeds[0] + DROPOUT_SEED_OFFSET, epoch))
            for learner in learners:
                learner.begin_epoch()
            orders = [data.batches(shared.batch_size, seed, epoch) for seed in seeds]
            for done, examples in enumerate(zip(*orders, strict=True), start=1):
                windows, labels = (torch.stack(each) for each in zip(*examples, strict=True))
                for observer in observers:
                    observer.measure_at((epoch - 1) * n_steps + done - 1)
                update(windows, labels)
                for learner in learners:
                    learner.after_step(is_looked_at=done % CHECK_EVERY_STEPS == 0 or done == n_steps)
                if should_stop():
                    for learner, file in zip(learners, state_files, strict=False):
                        learner.at.step, learner.at.seconds = done, (time.perf_counter() - started) / len(learners)
                        learner.write(file)
                    raise Interrupted
            for observer in observers:
                observer.measure_at(epoch * n_steps)
            for s, learner in enumerate(learners):
                learner.end_epoch(len(data), validation, precision, started, len(learners))
                if state_files:
                    learner.write(state_files[s])
                on_epoch(s, learner.at.history[-1])
    for learner in learners:
        learner.model.load_state_dict(learner.at.best)
    return [learner.at for learner in learners]


def step(stack: "Stack", learners: Sequence[Learner], windows: Tensor, labels: Tensor, precision: str) -> None:
    """One update of each model on its own windows (S, B, W, D) and labels (S, B)."""
    shared = learners[0].training
    windows = mask(windows.flatten(0, 1), shared.time_mask, shared.frequency_mask).view(windows.shape)
    with autocast(labels.device, precision):
        logits = stack(windows)
    logits = logits.float()
    smoothing = shared.label_smoothing
    losses = [F.cross_entropy(own, truth, label_smoothing=smoothing) for own, truth in zip(logits, labels, strict=True)]
    stack.clear_gradients()
    torch.stack(losses).sum().backward()
    stack.hand_out_gradients()
    for learner, loss, own, truth in zip(learners, losses, logits, labels, strict=True):
        learner.apply_gradients(loss.detach(), own.detach(), truth)


class Stack:
    """Models of one shape whose weights and buffers lie stacked, (S, ...); each model sees its own slice, live."""

    def __init__(self, models: Sequence[nn.Module]) -> None:
        self.models = models
        self.weights = {k: _stacked([m.get_parameter(k) for m in models]) for k, _ in models[0].named_parameters()}
        self.buffers = {k: _stacked([m.get_buffer(k) for m in models]) for k, _ in models[0].named_buffers()}
        for weight in self.weights.values():
            weight.requires_grad_()

    def __call__(self, windows: Tensor) -> Tensor:
        """(S, B, W, D) -> (S, B, C) logits."""

        def one(weights: dict[str, Tensor], buffers: dict[str, Tensor], windows: Tensor) -> Tensor:
            return torch.func.functional_call(self.models[0], (weights, buffers), (windows,))

        return torch.func.vmap(one, randomness="different")(self.weights, self.buffers, windows)

    def clear_gradients(self) -> None:
        for weight in self.weights.values():
            weight.grad = None

    def hand_out_gradients(self) -> None:
        """Each model's parameters get their slice of the gradient."""
        for name, weight in self.weights.items():
            for s, model in enumerate(self.models):
                model.get_parameter(name).grad = None if weight.grad is None else weight.grad[s]


def _stacked(tensors: list[Tensor]) -> Tensor:
    """(S, ...); the given tensors become its slices."""
    together = torch.stack([tensor.detach() for tensor in tensors])
    for s, tensor in enumerate(tensors):
        tensor.data = together[s]
    return together
