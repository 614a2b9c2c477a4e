"""A cross-validated study with its folds put together: an arm that was tested on every speaker once.

An arm has a cell for each fold, with searches and finals of its own. The finals of the folds with the same place in
their search and seed become one: its test results are those of all folds, each by the model that never heard these
speakers; its curves, seconds and parameters are means over the folds' trainings.

Legend: U utterances of all folds.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from harness.results import ArmRecord, Epoch, RunResult, Scores, StudyRecord
from harness.statistics.folds import Folds


def merged(record: StudyRecord) -> StudyRecord:
    """The record with one arm in the place of its folds; one without folds, or that has been merged, as it is."""
    if record.folds is None or not record.folds["cells"]:
        return record
    cells = {arm.arm: arm for arm in record.arms}
    of_base: dict[str, list[ArmRecord]] = {}
    for name, cell in record.folds["cells"].items():
        of_base.setdefault(cell["base"], []).append(cells[name])
    first = next(iter(of_base.values()))
    sizes = [len(_test(arm.finals[0]).utterances) if arm.finals else 0 for arm in first]
    arms = [_merged_arm(base, arms) for base, arms in of_base.items()]
    return replace(record, arms=arms, folds={**record.folds, "cells": {}, "utterances": sizes})


def folds_of_units(record: StudyRecord, units: Sequence[str]) -> Folds | None:
    """The fold that each unit was tested in; None where there are none.

    Args:
        record: merged.
        units: (U,) the unit of each utterance.
    """
    if record.folds is None:
        return None
    of_utterances = np.repeat(np.arange(len(record.folds["utterances"])), record.folds["utterances"])
    _, first = np.unique(np.asarray(units), return_index=True)
    return Folds(of_utterances[first], record.folds["test_to_train"])


def _merged_arm(base: str, folds: Sequence[ArmRecord]) -> ArmRecord:
    failure = next((f"{arm.arm}: {arm.failure}" for arm in folds if arm.failure), "")
    finals = zip(*(arm.finals for arm in folds), strict=True) if not failure else ()
    return replace(
        folds[0],
        arm=base,
        finals=tuple(_merged_final(base, each) for each in finals),
        failure=failure,
    )


def _merged_final(base: str, folds: Sequence[RunResult]) -> RunResult:
    first = folds[0]
    seconds = float(np.mean([final.seconds for final in folds]))
    n_epochs = min(len(final.history) for final in folds)
    return replace(
        first,
        arm=base,
        parameters=round(np.mean([final.parameters for final in folds])),
        flops_per_frame=round(np.mean([final.flops_per_frame for final in folds])),
        history=tuple(_mean_epoch([final.history[i] for final in folds]) for i in range(n_epochs)),
        best_epoch=min(n_epochs, round(np.mean([final.best_epoch for final in folds]))),
        validation=_together([final.validation for final in folds]),
        test=_together([_test(final) for final in folds]),
        seconds=seconds,
        frames_per_second=float(np.mean([final.frames_per_second for final in folds])),
        peak_bytes=max(final.peak_bytes for final in folds),
    )


def _mean_epoch(epochs: Sequence[Epoch]) -> Epoch:
    def mean(name: str) -> float:
        return float(np.mean([getattr(epoch, name) for epoch in epochs]))

    return Epoch(
        epoch=epochs[0].epoch,
        train_loss=mean("train_loss"),
        train_accuracy=mean("train_accuracy"),
        validation_loss=mean("validation_loss"),
        validation_accuracy=mean("validation_accuracy"),
        learning_rate=mean("learning_rate"),
        frames=round(mean("frames")),
        seconds=mean("seconds"),
    )


def _together(folds: Sequence[Scores]) -> Scores:
    """(U, ...) of all folds, one after the other."""

    def stacked(name: str) -> np.ndarray | None:
        parts = [getattr(scores, name) for scores in folds]
        return None if any(part is None for part in parts) else np.concatenate(parts)

    counts, log_loss = stacked("counts"), stacked("log_loss")
    assert counts is not None
    assert log_loss is not None
    return Scores(
        split=folds[0].split,
        utterances=tuple(name for scores in folds for name in scores.utterances),
        speakers=tuple(name for scores in folds for name in scores.speakers),
        counts=counts,
        log_loss=log_loss,
        predicted=stacked("predicted"),
        probability=stacked("probability"),
        truth=stacked("truth"),
    )


def _test(final: RunResult) -> Scores:
    assert final.test is not None
    return final.test
