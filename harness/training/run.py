"""The unit of work: (arm, settings, seed, corpus) -> RunResult. It knows neither MLflow nor Optuna."""

import contextlib
import resource
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

import architectures
from harness.corpora.store import Part
from harness.frames.placement import DeviceData, Placement
from harness.results import Epoch, RunResult
from harness.settings import Settings
from harness.training import diagnostics, evaluate, saved_model
from harness.training.checkpoint import TrainingState
from harness.training.together import train_together
from harness.training.trainer import train

SMALL = 1_000_000
"""Parameters below which a GPU has room for several models at once."""


def run(
    arm: str,
    settings: Settings,
    residents: DeviceData,
    *,
    seed: int,
    precision: str,
    trial: int | None = None,
    search: int = 1,
    part: str = "train",
    folder: Path | None = None,
    provenance: dict[str, Any] | None = None,
    on_epoch: Callable[[Epoch], bool] = lambda epoch: False,
    should_stop: Callable[[], bool] = lambda: False,
    micro_batches: int = 1,
) -> RunResult:
    """One run: build, train, evaluate. A final (`trial` is None) is also scored on test, once, and its model saved.

    Args:
        on_epoch: called after each epoch; true ends the run, which is then "pruned".
        residents: parts "train" and "validation", and "test" for a final.
        part: what to train on, "train" or a part of it.
        search: number of the search that it belongs to, from 1.
        folder: for the state of the training (`state.pt`), from which it goes on, and a final's model.
        micro_batches: as those of `Learner`.

    Raises:
        RunFailed, Interrupted: as `train`.
    """
    with _deterministic(settings.training.deterministic):
        model = _new_models([folder], settings, residents, [seed])[0]
        state = train(
            model,
            residents.get(part, settings.data),
            residents.get("validation", settings.data),
            settings.training,
            seed=seed,
            precision=precision,
            state_file=folder / "state.pt" if folder else None,
            on_epoch=on_epoch,
            should_stop=should_stop,
            observed=trial is None,
            micro_batches=micro_batches,
        )
        return _result(
            arm, settings, residents, seed, precision, trial, search, folder, provenance, model, state, micro_batches
        )


def run_together(
    arm: str,
    settings: Settings,
    residents: DeviceData,
    *,
    seeds: Sequence[int],
    precision: str,
    folders: Sequence[Path],
    search: int = 1,
    provenance: dict[str, Any] | None = None,
    on_epoch: Callable[[int, Epoch], object] = lambda seed, epoch: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> list[RunResult]:
    """The finals of an arm as one batched model; each as `run` gives it, its seconds its share of the whole.

    Args:
        folders: of each seed; none holds a state yet. After an interruption `run` goes on with each by itself.
        on_epoch: called after each epoch with the seed.

    Raises:
        RunFailed, Interrupted: as `train`.
    """
    with _deterministic(settings.training.deterministic):
        models = _new_models(folders, settings, residents, seeds)
        states = train_together(
            models,
            residents.get("train", settings.data),
            residents.get("validation", settings.data),
            [settings.training] * len(seeds),
            seeds=seeds,
            precision=precision,
            state_files=[folder / "state.pt" for folder in folders],
            on_epoch=lambda s, epoch: on_epoch(seeds[s], epoch),
            should_stop=should_stop,
            observed=True,
        )
        return [
            _result(arm, settings, residents, seed, precision, None, search, folder, provenance, model, state)
            for seed, folder, model, state in zip(seeds, folders, models, states, strict=True)
        ]


def is_small(settings: Settings, train: Part, placement: Placement) -> bool:
    """Whether a GPU is not filled by training one such model, and `run_together` can train several."""
    size = architectures.measure(settings.architecture, *_shape(settings, train), settings.params)
    fits = "train" not in placement.streamed and not settings.training.early_stopping
    return fits and size.parameters < SMALL


@contextlib.contextmanager
def _deterministic(wanted: bool) -> Iterator[None]:
    """Have torch refuse operations whose result depends on the order in which threads finish, if that is wanted.

    cuBLAS reads CUBLAS_WORKSPACE_CONFIG when CUDA is first used; torch refuses matrix products without it.
    """
    if not wanted or torch.are_deterministic_algorithms_enabled():
        yield
        return
    torch.use_deterministic_algorithms(True)  # with it comes torch's compiler
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


def depends_on_batch(settings: Settings, train: Part) -> bool:
    """Whether a model normalises over its batch, which then cannot be divided without another gradient."""
    with torch.device("meta"):
        model = architectures.build(settings.architecture, *_shape(settings, train), settings.params)
    return any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules())


def _shape(settings: Settings, part: Part) -> tuple[int, int, int]:
    """Window, features, classes."""
    return settings.data.window, part.d_features, len(part.phonemes)


def _new_models(
    folders: Sequence[Path | None], settings: Settings, residents: DeviceData, seeds: Sequence[int]
) -> list[nn.Module]:
    """New models, one for each seed, on the device."""
    device = residents.device
    for folder in folders:
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    models, shape = [], _shape(settings, residents.parts["train"])
    for seed in seeds:
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            model = architectures.build(settings.architecture, *shape, settings.params)
        models.append(model.to(device))
    return models


def _result(
    arm: str,
    settings: Settings,
    residents: DeviceData,
    seed: int,
    precision: str,
    trial: int | None,
    search: int,
    folder: Path | None,
    provenance: dict[str, Any] | None,
    model: nn.Module,
    state: TrainingState,
    micro_batches: int = 1,
) -> RunResult:
    """The scores of a trained model, which is saved if it is a final's."""
    part = residents.parts["train"]
    shape = _shape(settings, part)
    validation = residents.get("validation", settings.data)
    test = None
    if trial is None:
        data = residents.get("test", settings.data)
        predictions = evaluate.predict(model, data, precision, micro_batches)
        test = evaluate.scores(predictions, data, shape[2], keep_frames=True)
        if folder:
            stats = residents.statistics(settings.data.normalisation)
            saved_model.save(
                folder / "model",
                model,
                settings,
                part.d_features,
                part.phonemes,
                stats,
                part.features,
                evaluate.sample(model, validation),
            )
    size = architectures.measure(settings.architecture, *shape, settings.params)
    seconds = sum(epoch.seconds for epoch in state.history)
    return RunResult(
        arm=arm,
        architecture=settings.architecture,
        stage="search" if trial is not None else "final",
        trial=trial,
        search=search,
        seed=seed,
        settings=settings.flat(),
        parameters=size.parameters,
        flops_per_frame=size.flops_per_frame,
        phonemes=part.phonemes,
        history=tuple(state.history),
        best_epoch=state.best_epoch,
        validation=evaluate.scores(
            evaluate.predict(model, validation, precision, micro_batches), validation, shape[2], keep_frames=False
        ),
        test=test,
        seconds=seconds,
        frames_per_second=state.history[-1].frames / seconds,
        peak_bytes=peak_bytes(residents.device),
        state="pruned" if state.is_ended else "complete",
        provenance=provenance or {},
        layers=diagnostics.history(state.layers, state.looks),
    )


def peak_bytes(device: torch.device) -> int:
    """Largest memory held: on a GPU that of this run's tensors, else that of the whole process since it began."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
