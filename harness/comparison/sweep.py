"""The curves of a sweep: what each arm reaches at each value, against the baseline at the same value."""

from collections.abc import Sequence

from harness.comparison.arm_model import ComparedArm
from harness.comparison.model import Pair, Sweep, SweepCurve, SweepPoint
from harness.results import StudyRecord


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
