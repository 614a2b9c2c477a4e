"""The one trainer: resident frames, windows gathered on the device, no host synchronisation within a step.

Legend: F frames, B batch, W window, D features, C classes.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import lr_scheduler

from harness.errors import Diverged, Interrupted
from harness.frames.device import autocast
from harness.frames.placement import FrameSource
from harness.frames.windows import mask
from harness.results import Epoch
from harness.seeds import derive_seed
from harness.settings import Training
from harness.training import checkpoint, evaluate
from harness.training.checkpoint import TrainingState
from harness.training.cuda_graph import captured
from harness.training.diagnostics import LayerObserver, steps_to_look_at

CHECK_EVERY_STEPS = 256  # steps between two looks at the device: is everything finite?
DROPOUT_SEED_OFFSET = 1  # added to the seed, so that dropout (and masks) and the order of frames are unrelated
_PER_STEP = ("cosine", "one-cycle")  # schedules that move every step; the others move every epoch


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
) -> TrainingState:
    """Train `model` in place; it ends with the weights of the kept epoch.

    Args:
        seed: of the order of frames, of dropout and of masks.
        precision: "bf16" or "fp32".
        state_file: written after each epoch and when stopped; if it is there, training goes on from it.
        on_epoch: called after each epoch, first for those that the state file remembers; true ends the training.
        should_stop: asked after every step.
        observed: look at the layers now and then; it changes nothing else.

    Returns:
        The learning curve (`history`), the epoch that was kept (`best_epoch`), and what was seen of the layers.

    Raises:
        RunFailed: a loss or gradient was not finite; no update was made with it or after it.
        Interrupted: `should_stop` said so; the state was written.
    """
    device, n_steps = data.labels.device, -(-len(data) // training.batch_size)
    learner = Learner(model, training, n_steps, device)
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        if state_file and state_file.exists():
            learner.at = checkpoint.restore(state_file, device, model, learner.optimiser, learner.schedule)
        at = learner.at
        for epoch in at.history:
            at.is_ended = on_epoch(epoch)
        update = captured(
            lambda windows, labels: step(learner, windows, labels, precision), [learner.optimiser], device
        )
        observer = learner.observer(data, seed, precision, n_steps) if observed else None
        while not learner.is_done():
            started = time.perf_counter() - at.seconds
            learner.begin_epoch()
            if at.step == 0:
                torch.manual_seed(derive_seed(seed + DROPOUT_SEED_OFFSET, at.epoch))
            for done, examples in enumerate(data.batches(training.batch_size, seed, at.epoch), start=1):
                if done <= at.step:  # done before an interruption
                    continue
                if observer:
                    observer.measure_at((at.epoch - 1) * n_steps + done - 1)
                update(*examples)
                learner.after_step(is_looked_at=done % CHECK_EVERY_STEPS == 0 or done == n_steps)
                if should_stop():
                    at.step, at.seconds = done, time.perf_counter() - started
                    if state_file:
                        learner.write(state_file)
                    raise Interrupted
            if observer:
                observer.measure_at(at.epoch * n_steps)
            learner.end_epoch(len(data), validation, precision, started)
            if state_file:
                learner.write(state_file)
            at.is_ended = on_epoch(at.history[-1])
    model.load_state_dict(at.best)
    return at


def step(learner: "Learner", windows: Tensor, labels: Tensor, precision: str) -> None:
    """One update on windows (B, W, D), labels (B,)."""
    loss, logits = loss_and_logits(learner.model, learner.training, windows, labels, precision)
    learner.optimiser.zero_grad(set_to_none=True)
    loss.backward()
    learner.apply_gradients(loss.detach(), logits.detach(), labels)


def loss_and_logits(
    model: nn.Module, training: Training, windows: Tensor, labels: Tensor, precision: str
) -> tuple[Tensor, Tensor]:
    """What is to be lowered, a number, and (B, C) float32 from windows (B, W, D) and labels (B,)."""
    windows = mask(windows, training.time_mask, training.frequency_mask)
    with autocast(labels.device, precision):
        logits = model(windows)
    logits = logits.float()
    return F.cross_entropy(logits, labels, label_smoothing=training.label_smoothing), logits


class Learner:
    """A model, what moves its weights, and how far it has come."""

    def __init__(self, model: nn.Module, training: Training, n_steps: int, device: torch.device) -> None:
        self.model = model
        self.training = training
        self.optimiser = make_optimiser(model, training)
        self.schedule = make_schedule(self.optimiser, training, n_steps)
        self.at = TrainingState(totals=torch.zeros(2, dtype=torch.float64, device=device))
        self.finite = torch.ones((), dtype=torch.bool, device=device)

    def observer(self, data: FrameSource, seed: int, precision: str, n_steps: int) -> LayerObserver:
        """Looks at the layers, on the first frames of the first epoch; `n_steps` is those of an epoch."""

        def loss(model: nn.Module, windows: Tensor, labels: Tensor) -> Tensor:
            return loss_and_logits(model, self.training, windows, labels, precision)[0]

        steps = steps_to_look_at(n_steps, self.training.epochs)
        return LayerObserver(
            self.model, self.at, steps, lambda: next(data.batches(self.training.batch_size, seed, 1)), loss
        )

    def is_done(self) -> bool:
        """Whether there is no further epoch."""
        return self.at.epoch > self.training.epochs or self.at.is_ended or stops_early(self.at, self.training)

    def begin_epoch(self) -> None:
        """Begin an epoch, or go on with it."""
        self.model.train()
        if self.at.step == 0:
            self.at.totals.zero_()

    def apply_gradients(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Move the weights by the gradients that are there; once something was not finite, nothing is moved."""
        norm = nn.utils.get_total_norm([p.grad for p in self.model.parameters() if p.grad is not None])
        if self.training.clip_norm:
            nn.utils.clip_grads_with_norm_(self.model.parameters(), self.training.clip_norm, norm)
        self.finite &= loss.isfinite() & norm.isfinite()
        found_inf = (~self.finite).float()
        self.optimiser.found_inf = found_inf  # type: ignore[attr-defined]  # a fused step then leaves the weights alone
        self.optimiser.step()
        self.at.totals += torch.stack([loss.double() * len(labels), (logits.argmax(dim=1) == labels).sum().double()])

    def after_step(self, is_looked_at: bool) -> None:
        """Move the learning rate; with `is_looked_at` wait for the device and see whether all was finite.

        Raises:
            RunFailed: it was not.
        """
        if self.training.schedule in _PER_STEP:
            self.schedule.step()
        if is_looked_at and not self.finite:
            raise Diverged(_not_finite(self.at.epoch, self.training))

    def end_epoch(
        self, n_frames: int, validation: FrameSource, precision: str, started: float, n_together: int = 1
    ) -> None:
        """Validate, keep the weights if they are the best, and add to the history.

        Args:
            started: when the epoch began, by `time.perf_counter`.
            n_together: models that share the time since then.
        """
        at, training = self.at, self.training
        loss, accuracy = (at.totals / n_frames).tolist()
        predictions = evaluate.predict(self.model, validation, precision)
        validation_loss, validation_accuracy = evaluate.loss_and_accuracy(predictions, validation)
        learning_rate = self.optimiser.param_groups[0]["lr"]
        if training.schedule not in _PER_STEP:
            self.schedule.step(*[validation_loss] if training.schedule == "plateau" else [])
        if training.keep == "last" or validation_accuracy > at.best_accuracy:
            at.best_epoch, at.best = at.epoch, {k: v.clone() for k, v in self.model.state_dict().items()}
        at.history.append(
            Epoch(
                epoch=at.epoch,
                train_loss=loss,
                train_accuracy=accuracy,
                validation_loss=validation_loss,
                validation_accuracy=validation_accuracy,
                learning_rate=learning_rate,
                frames=at.epoch * n_frames,
                seconds=(time.perf_counter() - started) / n_together,
            )
        )
        at.epoch, at.step, at.seconds = at.epoch + 1, 0, 0.0

    def write(self, state_file: Path) -> None:
        checkpoint.write(state_file, self.at, self.model, self.optimiser, self.schedule)


def make_optimiser(model: nn.Module, training: Training) -> torch.optim.Optimizer:
    """Fused: one kernel updates all weights."""
    weights, rate, decay = list(model.parameters()), training.learning_rate, training.weight_decay
    if training.optimiser == "sgd":
        return torch.optim.SGD(weights, lr=rate, weight_decay=decay, momentum=training.momentum, fused=True)
    of = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[training.optimiser]
    return of(weights, lr=rate, weight_decay=decay, fused=True, capturable=weights[0].is_cuda)


def make_schedule(optimiser: torch.optim.Optimizer, training: Training, n_steps: int) -> Any:
    """The learning rate over time; `n_steps` is those of an epoch."""
    total = training.epochs * n_steps
    match training.schedule:
        case "step":
            return lr_scheduler.StepLR(optimiser, training.step_epochs, training.factor)
        case "cosine":
            return lr_scheduler.CosineAnnealingLR(optimiser, total)
        case "one-cycle":
            return lr_scheduler.OneCycleLR(optimiser, training.learning_rate, total_steps=total)
        case "plateau":
            return lr_scheduler.ReduceLROnPlateau(optimiser, factor=training.factor, patience=training.plateau_epochs)
    return lr_scheduler.ConstantLR(optimiser, factor=1.0)


def stops_early(at: TrainingState, training: Training) -> bool:
    """Whether the last `early_stopping` epochs were all no better than one before them."""
    if not training.early_stopping or not at.history:
        return False
    best = max(at.history, key=lambda epoch: epoch.validation_accuracy)
    return len(at.history) - best.epoch >= training.early_stopping


def _not_finite(epoch: int, training: Training) -> str:
    return (
        f"the loss or its gradient was not finite in epoch {epoch}; the weights were left as they were before it. "
        f"Try a lower training.learning_rate (now {training.learning_rate:g}), training.clip_norm = 1.0 "
        f'(now {training.clip_norm:g}) or params.norm = "layer"'
    )
