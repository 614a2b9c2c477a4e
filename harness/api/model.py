"""A trained model in Python: posteriors of frames, and the module itself."""

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import UserError

if TYPE_CHECKING:  # torch takes 2 s to import
    from torch import nn

    from harness.prediction.model import TrainedModel
    from harness.prediction.predict import Prediction


class Model:
    """One final of a study: it labels frames as `harness predict` does.

    Legend: T frames of one utterance, D features, C classes, W window.
    """

    def __init__(self, trained: "TrainedModel") -> None:
        self._trained = trained

    @property
    def module(self) -> "nn.Module":
        """The torch module: windows (B, W, D) of normalised frames -> logits (B, C)."""
        return self._trained.saved.model

    @property
    def phonemes(self) -> tuple[str, ...]:
        """(C,) the names of the classes."""
        return self._trained.saved.phonemes

    @property
    def context(self) -> tuple[int, int]:
        """Frames on the left and on the right of the one that is classified."""
        return self._trained.saved.left, self._trained.saved.right

    @property
    def seed(self) -> int:
        return self._trained.result.seed

    def posteriors(self, frames: np.ndarray) -> np.ndarray:
        """(T, C) float32, rows summing to 1.

        Args:
            frames: (T, D) of one whole utterance, made like those of the corpus that it was trained on and not
                normalised: that is done here, and its edges are those of the windows.

        Raises:
            UserError: frames of another shape, or not finite.
        """
        found = self._predict(frames).posteriors
        assert found is not None
        return found

    def labels(self, frames: np.ndarray) -> list[str]:
        """(T,) the phoneme of each frame. Arguments and errors as those of `posteriors`."""
        return [self.phonemes[own] for own in self._predict(frames).predicted]

    def __repr__(self) -> str:
        result, saved = self._trained.result, self._trained.saved
        window = f"{saved.left + 1 + saved.right} frames of {saved.d_features} features"
        whose = f"study {self._trained.study}, arm {result.arm}, seed {self.seed}"
        return f"Model of {whose}: {saved.architecture} on {window}"

    def _predict(self, frames: np.ndarray) -> "Prediction":
        import torch

        from harness.corpora.store import Part
        from harness.prediction.predict import predict

        d_features = self._trained.saved.d_features
        wanted = f"give an array of numbers, T x {d_features}, with at least one frame"
        try:
            own = np.asarray(frames, dtype=np.float32, order="C")
        except (ValueError, TypeError):
            raise UserError(f"frames: no array of numbers; {wanted}") from None
        if own.ndim != 2 or own.shape[1] != d_features or not len(own):
            raise UserError(f"frames: {' x '.join(map(str, own.shape)) or 'a number'}; {wanted}")
        if not np.isfinite(own).all():
            raise UserError("frames: some values are not finite; a model cannot classify them")
        part = Part(
            split="frames",
            frames=own,
            labels=None,
            starts=np.zeros(1, dtype=np.int64),
            lengths=np.array([len(own)], dtype=np.int64),
            utterances=np.array(["frames"]),
            speakers=np.array(["frames"]),
            phonemes=(),
            digest=hashlib.sha256(own.data).hexdigest()[:32],
        )
        return predict([self._trained], part, torch.device("cpu"), keep_posteriors=True)
