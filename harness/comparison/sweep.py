"""The curves of a sweep: what each arm reaches at each value, against the baseline at the same value."""

from collections.abc import Mapping, Sequence
from typing import Any

from harness.results import StudyRecord

_OF_ARM = ("test", "parameters", "flops_per_frame", "seconds_training", "search_frames", "chosen")
_OF_PAIR = ("difference", "low", "high", "p", "p_corrected", "probability_a_better", "verdict")


def curves(
    record: StudyRecord, numbers: Sequence[Mapping[str, Any]], pairs: Sequence[Mapping[str, Any]]
) -> dict[str, Any] | None:
    """`sweep` in `comparison.json`: an arm's points in the order of the values; None if nothing was swept.

    A point has the numbers of its cell, and of the cell's pair with the baseline in accuracy, or says why it failed.

    Args:
        numbers: of each arm with finals.
        pairs: as in `comparison.json`.
    """
    if record.sweep is None:
        return None
    cells, by_name = record.sweep["cells"], {arm["arm"]: arm for arm in numbers}
    compared = {pair["a"]: pair for pair in pairs if pair["metric"] == "accuracy"}
    found: dict[str, list[dict[str, Any]]] = {}
    for arm in record.arms:
        cell = cells[arm.arm]
        point = {"value": cell["value"], "arm": arm.arm, "state": "complete", "failure": arm.failure or None}
        if arm.arm in by_name:
            point |= {key: by_name[arm.arm][key] for key in _OF_ARM}
        else:
            point["state"] = "failed"
        point |= {key: compared[arm.arm][key] for key in _OF_PAIR} if arm.arm in compared else {}
        found.setdefault(cell["base"], []).append(point)
    points = [{"arm": base, "is_baseline": base == record.baseline, "points": rows} for base, rows in found.items()]
    return {"key": record.sweep["key"], "values": list(record.sweep["values"]), "curves": points}
