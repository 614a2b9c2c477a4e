"""The numbers of one arm: what it reached, for whom and where, what it cost and how it learnt.

Legend: S seeds, C classes.
"""

from collections.abc import Sequence

import numpy as np

from harness.comparison.arm_model import (
    BoundaryRow,
    ComparedArm,
    ConfusionMatrix,
    LayerCurves,
    LearningCurve,
    LearningTarget,
    PhonemeRow,
    SearchFinal,
    SearchOutcome,
    SegmentErrors,
    SpeakerRow,
)
from harness.comparison.effort import learning_speed, rung_spending, tuning_effort
from harness.comparison.frames import FinalFrames, FrameResults, accuracy_in
from harness.comparison.measures import ArmCounts, MeasureTable
from harness.results import ArmRecord, Layers, RunResult, SearchRecord, StudyRecord
from harness.statistics import frame_measures, metrics
from harness.statistics.metrics import Spread, spread

LEAST_FOR_IMPORTANCES = 20
"""Trials of an arm below which studies of earlier versions have importances that say nothing."""


def compared_arm(
    arm: ArmRecord, record: StudyRecord, table: MeasureTable, targets: Sequence[LearningTarget]
) -> ComparedArm:
    """The numbers of an arm with finals.

    Args:
        targets: accuracies that the speed of learning is measured at.
    """
    first, counts, frames = arm.finals[0], table.counts[arm.arm], table.frames
    finals = frames.arms[arm.arm] if frames else ()
    pooled = counts.confusions.sum(axis=0)
    speakers = _speakers(table.speakers, counts)
    shares = counts.units.tally.shares.mean(axis=0).tolist()
    return ComparedArm(
        arm=arm.arm,
        architecture=arm.architecture,
        settings=first.settings,
        chosen=arm.chosen,
        parameters=first.parameters,
        flops_per_frame=first.flops_per_frame,
        mean_parameters=float(np.mean([final.parameters for final in arm.finals])),
        mean_flops_per_frame=float(np.mean([final.flops_per_frame for final in arm.finals])),
        searches=tuple(_search(number, own, arm.finals) for number, own in enumerate(arm.searches, 1)),
        trials=sum(trial.rung == 1 for trial in arm.all_trials),
        search_frames=sum(trial.frames for trial in arm.all_trials),
        search_seconds=sum(trial.seconds for trial in arm.all_trials),
        seeds=tuple(final.seed for final in arm.finals),
        test={name: spread(values, shares) for name, values in table.of_seeds[arm.arm].items()},
        validation={"accuracy": spread([final.validation.accuracy for final in arm.finals])},
        seconds_training=float(np.mean([final.seconds for final in arm.finals])),
        frames_per_second=float(np.mean([final.frames_per_second for final in arm.finals])),
        peak_bytes=max(final.peak_bytes for final in arm.finals),
        phonemes=_phonemes(counts, pooled, table.phonemes),
        broad_classes=tuple(metrics.per_broad_class(pooled, table.phonemes)),
        confusion=ConfusionMatrix(labels=table.phonemes, counts=tuple(map(tuple, pooled.tolist()))),
        top_confusions=tuple(metrics.top_confusions(pooled, table.phonemes)),
        speakers=speakers,
        worst_speaker=speakers[0],
        calibration=tuple(frame_measures.pooled([final.bins for final in finals])) if frames else None,
        calibration_floor=float(np.mean([frame_measures.calibration_floor(final.bins) for final in finals]))
        if frames
        else None,
        boundaries=_boundaries(frames, arm.arm) if frames else None,
        segments=_segments(finals) if frames else None,
        history=tuple(
            LearningCurve(seed=final.seed, best_epoch=final.best_epoch, epochs=final.history) for final in arm.finals
        ),
        layers=tuple(_layers(final, final.layers) for final in arm.finals if final.layers),
        learning_speed=tuple(
            learning_speed([final.history for final in arm.finals], target.accuracy) for target in targets
        ),
        search=arm.trials,
        effort=tuning_effort(arm, record),
        rungs=rung_spending(arm),
        importances=arm.importances if len(arm.all_trials) >= LEAST_FOR_IMPORTANCES else {},
        base=record.base_of(arm.arm),
    )


def _search(number: int, search: SearchRecord, finals: Sequence[RunResult]) -> SearchOutcome:
    own = [final for final in finals if final.search == number]
    return SearchOutcome(
        seed=search.seed,
        settings=own[0].settings if own else {},
        chosen=search.chosen,
        parameters=own[0].parameters if own else 0,
        trials=search.trials,
        finals=tuple(SearchFinal(seed=final.seed, accuracy=final.test.accuracy) for final in own if final.test),
    )


def _phonemes(counts: ArmCounts, pooled: np.ndarray, phonemes: Sequence[str]) -> tuple[PhonemeRow, ...]:
    total = counts.units.tally.total
    of_seeds = metrics.f1(total.correct, total.predicted, total.true)[:, 0]  # (S, C)
    return tuple(
        PhonemeRow(**vars(scores), f1_over_seeds=spread(values))
        for scores, values in zip(metrics.per_phoneme(pooled, phonemes), of_seeds.T.tolist(), strict=True)
    )


def _speakers(speakers: Sequence[str], counts: ArmCounts) -> tuple[SpeakerRow, ...]:
    """Each speaker's frames and accuracy, the worst first."""
    frames = counts.speakers.true.sum(axis=-1)
    of_seeds = counts.speakers.of_seeds(metrics.accuracy)  # (S, speakers)
    rows = [
        SpeakerRow(speaker=name, frames=int(frames[i]), accuracy=spread(of_seeds[:, i].tolist()))
        for i, name in enumerate(sorted(set(speakers)))
    ]
    return tuple(sorted(rows, key=lambda row: row.accuracy.mean))


def _boundaries(results: FrameResults, arm: str) -> tuple[BoundaryRow, ...]:
    shares = {name: (frames, accuracy_in(results, frames)) for name, frames in results.groups.items()}
    return tuple(
        BoundaryRow(
            distance=name,
            frames=int(frames.sum()),
            accuracy=spread([float(part.sum() / share.whole.sum()) for part in share.parts[arm]]),
        )
        for name, (frames, share) in shares.items()
        if share
    )


def _segments(finals: Sequence[FinalFrames]) -> SegmentErrors:
    n_segments = finals[0].edits.true.sum()

    def share(edits: Sequence[np.ndarray]) -> Spread:
        return spread([float(own.sum() / n_segments) for own in edits])

    return SegmentErrors(
        true=int(n_segments),
        substitutions=share([final.edits.substitutions for final in finals]),
        deletions=share([final.edits.deletions for final in finals]),
        insertions=share([final.edits.insertions for final in finals]),
    )


def _layers(final: RunResult, layers: Layers) -> LayerCurves:
    return LayerCurves(
        seed=final.seed,
        names=layers.names,
        steps=tuple(layers.steps.tolist()),
        gradient=_four_digits(layers.gradient),
        scale=_four_digits(layers.scale),
        path_ratio=_four_digits(layers.path_ratio),
    )


def _four_digits(values: np.ndarray) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(f"{value:.4g}") for value in row) for row in values.tolist())
