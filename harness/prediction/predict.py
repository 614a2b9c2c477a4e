"""Trained models put to use: a label for every frame, of one model or of several together.

Legend: F frames, U utterances, C classes, B batch, M models.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from harness.corpora.store import Part
from harness.files import Count
from harness.frames.device import dtype_of_frames
from harness.frames.normalisation import Normaliser
from harness.frames.windows import to_device
from harness.prediction.model import TrainedModel
from harness.training import evaluate


@dataclass(frozen=True)
class Prediction:
    """The predictions of models for a part."""

    predicted: np.ndarray
    """(F,) uint8, the class with the largest (mean) posterior."""
    posteriors: np.ndarray | None
    """(F, C) float32, where they were wanted."""
    confusion: np.ndarray | None
    """(C, C) int64, rows true and columns predicted; None of an unlabelled part."""
    accuracies: tuple[float, ...]
    """(M,) of each model alone, in [0, 1]; empty of an unlabelled part."""


def predict(
    models: Sequence[TrainedModel],
    part: Part,
    device: torch.device,
    *,
    keep_posteriors: bool = False,
    progress: Count | None = None,
) -> Prediction:
    """A label for every frame, in the arithmetic of the training; of several models by the mean of their posteriors.

    With one model on the device that it was scored on, this is what its test was scored by, to the last bit.

    Args:
        models: of one arm; they see the same windows.
        progress: called with (frames done, all frames).
    """
    saved, arithmetic = models[0].saved, models[0].precision
    resident = to_device(
        Normaliser(part, saved.normalisation, saved.statistics),
        slice(None),
        left=saved.left,
        right=saved.right,
        boundary=saved.boundary,
        device=device,
        dtype=dtype_of_frames(arithmetic),
    )
    networks = [model.saved.model.to(device) for model in models]
    correct = torch.zeros(len(models), dtype=torch.int64, device=device)
    posteriors: list[np.ndarray] = []

    @torch.inference_mode()
    def batches() -> Iterator[Tensor]:
        """Logarithms (B, C) of the mean posterior."""
        n_frames = 0
        for each in zip(*(evaluate.log_posteriors(network, resident, arithmetic) for network in networks), strict=True):
            together = each[0] if len(each) == 1 else torch.logsumexp(torch.stack(each), 0) - math.log(len(each))
            truth = resident.labels[n_frames : n_frames + len(together)]
            if len(truth):
                correct.add_(torch.stack([(own.argmax(dim=1) == truth).sum() for own in each]))
            if keep_posteriors:
                posteriors.append(together.exp().cpu().numpy())
            n_frames += len(together)
            if progress:
                progress(n_frames, len(resident))
            yield together

    predictions = evaluate.gather(batches(), resident)
    confusion, accuracies = None, ()
    if part.labels is not None:
        confusion = evaluate.scores(predictions, resident, len(saved.phonemes), keep_frames=False).confusion
        accuracies = tuple((correct / len(resident)).tolist())
    return Prediction(
        predictions.predicted.cpu().numpy(),
        np.concatenate(posteriors) if keep_posteriors else None,
        confusion,
        accuracies,
    )
