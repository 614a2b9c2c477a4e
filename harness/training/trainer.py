"""The one trainer: resident frames, windows gathered on the device, no host synchronisation within a step.

A model is trained by itself (`train`) or several of one shape at once (`together.train_together`): the loss, the epochs
and what moves the weights are written here, once for both.

Legend: F frames, S models that are trained together, B batch, W window, D features, C classes.
"""

import functools
import inspect
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import architectures
from harness.errors import Damaged, Diverged, Interrupted
from harness.frames.device import autocast
from harness.frames.placement import FrameSource
from harness.frames.windows import mask
from harness.results import Epoch
from harness.seeds import derive_seed
from harness.settings import Training
from harness.training import checkpoint, evaluate
from harness.training.checkpoint import TrainingState
from harness.training.cuda_graph import Step, capture
from harness.training.diagnostics import LayerObserver, steps_to_look_at
from harness.training.schedules import Schedule

CHECK_EVERY_STEPS = 256  # steps between two looks at the device: is everything finite?
DROPOUT_SEED_OFFSET = 1  # added to the seed, so that dropout (and masks) and the order of frames are unrelated


def train(
    model: nn.Module,
    data: FrameSource,
    validation: FrameSource,
    training: Training,
    *,
    seed: int,
    precision: str,
    state_file: Path | None = None,
    on_epoch: Callable[[Epoch], bool] = lambda epoch: False,
    should_stop: Callable[[], bool] = lambda: False,
    observed: bool = False,
    micro_batches: int = 1,
) -> TrainingState:
    """Train `model` in place; it ends with the weights of the epoch that counts.

    Args:
        seed: of the order of frames, of dropout and of masks.
        precision: "bf16" or "fp32".
        state_file: written after each epoch and when stopped; if it is there, training goes on from it.
        on_epoch: called after each epoch, first for those that the state file remembers; true ends the training.
        should_stop: asked after every step.
        observed: look at the layers now and then; it changes nothing else.
        micro_batches: as those of `Learner`.

    Returns:
        The learning curve (`history`), the epoch that counts (`best_epoch`), and the layers at the steps looked at.

    Raises:
        RunFailed: a loss or gradient was not finite; no update was made with it or after it.
        Interrupted: `should_stop` said so; the state was written.
    """
    device, n_steps = data.labels.device, steps_per_epoch(data, training)
    learner = Learner(model, training, n_steps, device, micro_batches)
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        if state_file and state_file.exists():
            try:
                learner.state = checkpoint.restore(state_file, device, model, learner.optimiser, learner.schedule)
            except Damaged as damage:
                print(f"{damage}; this training begins anew, with the same result", file=sys.stderr)
        for epoch in learner.state.history:
            learner.state.is_ended = on_epoch(epoch)
        train_epochs(
            [learner],
            capture(lambda windows, labels: step(learner, windows, labels, precision), [learner.optimiser], device),
            lambda epoch: data.batches(training.batch_size, seed, epoch),
            data,
            validation,
            seed=seed,
            precision=precision,
            state_files=[state_file] if state_file else [],
            on_epoch=lambda _, epoch: on_epoch(epoch),
            should_stop=should_stop,
            observers=[learner.observer(data, seed, precision, n_steps)] if observed else [],
        )
    model.load_state_dict(learner.state.best)
    return learner.state


def train_epochs(
    learners: "Sequence[Learner]",
    update: Step,
    batches: Callable[[int], Iterator[tuple[Tensor, Tensor]]],
    data: FrameSource,
    validation: FrameSource,
    *,
    seed: int,
    precision: str,
    state_files: Sequence[Path],
    on_epoch: Callable[[int, Epoch], bool],
    should_stop: Callable[[], bool],
    observers: Sequence[LayerObserver],
) -> None:
    """The epochs that are left to learners that stand at the same step, alone or several side by side.

    Args:
        update: moves the weights of all learners by one step.
        batches: the examples of an epoch for `update`: windows ([S,] B, W, D) and labels ([S,] B).
        data: what the examples come from.
        seed: of dropout and masks.
        state_files: of each learner, or none.
        on_epoch: called after each epoch with the number of a learner; true ends its training.
        observers: of the layers, of each learner or none.

    Raises:
        RunFailed, Interrupted: as `train`.
    """
    at, n_steps = learners[0].state, steps_per_epoch(data, learners[0].training)
    while not all(learner.is_done() for learner in learners):
        started = time.perf_counter() - at.seconds * len(learners)
        for learner in learners:
            learner.begin_epoch()
        if at.step == 0:
            torch.manual_seed(derive_seed(seed + DROPOUT_SEED_OFFSET, at.epoch))
        for n, examples in enumerate(batches(at.epoch), start=1):
            if n <= at.step:  # trained on before an interruption
                continue
            for observer in observers:
                observer.measure_at((at.epoch - 1) * n_steps + n - 1)
            update(*examples)
            for learner in learners:
                learner.after_step(is_looked_at=n % CHECK_EVERY_STEPS == 0 or n == n_steps)
            if should_stop():
                for learner in learners:
                    learner.state.step, learner.state.seconds = n, (time.perf_counter() - started) / len(learners)
                for learner, file in zip(learners, state_files, strict=False):
                    learner.write(file)
                raise Interrupted
        for observer in observers:
            observer.measure_at(at.epoch * n_steps)
        for s, learner in enumerate(learners):
            learner.end_epoch(len(data), validation, precision, started, len(learners))
            if state_files:
                learner.write(state_files[s])
            learner.state.is_ended = on_epoch(s, learner.state.history[-1])


def steps_per_epoch(data: FrameSource, training: Training) -> int:
    """Updates of an epoch; the last batch may be smaller than the others."""
    return -(-len(data) // training.batch_size)


def step(learner: "Learner", windows: Tensor, labels: Tensor, precision: str) -> None:
    """One update on windows (B, W, D), labels (B,).

    The gradients of the learner's micro-batches are added up, and are those of the whole batch but for rounding and
    for what dropout and masks draw; not so with batch normalisation, whose statistics are those of a part.
    """
    learner.optimiser.zero_grad(set_to_none=True)
    losses, logits = [], []
    n_parts = min(learner.micro_batches, len(labels))
    for own, truth in zip(windows.tensor_split(n_parts), labels.tensor_split(n_parts), strict=True):
        loss, part = loss_and_logits(learner.model, learner.training, own, truth, precision)
        if n_parts > 1:
            loss = loss * (len(truth) / len(labels))
        torch.autograd.backward(loss)
        losses.append(loss.detach())
        logits.append(part.detach())
    if n_parts == 1:
        learner.apply_gradients(losses[0], logits[0], labels)
    else:
        learner.apply_gradients(torch.stack(losses).sum(), torch.cat(logits), labels)


def loss_and_logits(
    model: Callable[[Tensor], Tensor], training: Training, windows: Tensor, labels: Tensor, precision: str
) -> tuple[Tensor, Tensor]:
    """The loss, () of one model or (S,) of a stack, and the logits ([S,] B, C) float32.

    A model may give logits of several members, (B, K, C): the loss is then the mean of theirs, and what is given back
    the logarithm of their mean posterior.

    Args:
        model: one, or a stack of models that each see their own windows.
        windows: ([S,] B, W, D).
        labels: ([S,] B) int64.
    """
    hidden = mask(windows.flatten(0, -3), training.time_mask, training.frequency_mask)
    with autocast(labels.device, precision):
        logits = model(hidden.view(windows.shape))
    logits = logits.float()
    if labels.ndim == 1:
        return _cross_entropy(logits, labels, training), _of_members(logits, labels.ndim)
    each = [_cross_entropy(own, truth, training) for own, truth in zip(logits, labels, strict=True)]
    return torch.stack(each), _of_members(logits, labels.ndim)


def _cross_entropy(logits: Tensor, labels: Tensor, training: Training) -> Tensor:
    """The mean over frames, and over members where logits are (B, K, C)."""
    if logits.ndim == 3:
        labels = labels[:, None].expand(-1, logits.shape[1])
    return F.cross_entropy(logits.flatten(0, -2), labels.flatten(), label_smoothing=training.label_smoothing)


def _of_members(logits: Tensor, n_dims: int) -> Tensor:
    """(..., C) from (..., K, C), where `n_dims` are those before; as they are where there are no members."""
    if logits.ndim == n_dims + 1:
        return logits
    return logits.detach().log_softmax(-1).logsumexp(-2) - math.log(logits.shape[-2])


class Learner:
    """A model, what moves its weights, and how far it has come.

    Args:
        n_steps: updates of an epoch.
        micro_batches: equal parts of each batch, one after the other: activations take so much less memory.
    """

    def __init__(
        self, model: nn.Module, training: Training, n_steps: int, device: torch.device, micro_batches: int = 1
    ) -> None:
        self.model = model
        self.micro_batches = micro_batches
        self.training = training
        self.optimiser = make_optimiser(model, training)
        self.schedule = Schedule(self.optimiser, training, n_steps)
        self.state = TrainingState(
            totals=torch.zeros(2, dtype=torch.float64, device=device),
            is_finite=torch.ones((), dtype=torch.bool, device=device),
        )

    def observer(self, data: FrameSource, seed: int, precision: str, n_steps: int) -> LayerObserver:
        """An observer of the layers, on the first frames of the first epoch; `n_steps` is those of an epoch.

        It takes its frames at once, before an epoch has chunks of its own on the device.
        """

        def loss(model: nn.Module, windows: Tensor, labels: Tensor) -> Tensor:
            return loss_and_logits(model, self.training, windows, labels, precision)[0]

        steps = steps_to_look_at(n_steps, self.training.epochs)
        first_batch = next(data.batches(self.training.batch_size, seed, 1))
        return LayerObserver(self.model, self.state, steps, first_batch, loss)

    def is_done(self) -> bool:
        """Whether there is no further epoch."""
        return self.state.epoch > self.training.epochs or self.state.is_ended or stops_early(self.state, self.training)

    def begin_epoch(self) -> None:
        """Begin an epoch, or go on with it."""
        self.model.train()
        if self.state.step == 0:
            self.state.totals.zero_()

    def apply_gradients(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Move the weights by the gradients that are there; once something was not finite, nothing is moved."""
        norm = nn.utils.get_total_norm([p.grad for p in self.model.parameters() if p.grad is not None])
        if self.training.clip_norm:
            nn.utils.clip_grads_with_norm_(self.model.parameters(), self.training.clip_norm, norm)
        self.state.is_finite &= loss.isfinite() & norm.isfinite()
        found_inf = (~self.state.is_finite).float()
        self.optimiser.found_inf = found_inf  # type: ignore[attr-defined]  # a fused step then leaves the weights alone
        self.optimiser.step()
        self.state.totals += torch.stack([loss.double() * len(labels), (logits.argmax(dim=1) == labels).sum().double()])

    def after_step(self, is_looked_at: bool) -> None:
        """Move the learning rate; with `is_looked_at` wait for the device and see whether all was finite.

        Raises:
            Diverged: it was not.
        """
        self.schedule.after_update()
        if is_looked_at and not self.state.is_finite:
            raise Diverged(_not_finite(self.state.epoch, self.training))

    def end_epoch(
        self, n_frames: int, validation: FrameSource, precision: str, started: float, n_together: int = 1
    ) -> None:
        """Validate, keep the weights if they are the best, and add to the history.

        Args:
            started: when the epoch began, by `time.perf_counter`.
            n_together: models that share the time since then.
        """
        state = self.state
        loss, accuracy = (state.totals / n_frames).tolist()
        predictions = evaluate.predict(self.model, validation, precision, self.micro_batches)
        validation_loss, validation_accuracy = evaluate.loss_and_accuracy(predictions, validation)
        learning_rate = self.optimiser.param_groups[0]["lr"]
        self.schedule.after_epoch(validation_loss)
        if self.training.keep == "last" or validation_accuracy > state.best_accuracy:
            state.best_epoch, state.best = state.epoch, {k: v.clone() for k, v in self.model.state_dict().items()}
        state.history.append(
            Epoch(
                epoch=state.epoch,
                train_loss=loss,
                train_accuracy=accuracy,
                validation_loss=validation_loss,
                validation_accuracy=validation_accuracy,
                learning_rate=learning_rate,
                frames=state.epoch * n_frames,
                seconds=(time.perf_counter() - started) / n_together,
            )
        )
        state.epoch, state.step, state.seconds = state.epoch + 1, 0, 0.0

    def write(self, state_file: Path) -> None:
        checkpoint.write(state_file, self.state, self.model, self.optimiser, self.schedule)


def make_optimiser(model: nn.Module, training: Training) -> torch.optim.Optimizer:
    """A fused optimiser: one kernel updates all weights."""
    architectures.spare_compiler()
    weights, rate, decay = list(model.parameters()), training.learning_rate, training.weight_decay
    if training.optimiser == "sgd":
        sgd, momentum, nesterov = _eager(torch.optim.SGD), training.momentum, training.nesterov
        return sgd(weights, lr=rate, weight_decay=decay, momentum=momentum, nesterov=nesterov, fused=True)
    adaptive = _eager(torch.optim.Adam if training.optimiser == "adam" else torch.optim.AdamW)
    return adaptive(weights, lr=rate, weight_decay=decay, fused=True, capturable=weights[0].is_cuda)


@functools.cache
def _eager(optimiser: Callable[..., torch.optim.Optimizer]) -> Callable[..., torch.optim.Optimizer]:
    """The class of an optimiser, with its plain step: torch's imports the compiler, for seconds, to break a graph."""
    step = torch.no_grad()(inspect.unwrap(optimiser.step))  # type: ignore[attr-defined]
    return type(optimiser.__name__, (optimiser,), {"step": step})  # type: ignore[arg-type]


def stops_early(state: TrainingState, training: Training) -> bool:
    """Whether the last `early_stopping` epochs were all no better than one before them."""
    if not training.early_stopping or not state.history:
        return False
    best = max(state.history, key=lambda epoch: epoch.validation_accuracy)
    return len(state.history) - best.epoch >= training.early_stopping


def _not_finite(epoch: int, training: Training) -> str:
    return (
        f"the loss or its gradient was not finite in epoch {epoch}; the weights were not updated with it. "
        f"Try a lower training.learning_rate (now {training.learning_rate:g}), training.clip_norm = 1.0 "
        f'(now {training.clip_norm:g}) or params.norm = "layer"'
    )
