"""The unit of work: (arm, settings, seed, corpus) -> RunResult. Records nothing, knows neither MLflow nor Optuna."""

import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import architectures
from harness import evaluate, saved_model
from harness.data import Residents
from harness.results import Epoch, RunResult
from harness.settings import Settings
from harness.train import train


def run(
    arm: str,
    settings: Settings,
    residents: Residents,
    *,
    seed: int,
    precision: str,
    trial: int | None = None,
    folder: Path | None = None,
    provenance: dict[str, Any] | None = None,
    on_epoch: Callable[[Epoch], bool] = lambda epoch: False,
    should_stop: Callable[[], bool] = lambda: False,
) -> RunResult:
    """Build, train, evaluate. A final (`trial` is None) is also scored on test, once, and its model is kept.

    Args:
        on_epoch: called after each epoch; true ends the run, which is then "pruned".
        residents: parts "train" and "validation", and "test" for a final. Trials train on "search", if it is there.
        folder: for the state of the training (`state.pt`), from which it goes on, and a final's model.

    Raises:
        RunFailed, Interrupted: as `train`.
    """
    device, part = residents.device, residents.parts["train"]
    seen = "search" if trial is not None and "search" in residents.parts else "train"
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    shape = (settings.data.window, part.d_features, len(part.phonemes))
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        model = architectures.build(settings.architecture, *shape, settings.params)
    model = model.to(device)
    validation = residents.get("validation", settings.data)
    trained = train(
        model,
        residents.get(seen, settings.data),
        validation,
        settings.training,
        seed=seed,
        precision=precision,
        state_file=folder / "state.pt" if folder else None,
        on_epoch=on_epoch,
        should_stop=should_stop,
    )
    test = None
    if trial is None:
        data = residents.get("test", settings.data)
        test = evaluate.scores(evaluate.predict(model, data, precision), data, shape[2], keep_frames=True)
        if folder:
            stats = residents.statistics(settings.data.normalisation)
            saved_model.save(folder / "model", model, settings, part.d_features, part.phonemes, stats, part.features)
    size = architectures.measure(settings.architecture, *shape, settings.params)
    seconds = sum(epoch.seconds for epoch in trained.history)
    return RunResult(
        arm=arm,
        architecture=settings.architecture,
        stage="search" if trial is not None else "final",
        trial=trial,
        seed=seed,
        settings=settings.flat(),
        parameters=size.parameters,
        flops_per_frame=size.flops_per_frame,
        phonemes=part.phonemes,
        history=tuple(trained.history),
        best_epoch=trained.best_epoch,
        validation=evaluate.scores(
            evaluate.predict(model, validation, precision), validation, shape[2], keep_frames=False
        ),
        test=test,
        seconds=seconds,
        frames_per_second=trained.history[-1].frames / seconds,
        peak_bytes=_peak_bytes(device),
        state="pruned" if trained.is_ended else "complete",
        provenance=provenance or {},
    )


def _peak_bytes(device: torch.device) -> int:
    """Largest memory held: on a GPU that of this run's tensors, else that of the whole process since it began."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
