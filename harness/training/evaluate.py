"""Predictions of a model on a part, and counts per utterance from them.

Legend: F frames, U utterances, B batch, W window, D features, C classes.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.frames.device import autocast
from harness.frames.placement import FrameSource
from harness.results import Scores

_BATCH = 16384  # frames; large, since nothing is kept for a backward pass
_SAMPLE, _SAMPLED = 8, 512  # windows, of so many


@dataclass(frozen=True)
class Predictions:
    """Predictions for every frame of a part, on the device."""

    predicted: Tensor
    """(F,) uint8 class of the largest posterior."""
    probability: Tensor
    """(F,) float32 posterior of that class."""
    log_loss: Tensor | None
    """(F,) float32, -log posterior of the true class, nats; None of an unlabelled part."""


def predict(model: nn.Module, data: FrameSource, precision: str, micro_batches: int = 1) -> Predictions:
    """Predictions for all frames in their order. The model is left in evaluation mode.

    Args:
        micro_batches: parts of each batch, where the memory of the device is too small for a whole one.
    """
    return gather(log_posteriors(model, data, precision, micro_batches), data)


@torch.inference_mode()
def log_posteriors(model: nn.Module, data: FrameSource, precision: str, micro_batches: int = 1) -> Iterator[Tensor]:
    """Log posteriors (B, C) float32 of large batches of frames, in order. The model is left in evaluation mode."""
    model.eval()
    for windows, _ in data.in_order(max(1, _BATCH // micro_batches)):
        with autocast(windows.device, precision):
            logits = model(windows)
        yield F.log_softmax(logits.float(), dim=1)


@torch.inference_mode()
def sample(model: nn.Module, data: FrameSource) -> dict[str, Tensor]:
    """A few windows (P, W, D) and their logits (P, C) in float32, by which a model can be recognised later."""
    model.eval()
    windows = next(data.in_order(_SAMPLED))[0]
    windows = windows[:: max(1, len(windows) // _SAMPLE)][:_SAMPLE].float()
    return {"windows": windows.cpu().contiguous(), "logits": model(windows).float().cpu().contiguous()}


@torch.inference_mode()
def gather(batches: Iterable[Tensor], data: FrameSource) -> Predictions:
    """Predictions from the log posteriors (B, C) of all frames, batch by batch in their order."""
    predicted, probability, log_loss = [], [], []
    start = 0
    for log_posterior in batches:
        best = log_posterior.max(dim=1)
        predicted.append(best.indices.to(torch.uint8))
        probability.append(best.values.exp())
        labels = data.labels[start : start + len(log_posterior)]
        start += len(log_posterior)
        if len(labels):
            log_loss.append(F.nll_loss(log_posterior, labels.long(), reduction="none"))
    return Predictions(torch.cat(predicted), torch.cat(probability), torch.cat(log_loss) if log_loss else None)


def loss_and_accuracy(predictions: Predictions, data: FrameSource) -> tuple[float, float]:
    """Mean log loss (nats) and accuracy in [0, 1] over frames."""
    assert predictions.log_loss is not None
    correct = (predictions.predicted == data.labels).double().mean()
    loss, accuracy = torch.stack([predictions.log_loss.double().mean(), correct]).tolist()
    return loss, accuracy


def scores(predictions: Predictions, data: FrameSource, n_classes: int, keep_frames: bool) -> Scores:
    """Counts (U, C, C) and log loss (U,) per utterance; with `keep_frames` also the predictions of each frame."""
    assert predictions.log_loss is not None
    part = data.part
    n_utterances = len(part.lengths)
    utterance = torch.repeat_interleave(torch.from_numpy(part.lengths).to(data.labels.device))
    cell = (utterance * n_classes + data.labels) * n_classes + predictions.predicted
    counts = torch.bincount(cell, minlength=n_utterances * n_classes**2).to(torch.int32)
    # on the host, in order: a GPU's threads would add in the order in which they finish, with other last bits each time
    log_loss = np.bincount(
        np.repeat(np.arange(n_utterances), part.lengths), predictions.log_loss.cpu().numpy(), n_utterances
    )
    frames: dict[str, np.ndarray] = {}
    if keep_frames:
        frames = {
            "predicted": predictions.predicted.cpu().numpy(),
            "probability": predictions.probability.half().cpu().numpy(),
            "truth": data.labels.cpu().numpy(),
        }
    return Scores(
        split=part.split,
        utterances=tuple(part.utterances.tolist()),
        speakers=tuple(part.speakers.tolist()),
        counts=counts.view(n_utterances, n_classes, n_classes).cpu().numpy(),
        log_loss=log_loss,
        **frames,
    )
