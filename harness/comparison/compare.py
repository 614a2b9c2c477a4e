"""From a study's record to the numbers of its comparison, computed once: the contract of `comparison.json`.

Fractions lie in [0, 1], differences are a - b, sizes are frames, seconds or bytes. Keys may be added, not renamed.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.comparison.arms import arm_numbers
from harness.comparison.claims import claims
from harness.comparison.details import confusion_differences, phoneme_differences
from harness.comparison.effort import targets
from harness.comparison.frames import frame_results
from harness.comparison.pairs import measures, pairs, units_of
from harness.comparison.sweep import curves
from harness.display.wording import counted
from harness.errors import UserError
from harness.phones import BROAD
from harness.results import ArmRecord, RunResult, Scores, StudyRecord
from harness.statistics import frame_measures, intervals

Comparison = dict[str, Any]


def compare(record: StudyRecord) -> Comparison:
    """All that the terminal, the files and the page show of a study.

    Raises:
        UserError: no arm has a finished final run, or arms were tested on different utterances.
    """
    arms = [arm for arm in record.arms if arm.finals]
    if not arms:
        raise UserError(f"study {record.study!r} has no finished final run yet: nothing to compare")
    _check_same_test(arms)
    phonemes = list(arms[0].finals[0].phonemes)
    frames = frame_results(arms)
    rivals = {arm.arm: arm for arm in arms}
    aims = targets(rivals.get(record.baseline or "", arms[0]).finals)
    numbers = [arm_numbers(arm, record, frames, aims) for arm in arms]
    measured = measures(record, arms, frames)
    compared = pairs(record, arms, numbers, frames, measured)
    n_units = len(set(units_of(record, arms)))
    return _plain(
        {
            "study": record.study,
            "question": record.question,
            "corpus": record.corpus,
            "baseline": record.baseline,
            "unit": record.unit,
            "units": n_units,
            "level": record.level,
            "margin": record.margin,
            "method": intervals.METHOD,
            "calibration_method": frame_measures.METHOD,
            "resamples": record.resamples,
            "verdicts": [pair["sentence"] for pair in compared if pair["metric"] == "accuracy"],
            "notes": [*record.notes, *_notes(record, arms, n_units, frames is not None)],
            "phonemes": phonemes,
            "broad": {name: BROAD[name] for name in phonemes if name in BROAD},
            "learning_targets": aims,
            "arms": numbers,
            "pairs": compared,
            "sweep": curves(record, numbers, compared),
            "claims": claims(record, arms, numbers, measured),
            "phoneme_differences": phoneme_differences(record, arms),
            "confusion_differences": confusion_differences(record, arms),
            "experiment": record.experiment,
            "provenance": record.provenance,
        }
    )


def _test(final: RunResult) -> Scores:
    if final.test is None:
        raise UserError(f"arm {final.arm!r}, seed {final.seed}: the final run has no test scores")
    return final.test


def _check_same_test(arms: Sequence[ArmRecord]) -> None:
    """A paired comparison needs the same utterances in the same order."""
    first = arms[0].finals[0]
    for arm in arms:
        for final in arm.finals:
            if _test(final).utterances != _test(first).utterances or final.phonemes != first.phonemes:
                raise UserError(
                    f"arm {arm.arm!r}, seed {final.seed}, was tested on other utterances or phonemes than "
                    f"arm {arms[0].arm!r}, seed {first.seed}: they cannot be compared pair by pair"
                )


def _notes(record: StudyRecord, arms: Sequence[ArmRecord], n_units: int, has_frames: bool) -> list[str]:
    missing = [arm.arm for arm in record.arms if not arm.finals and not arm.failure]
    single = [arm.arm for arm in arms if len(arm.finals) == 1]
    notes = []
    if missing:
        notes.append(f"Without a finished final run, and so left out: {', '.join(missing)}.")
    notes += [f"Failed: {arm.arm}: {arm.failure}." for arm in record.arms if arm.failure]
    if single:
        notes.append(
            f"One seed only: {', '.join(single)}. What another seed would change is not in the spread or the interval."
        )
    if 1 < n_units < 10:
        notes.append(
            f"{counted(n_units, record.unit)} only: the small-sample correction (Student's t, n - 1 draws of n) makes "
            "the intervals as wide as so few require."
        )
    if not has_frames:
        notes.append("The frames' predictions were not kept: no calibration, boundaries or phone error rate.")
    return notes


def _plain(value: Any) -> Any:
    """As JSON has it: no tuples, no numpy, and null for what is not a finite number."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
