"""The comparison of a study from its record: measured once, resampled once, and then everything that is said."""

from collections.abc import Sequence
from dataclasses import replace

from harness.comparison.arm_model import ComparedArm
from harness.comparison.arms import compared_arm
from harness.comparison.checks import BUSY, checks, slowest_over_fastest
from harness.comparison.claims import claims
from harness.comparison.details import confusion_differences, other_differences, phoneme_differences
from harness.comparison.effort import learning_targets
from harness.comparison.measures import MeasureTable, measure, tests_of
from harness.comparison.model import Comparison, Pair, Sweep, SweepCurve, SweepPoint
from harness.comparison.pairs import pairs
from harness.display.wording import counted, points
from harness.errors import UserError
from harness.phones import BROAD
from harness.results import ArmRecord, StudyRecord
from harness.statistics import folds, frame_measures, intervals
from harness.statistics.looks import bound_of_error, level_of_look


def sweep(record: StudyRecord, numbers: Sequence[ComparedArm], pairs: Sequence[Pair]) -> Sweep | None:
    """An arm's points in the order of the values; None if nothing was swept.

    A point has the numbers of its cell, and the cell's pair with the baseline in accuracy, or says why it failed.

    Args:
        numbers: of each arm with finals.
        pairs: of the comparison.
    """
    if record.sweep is None:
        return None
    by_name = {arm.arm: arm for arm in numbers}
    compared = {pair.a: pair for pair in pairs if pair.metric == "accuracy"}
    points: dict[str, list[SweepPoint]] = {}
    for arm in record.arms:
        cell = record.sweep["cells"][arm.arm]
        points.setdefault(cell["base"], []).append(
            SweepPoint(
                value=cell["value"],
                arm=arm.arm,
                state="complete" if arm.arm in by_name else "failed",
                failure=arm.failure or None,
                numbers=by_name.get(arm.arm),
                pair=compared.get(arm.arm),
            )
        )
    curves = tuple(
        SweepCurve(arm=base, is_baseline=base == record.baseline, points=tuple(own)) for base, own in points.items()
    )
    return Sweep(key=record.sweep["key"], values=tuple(record.sweep["values"]), curves=curves)


def compare(record: StudyRecord) -> Comparison:
    """All that the terminal, the files and the page show of a study.

    Raises:
        UserError: no arm has a finished final run, or arms were tested on different utterances.
    """
    arms = [arm for arm in record.arms if arm.finals]
    if not arms:
        raise UserError(f"study {record.study!r} has no finished final run yet: nothing to compare")
    _check_same_test(arms)
    looks, stated = record.looks, record
    record = replace(record, level=level_of_look(looks.number, looks.planned, stated.level))
    table = measure(record, arms)
    rival = next((arm for arm in arms if arm.arm == record.baseline), arms[0])
    targets = learning_targets(rival.finals)
    numbers = tuple(compared_arm(arm, record, table, targets) for arm in arms)
    rows = pairs(record, numbers, table)
    comparison = Comparison(
        study=record.study,
        question=record.question,
        corpus=record.corpus,
        baseline=record.baseline,
        unit=record.unit,
        units=table.n_units,
        level=record.level,
        margin=record.margin,
        method=intervals.METHOD + (f"; {folds.METHOD}" if record.folds else ""),
        calibration_method=frame_measures.METHOD,
        resamples=record.resamples,
        verdicts=tuple(pair.sentence for pair in rows if pair.metric == "accuracy"),
        notes=(*record.notes, *_looks(stated, record.level), *_notes(record, arms, table, rows)),
        phonemes=table.phonemes,
        broad={name: BROAD[name] for name in table.phonemes if name in BROAD},
        learning_targets=targets,
        arms=numbers,
        pairs=rows,
        sweep=sweep(record, numbers, rows),
        claims=claims(record, arms, numbers, table),
        phoneme_differences=phoneme_differences(record, table),
        confusion_differences=confusion_differences(record, table),
        experiment=record.experiment,
        provenance=record.provenance,
        other_differences=other_differences(record, arms, table),
        folds=record.folds["n"] if record.folds else None,
        looks=looks,
        planned_level=stated.level,
        studies=record.studies or (record.study,),
        checks=(),
        seconds_are_comparable=slowest_over_fastest(arms) <= BUSY,
        muted=tuple(record.mute),
    )
    return replace(comparison, checks=checks(comparison, record))


def _looks(record: StudyRecord, level: float) -> list[str]:
    """What a reader must know of earlier looks at a study, and of those that are to come."""
    looks, notes = record.looks, []
    bound = 100 * bound_of_error(looks.number, looks.planned, record.level)
    if looks.number > 1 or looks.planned > 1:
        which = f"look {looks.number}" + (f" of {looks.planned} planned" if looks.number <= looks.planned else "")
        unplanned = looks.number - looks.planned
        more = f", {counted(unplanned, 'look')} more than planned" if unplanned > 0 else ""
        notes.append(
            f"This is {which} at the results{more}: its intervals are of {100 * level:.4g} %, "
            f"so that all looks together err no more often than a single one at {100 - bound:.3g} %."
        )
    if looks.late:
        notes.append(f"Stated after the runs: {'; '.join(looks.late)}.")
    return notes


def _check_same_test(arms: Sequence[ArmRecord]) -> None:
    """A paired comparison needs the same utterances in the same order."""
    first, utterances = arms[0].finals[0], tests_of(arms[0])[0].utterances
    for arm in arms:
        for final, test in zip(arm.finals, tests_of(arm), strict=True):
            if test.utterances != utterances or final.phonemes != first.phonemes:
                raise UserError(
                    f"arm {arm.arm!r}, seed {final.seed}, was tested on other utterances or phonemes than "
                    f"arm {arms[0].arm!r}, seed {first.seed}: they cannot be compared pair by pair"
                )


def _weightings(rows: Sequence[Pair], unit: str) -> list[str]:
    """Pairs in accuracy that look different if every unit counts the same, instead of every frame."""
    notes = []
    for pair in rows:
        if pair.metric != "accuracy" or pair.unit_mean is None or pair.low is None or pair.high is None:
            continue
        if not pair.low <= pair.unit_mean <= pair.high or (pair.better and pair.unit_mean * pair.difference < 0):
            notes.append(
                f"{pair.a} against {pair.b}: {points(pair.difference)} points with every frame counting the same, "
                f"{points(pair.unit_mean)} with every {unit}; {unit}s with many frames differ from those with few."
            )
    return notes


def _notes(record: StudyRecord, arms: Sequence[ArmRecord], table: MeasureTable, rows: Sequence[Pair]) -> list[str]:
    missing = [arm.arm for arm in record.arms if not arm.finals and not arm.failure]
    single = [arm.arm for arm in arms if len(arm.finals) == 1]
    notes = []
    if missing:
        notes.append(f"Without a finished final run, and so left out: {', '.join(missing)}.")
    notes += [f"Failed: {arm.arm}: {arm.failure}." for arm in record.arms if arm.failure]
    if single:
        notes.append(f"One seed only: {', '.join(single)}. The variation over seeds is not in the interval.")
    if 1 < table.n_units < 10:
        notes.append(
            f"{counted(table.n_units, record.unit)} only: the small-sample correction (Student's t, n - 1 draws of n) "
            "makes the intervals as wide as so small a sample requires."
        )
    notes += _weightings(rows, record.unit)
    if table.frames is None:
        notes.append("The frames' predictions were not kept: no calibration, boundaries or phone error rate.")
    return notes
