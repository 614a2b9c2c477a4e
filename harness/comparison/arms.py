"""The numbers of one arm: what it reached, for whom and where, what it cost and how it learnt."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from harness.comparison.effort import random_stage, score, speed, spent, tuning_curve
from harness.comparison.frames import FrameResults, Frames
from harness.results import ArmRecord, RunResult, Scores, StudyRecord
from harness.statistics.frame_measures import calibration_error, reliability
from harness.statistics.frame_measures import pooled as pooled_bins
from harness.statistics.intervals import grouped
from harness.statistics.metrics import (
    Metric,
    accuracy,
    f1,
    headline,
    marginals,
    per_broad_class,
    per_phoneme,
    top_confusions,
)

Bins = Sequence[list[dict[str, float]]]
"""Of each final, how sure and how right it was."""


def arm_numbers(
    arm: ArmRecord, record: StudyRecord, kept: FrameResults | None, targets: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """One entry of `arms` in `comparison.json`.

    Args:
        kept: the study's frames; without them what needs them is left out.
        targets: accuracies that the speed of learning is measured at.
    """
    first, phonemes = arm.finals[0], list(arm.finals[0].phonemes)
    tests = [final.test for final in arm.finals if final.test is not None]
    confusions = [test.confusion for test in tests]
    pooled = np.sum(confusions, axis=0)
    of_test = {name: _over(confusions, metric) for name, metric in headline(phonemes).items()}
    of_test["log_loss"] = spread([float(test.log_loss.sum() / test.counts.sum()) for test in tests])
    histories = [final.history for final in arm.finals]
    bins = [reliability(final.probability, final.correct) for final in kept.arms[arm.arm]] if kept else []
    drawn = random_stage(arm.trials, record.random_trials)
    return {
        "arm": arm.arm,
        "architecture": arm.architecture,
        "settings": first.settings,
        "chosen": arm.chosen,
        "parameters": first.parameters,
        "flops_per_frame": first.flops_per_frame,
        "trials": sum(trial.rung == 1 for trial in arm.trials),  # configurations that were tried
        "search_frames": sum(trial.frames for trial in arm.trials),
        "search_seconds": sum(trial.seconds for trial in arm.trials),
        "seeds": [final.seed for final in arm.finals],
        "test": of_test | (_measures(kept, kept.arms[arm.arm], bins) if kept else {}),
        "validation": {"accuracy": _over([final.validation.confusion for final in arm.finals], accuracy)},
        "seconds_training": float(np.mean([final.seconds for final in arm.finals])),  # of one final
        "frames_per_second": float(np.mean([final.frames_per_second for final in arm.finals])),
        "peak_bytes": max(final.peak_bytes for final in arm.finals),
        "phonemes": _phonemes(pooled, confusions, phonemes),
        "broad_classes": per_broad_class(pooled, phonemes),
        "confusion": {"labels": phonemes, "counts": pooled.tolist()},
        "top_confusions": top_confusions(pooled, phonemes),
        "speakers": (speakers := _speakers(tests)),
        "worst_speaker": speakers[0],
        **(_places(kept, kept.arms[arm.arm], bins) if kept else {}),
        "history": [
            {"seed": final.seed, "best_epoch": final.best_epoch, "epochs": [asdict(epoch) for epoch in final.history]}
            for final in arm.finals
        ],
        "layers": [_layers(final) for final in arm.finals if final.layers],
        "learning_speed": [speed(histories, target["accuracy"]) for target in targets],
        "search": [asdict(trial) for trial in arm.trials],
        "effort": {
            "random_trials": len(drawn),
            "frames_per_trial": float(np.mean([trial.frames for trial in drawn])) if drawn else None,
            "curve": tuning_curve(np.array([score(trial) for trial in drawn]), record.level),
        },
        "rungs": spent(arm),
        "importances": arm.importances,
    }


def _layers(final: RunResult) -> dict[str, Any]:
    """What went on in the layers of a final: names (L,), steps (N,), and (N, L) of each quantity, four digits."""
    seen = final.layers
    assert seen
    found: dict[str, Any] = {"seed": final.seed, "names": list(seen.names), "steps": seen.steps.tolist()}
    for name, values in (("gradient", seen.gradient), ("scale", seen.scale), ("path_ratio", seen.path_ratio)):
        found[name] = [[float(f"{value:.4g}") for value in row] for row in values.tolist()]
    return found


def spread(per_seed: list[float]) -> dict[str, Any]:
    """Mean and standard deviation (n - 1) over seeds; one seed has none."""
    std = float(np.std(per_seed, ddof=1)) if len(per_seed) > 1 else None
    return {"mean": float(np.mean(per_seed)), "std": std, "per_seed": per_seed}


def _over(confusions: Sequence[np.ndarray], metric: Metric) -> dict[str, Any]:
    return spread([float(metric(*marginals(confusion))) for confusion in confusions])


def _phonemes(pooled: np.ndarray, confusions: Sequence[np.ndarray], phonemes: list[str]) -> list[dict[str, Any]]:
    of_seeds = np.stack([f1(*marginals(confusion)) for confusion in confusions], axis=1)
    return [
        row | {"f1_over_seeds": spread(values.tolist())}
        for row, values in zip(per_phoneme(pooled, phonemes), of_seeds, strict=True)
    ]


def _speakers(tests: Sequence[Scores]) -> list[dict[str, Any]]:
    """Each speaker's frames and accuracy, the worst first."""
    names = sorted(set(tests[0].speakers))
    frames = grouped(tests[0].lengths, tests[0].speakers)
    correct = [grouped(np.trace(test.counts, axis1=1, axis2=2), test.speakers) for test in tests]
    rows = [
        {"speaker": name, "frames": int(frames[i]), "accuracy": spread([float(c[i] / frames[i]) for c in correct])}
        for i, name in enumerate(names)
    ]
    return sorted(rows, key=lambda row: row["accuracy"]["mean"])


def _measures(kept: FrameResults, finals: Sequence[Frames], bins: Bins) -> dict[str, dict[str, Any]]:
    """What takes more than counts to tell, each over the seeds; nothing where there is nothing to measure it on."""
    found = {
        "calibration_error": spread([calibration_error(b) for b in bins]),
        "phone_error_rate": spread([float(final.edits.total.sum() / final.edits.true.sum()) for final in finals]),
    }
    for name, frames in (("accuracy_at_boundaries", kept.is_near), ("accuracy_away", ~kept.is_near)):
        if frames.any():
            found[name] = _accuracy(finals, frames)
    return found


def _places(kept: FrameResults, finals: Sequence[Frames], bins: Bins) -> dict[str, Any]:
    """Where and how an arm errs, as tables."""
    segments = finals[0].edits.true.sum()
    kinds = ("substitutions", "deletions", "insertions")
    return {
        "calibration": pooled_bins(bins),
        "boundaries": [
            {"distance": name, "frames": int(frames.sum()), "accuracy": _accuracy(finals, frames)}
            for name, frames in kept.groups.items()
            if frames.any()
        ],
        "segments": {
            "true": int(segments),
            **{
                kind: spread([float(getattr(final.edits, kind).sum() / segments) for final in finals]) for kind in kinds
            },
        },
    }


def _accuracy(finals: Sequence[Frames], frames: np.ndarray) -> dict[str, Any]:
    return spread([float(final.correct[frames].mean()) for final in finals])
