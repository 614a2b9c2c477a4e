"""A comparison as tables: for the files of a report, and for those who work in Python.

Shares are fractions in [0, 1] and differences of them, times are in seconds; what does not exist is NaN.
"""

from collections.abc import Iterator
from dataclasses import asdict

import pandas as pd

from harness.comparison.arm_model import ComparedArm
from harness.comparison.model import Comparison

_OF_PAIRS = (
    "a", "b", "metric", "difference", "low", "high", "level", "se", "freedom", "p", "p_corrected", "p_family",
    "low_simultaneous", "high_simultaneous", "is_planned", "probability_a_better", "verdict",
)  # fmt: skip


def arms_table(comparison: Comparison) -> pd.DataFrame:
    """One row per arm: what it reached, cost and chose."""
    rows = []
    for arm in comparison.arms:
        row: dict[str, object] = {
            "arm": arm.arm,
            "architecture": arm.architecture,
            "parameters": arm.parameters,
            "flops_per_frame": arm.flops_per_frame,
            "trials": arm.trials,
            "seeds": " ".join(map(str, arm.seeds)),
        }
        for split, measures in (("test", arm.test), ("validation", arm.validation)):
            for metric, values in measures.items():
                row |= {f"{split}_{metric}_mean": values.mean, f"{split}_{metric}_std": values.std}
        row |= {
            "seconds_training": arm.seconds_training,
            "frames_per_second": arm.frames_per_second,
            "search_frames": arm.search_frames,
            "peak_bytes": arm.peak_bytes,
        }
        rows.append(row | {f"chosen.{name}": value for name, value in arm.chosen.items()})
    return pd.DataFrame(rows)


def phonemes_table(comparison: Comparison) -> pd.DataFrame:
    """One row per arm and phoneme: precision, recall, F1 and support, pooled over seeds."""
    columns = ("phoneme", "precision", "recall", "f1", "support")
    rows = [{"arm": arm.arm} | {c: getattr(row, c) for c in columns} for arm in comparison.arms for row in arm.phonemes]
    return pd.DataFrame(rows)


def confusion_table(arm: ComparedArm) -> pd.DataFrame:
    """Counts pooled over seeds, rows true, columns predicted."""
    labels = list(arm.confusion.labels)
    counts = pd.DataFrame(arm.confusion.counts, index=labels, columns=labels)
    return counts.rename_axis("true").reset_index()


def pairs_table(comparison: Comparison) -> pd.DataFrame:
    """One row per pair of arms and measure.

    `difference` is a less b, with its interval from `low` to `high`, its standard error (`se`), degrees of freedom
    (`freedom`), p-values, and the verdict in words.
    """
    return pd.DataFrame(
        [{name: getattr(pair, name) for name in _OF_PAIRS} for pair in comparison.pairs], columns=_OF_PAIRS
    )


def seeds_table(comparison: Comparison) -> pd.DataFrame:
    """One row per arm, seed and measure on test; `search` is the number of its search, from 1."""
    columns = ("arm", "search", "seed", "metric", "value")
    rows = [
        (arm.arm, search, seed, metric, value)
        for arm in comparison.arms
        for metric, values in arm.test.items()
        for (seed, search), value in zip(_finals(arm), values.per_seed, strict=True)
    ]
    return pd.DataFrame(rows, columns=columns)


def speakers_table(comparison: Comparison) -> pd.DataFrame:
    """One row per arm, seed and test speaker: the accuracy on so many frames, for models of one's own."""
    columns = ("arm", "search", "seed", "speaker", "frames", "accuracy")
    rows = [
        (arm.arm, search, seed, row.speaker, row.frames, accuracy)
        for arm in comparison.arms
        for row in arm.speakers
        for (seed, search), accuracy in zip(_finals(arm), row.accuracy.per_seed, strict=True)
    ]
    return pd.DataFrame(rows, columns=columns)


def trials_table(comparison: Comparison) -> pd.DataFrame:
    """One row per trial: what it reached on validation, what it cost, and a column for each searched setting."""
    rows = []
    for arm in comparison.arms:
        searches = [search.trials for search in arm.searches] or ([arm.search] if arm.search else [])
        for search, trials in enumerate(searches, 1):
            for trial in trials:
                own = {"arm": arm.arm, "search": search, "trial": trial.number, "state": trial.state}
                own |= {"validation_accuracy": trial.value, "rung": trial.rung, "frames": trial.frames}
                rows.append(own | {"seconds": trial.seconds} | trial.settings)
    return pd.DataFrame(rows)


def curves_table(comparison: Comparison) -> pd.DataFrame:
    """One row per arm, seed and epoch: losses in nats, accuracies, learning rate, frames so far, seconds."""
    rows = [
        {"arm": arm.arm, "seed": curve.seed, **asdict(epoch)}
        for arm in comparison.arms
        for curve in arm.history
        for epoch in curve.epochs
    ]
    return pd.DataFrame(rows)


def checks_table(comparison: Comparison) -> pd.DataFrame:
    """One row per finding about the study itself."""
    columns = ("code", "severity", "sentence", "advice")
    return pd.DataFrame([asdict(check) for check in comparison.checks], columns=columns)


def _finals(arm: ComparedArm) -> Iterator[tuple[int, int]]:
    """The seed of each final, and the place of its search from 1; 0 where nothing was searched."""
    searches = {final.seed: number for number, search in enumerate(arm.searches, 1) for final in search.finals}
    for seed in arm.seeds:
        yield seed, searches.get(seed, 1 if arm.search else 0)
