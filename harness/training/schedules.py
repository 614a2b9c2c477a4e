"""The learning rate over time."""

from collections.abc import Callable
from typing import Any

import torch
from torch.optim import lr_scheduler

from harness.settings import Training

_PER_UPDATE = ("cosine", "one-cycle")  # schedules that move with every update; the others move every epoch


class Schedule:
    """A schedule of torch, and before it a warm-up: a line from 0 to 1 that the learning rates are multiplied by.

    Args:
        n_steps: updates of an epoch.
    """

    def __init__(self, optimiser: torch.optim.Optimizer, training: Training, n_steps: int) -> None:
        self._optimiser = optimiser
        self._is_per_update = training.schedule in _PER_UPDATE
        self._schedule = _schedule(optimiser, training, n_steps)
        self._n_warm = round(training.warmup_epochs * n_steps)
        self._done = 0
        self._rates = [group["lr"] for group in self._optimiser.param_groups]
        """Those of the schedule alone."""
        self._warm_up()

    def after_update(self) -> None:
        """The learning rates of the next update."""
        self._done += 1
        self._move(self._schedule.step if self._is_per_update else None)

    def after_epoch(self, validation_loss: float) -> None:
        """The learning rates of the next epoch."""
        if isinstance(self._schedule, lr_scheduler.ReduceLROnPlateau):
            plateau = self._schedule
            self._move(lambda: plateau.step(validation_loss))
        elif not self._is_per_update:
            self._move(self._schedule.step)

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` goes on from; without a warm-up it is torch's own."""
        own: dict[str, Any] = self._schedule.state_dict()
        return {"schedule": own, "done": self._done, "rates": self._rates} if self._n_warm else own

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        if self._n_warm:
            self._done, self._rates = state_dict["done"], state_dict["rates"]
            state_dict = state_dict["schedule"]
        self._schedule.load_state_dict(state_dict)

    def _move(self, step: Callable[[], None] | None) -> None:
        if not self._n_warm:
            if step:
                step()
            return
        for rate, group in zip(self._rates, self._optimiser.param_groups, strict=True):
            group["lr"] = rate
        if step:
            step()
        self._rates = [group["lr"] for group in self._optimiser.param_groups]
        self._warm_up()

    def _warm_up(self) -> None:
        if self._done < self._n_warm:
            for rate, group in zip(self._rates, self._optimiser.param_groups, strict=True):
                group["lr"] = rate * (self._done + 1) / self._n_warm


def _schedule(
    optimiser: torch.optim.Optimizer, training: Training, n_steps: int
) -> lr_scheduler.LRScheduler | lr_scheduler.ReduceLROnPlateau:
    total = training.epochs * n_steps
    match training.schedule:
        case "step":
            return lr_scheduler.StepLR(optimiser, training.step_epochs, training.factor)
        case "multi-step":
            return lr_scheduler.MultiStepLR(optimiser, training.milestones, training.factor)
        case "exponential":
            return lr_scheduler.ExponentialLR(optimiser, training.factor)
        case "cosine":
            return lr_scheduler.CosineAnnealingLR(optimiser, total)
        case "one-cycle":
            # torch would also move momentum, from 0.95 whatever the file says, by numbers that a CUDA graph bakes in
            return lr_scheduler.OneCycleLR(optimiser, training.learning_rate, total_steps=total, cycle_momentum=False)
        case "plateau":
            return lr_scheduler.ReduceLROnPlateau(optimiser, factor=training.factor, patience=training.plateau_epochs)
    return lr_scheduler.ConstantLR(optimiser, factor=1.0)
