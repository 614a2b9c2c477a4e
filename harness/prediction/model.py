"""The trained models of a study, from MLflow alone: its working folder may be gone."""

from dataclasses import dataclass
from pathlib import Path

from harness.corpora import features
from harness.corpora.features import Features
from harness.errors import UserError
from harness.files import temporary_folder
from harness.results import RunResult
from harness.tracking.refusals import explaining_damage
from harness.tracking.store import Store, is_there, open_store
from harness.training import saved_model
from harness.training.saved_model import SavedModel


@dataclass(frozen=True)
class TrainedModel:
    """One final: its model, and what is known of its training."""

    study: str
    saved: SavedModel
    result: RunResult

    @property
    def precision(self) -> str:
        """The arithmetic it was trained and scored in: bf16 or fp32."""
        return str(self.result.provenance["precision"])

    def features(self) -> Features | None:
        """Features of its corpus: as they were known in training, else as the corpus says now."""
        if self.saved.features:
            return self.saved.features
        corpus = self.result.settings["data.corpus"]
        if corpus == "synthetic":
            from harness.corpora.synthetic import sentences

            return sentences.FEATURES
        now = features.read(Path(corpus).expanduser())
        return now if now and now.width == self.saved.d_features else None


def load(root: Path, study: str, arm: str, seed: int | None = None) -> TrainedModel:
    """An arm's final of one seed, of the comparison's first one unless given.

    Args:
        root: the project's folder.

    Raises:
        UserError: there is no such study, arm or seed, or nothing of it is finished.
    """
    store = _store(root, study)
    finals = store.finals(study, arm)
    seed = next(iter(finals)) if seed is None else seed
    if seed not in finals:
        raise UserError(
            f"--seed {seed}: arm {arm} of study {study} has no such finished run; there are: {_seeds(finals)}"
        )
    return _fetch(store, study, finals[seed])


def load_all(root: Path, study: str, arm: str) -> list[TrainedModel]:
    """An arm's finals, one for each seed of the comparison that is finished. Raises as `load`."""
    store = _store(root, study)
    return [_fetch(store, study, run_id) for run_id in store.finals(study, arm).values()]


def _store(root: Path, study: str) -> Store:
    if not is_there(root):  # opening it would make one
        raise UserError(f"--study {study}: {root} holds no study yet; `harness run FILE` makes one")
    return open_store(root)


def _fetch(store: Store, study: str, run_id: str) -> TrainedModel:
    with temporary_folder() as folder:
        place = store.fetch(run_id, folder)
        with explaining_damage(run_id, "model", store.uri):
            saved = saved_model.load(place / "model")
        with explaining_damage(run_id, "result", store.uri):
            return TrainedModel(study, saved, RunResult.load(place / "result"))


def _seeds(finals: dict[int, str]) -> str:
    return ", ".join(map(str, finals))
