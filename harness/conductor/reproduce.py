"""A run trained again from its record in MLflow alone, and compared with what it gave: bit for bit, or by how much."""

import contextlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from harness.conductor import source_code
from harness.conductor.workspace import cache
from harness.corpora.corpus import Corpus, open_corpus, subset
from harness.display.progress import Progress, RunName, Workload
from harness.engines import worker
from harness.engines.request import Request
from harness.errors import Interrupted, UserError
from harness.experiment.experiment import OF_FOLD
from harness.files import temporary_folder
from harness.frames.device import choose_device, dtype_of_frames
from harness.frames.placement import DeviceData
from harness.results import Epoch, RunResult, Scores
from harness.settings import Settings
from harness.tracking.store import is_there, open_store

MACHINE = ("device", "torch", "threads", "precision")
"""Facts of a result's provenance that must be equal for the same bits to be expected."""


@dataclass(frozen=True)
class Reproduction:
    """A run as it was, and trained again."""

    name: str
    """Of the run in MLflow, with its study's."""
    then: RunResult
    now: RunResult
    weights: float | None
    """Largest difference of a weight; None of a trial, whose model is not kept."""
    notes: tuple[str, ...] = ()
    """What a reader must know: facts of the record that are missing."""

    @property
    def machine_differs(self) -> dict[str, tuple[object, object]]:
        """What of the machine and its arithmetic is not the same: fact -> then, now."""
        facts = [(self.then.provenance.get(key), self.now.provenance.get(key)) for key in MACHINE]
        return {key: pair for key, pair in zip(MACHINE, facts, strict=True) if pair[0] != pair[1]}

    @property
    def parts(self) -> dict[str, tuple[Scores, Scores]]:
        """The splits that both were scored on: name -> then, now."""
        pairs = {"validation": (self.then.validation, self.now.validation)}
        if self.then.test and self.now.test:
            pairs["test"] = (self.then.test, self.now.test)
        return pairs

    @property
    def is_equal(self) -> bool:
        """Whether everything that does not measure time is the same to the last bit."""
        curves = [[replace(epoch, seconds=0.0) for epoch in run.history] for run in (self.then, self.now)]
        return (
            curves[0] == curves[1]
            and self.then.best_epoch == self.now.best_epoch
            and not self.weights
            and all(_are_equal(*pair) for pair in self.parts.values())
        )


def reproduce(run_id: str, root: Path, *, device: str, corpus: str | None, progress: Progress) -> Reproduction:
    """Train a finished trial or final again.

    Args:
        run_id: in MLflow, or what it begins with.
        device: auto, cpu or cuda.
        corpus: where its corpus lies now; where it lay then if None.

    Raises:
        UserError: there is no such run; or corpus or code are not those that it was trained with.
    """
    if not is_there(root):  # opening it would make one
        raise UserError(f"{run_id}: {root} holds no study yet; `harness run FILE` makes one")
    store = open_store(root)
    run_id, name, is_final = store.trained(run_id)
    with temporary_folder() as kept:
        then = RunResult.load(store.fetch(run_id, kept, ["result", "model"] if is_final else ["result"]) / "result")
        settings = Settings.from_flat(then.settings)
        if corpus is not None:
            settings = replace(settings, data=replace(settings.data, corpus=corpus))
        notes = _check_code(name, then)
        whole = open_corpus(settings.data, cache(root), progress.reading)
        _check_corpus(name, then, whole, settings)
        now = _train(run_id, root, then, settings, whole, choose_device(device), progress)
        weights = _largest_difference(kept / "model", _folder(root, run_id) / "model") if is_final else None
    shutil.rmtree(_folder(root, run_id))
    with contextlib.suppress(OSError):  # another one is being trained
        _folder(root, run_id).parent.rmdir()
    return Reproduction(name, then, now, weights, notes)


def _folder(root: Path, run_id: str) -> Path:
    """Where a run is trained again; a training that was stopped goes on from there."""
    return cache(root) / "reproduced" / run_id


def _check_code(name: str, then: RunResult) -> tuple[str, ...]:
    """Raises UserError where the code is another; without a digest that is not known, which is a note."""
    if "code" not in then.provenance:
        return ("the run is of an earlier version: whether its code is that of now is not known",)
    if then.provenance["code"] != source_code.digest_now(then.architecture):
        raise UserError(
            f"{name}: the code of {then.architecture} is not that which it was trained with. Bring that code back: it "
            "is in MLflow, among the artifacts of the arm's run, in code/"
        )
    return ()


def _check_corpus(name: str, then: RunResult, whole: Corpus, settings: Settings) -> None:
    wanted = then.provenance.get("corpus", whole.digest)
    if wanted != whole.digest:
        raise UserError(
            f"{name}: was trained on a corpus with digest {wanted}; {settings.data.corpus} has {whole.digest}. Name "
            "the folder where that corpus lies now with --corpus PATH"
        )


def _train(
    run_id: str,
    root: Path,
    then: RunResult,
    settings: Settings,
    whole: Corpus,
    device: torch.device,
    progress: Progress,
) -> RunResult:
    facts = then.provenance
    own = whole.folds[int(then.arm.rpartition(OF_FOLD)[2]) - 1] if whole.folds else whole
    parts = {"train": own.train, "validation": own.validation, "test": own.test}
    part = "train"
    if facts.get("subset", 1.0) < 1.0:
        part = "subset"
        parts[part] = subset(own.train, facts["subset"], facts["subset_seed"])
    padding = facts.get("padding", max(settings.data.left, settings.data.right))
    data = DeviceData(parts, padding, device, dtype_of_frames(facts["precision"]), limit=facts.get("memory"))
    request = Request(
        arm=then.arm,
        settings=settings,
        seeds=(then.seed,),
        corpus=own.digest,
        precision=facts["precision"],
        threads=facts["threads"],
        folders=(".",),
        trial=then.trial,
        search=then.search,
        part=part,
        micro_batches=facts.get("micro_batches", 1),
    )
    torch.set_num_threads(request.threads)
    named = RunName(then.arm, then.trial, then.seed if then.trial is None else None, then.search)
    n_frames, n_epochs = parts[part].n_frames, len(then.history)
    progress.plans(Workload(run_id[:8], "", (then.arm,), (), 1, n_frames, n_epochs * n_frames, 1))
    progress.begins(named, n_epochs, n_frames, {})

    def on_epoch(_: int, epoch: Epoch) -> bool:
        progress.epoch(named, epoch)
        return then.state == "pruned" and epoch.epoch == n_epochs

    try:
        (now,) = worker.train(request, data, _folder(root, run_id), on_epoch, lambda: False)
    except KeyboardInterrupt:
        raise Interrupted from None
    return now


def _are_equal(then: Scores, now: Scores) -> bool:
    names = ("counts", "log_loss", "predicted", "probability")
    pairs = [(getattr(then, name), getattr(now, name)) for name in names]
    return then.utterances == now.utterances and all(a is None or np.array_equal(a, b) for a, b in pairs)


def _largest_difference(then: Path, now: Path) -> float:
    """Between the weights of two models; infinite where their names or shapes differ."""
    from safetensors.torch import load_file

    old: Mapping[str, torch.Tensor] = load_file(then / "model.safetensors")
    new: Mapping[str, torch.Tensor] = load_file(now / "model.safetensors")
    if {name: weight.shape for name, weight in old.items()} != {name: weight.shape for name, weight in new.items()}:
        return float("inf")
    return max((float((weight.double() - new[name].double()).abs().max()) for name, weight in old.items()), default=0.0)
