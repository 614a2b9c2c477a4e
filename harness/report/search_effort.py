"""What the search spent, rung by rung: whether every arm was given the same."""

from typing import Any

from harness.report.wording import count, several
from harness.results import ArmRecord

Rows = tuple[tuple[str, ...], ...]

HEADINGS = ("rung", ">trials", ">frames of a trial", ">frames of an arm")


def spent(arm: ArmRecord) -> list[dict[str, Any]]:
    """`rungs` of an arm in `comparison.json`: its trials, training frames and seconds in each."""
    found = []
    for number in sorted({trial.rung for trial in arm.trials}):
        trials = [trial for trial in arm.trials if trial.rung == number]
        values = [trial.value for trial in trials if trial.state == "complete" and trial.value is not None]
        found.append(
            {
                "rung": number,
                "trials": len(trials),
                "frames": sum(trial.frames for trial in trials),
                "seconds": sum(trial.seconds for trial in trials),
                "best": max(values, default=None),
            }
        )
    return found


def rows(comparison: dict[str, Any]) -> Rows:
    """A line for each rung; none where no search had more than one."""
    rungs = [arm["rungs"] for arm in comparison["arms"]]
    longest = max((len(own) for own in rungs), default=0)
    if longest < 2:
        return ()
    table = []
    for i in range(longest):
        here = [own[i] for own in rungs if i < len(own)]
        per_trial = [row["frames"] / row["trials"] for row in here]
        table.append(
            (
                str(i + 1),
                _range([row["trials"] for row in here]),
                _range(per_trial),
                _range([r["frames"] for r in here]),
            )
        )
    whole = [arm["search_frames"] for arm in comparison["arms"]]
    return (*table, ("all", _range([sum(row["trials"] for row in own) for own in rungs]), "", _range(whole)))


def sentence(comparison: dict[str, Any]) -> str:
    """Whether all arms spent the same."""
    arms = [arm for arm in comparison["arms"] if arm["search"]]
    failed = {arm["arm"]: sum(trial["state"] == "failed" for trial in arm["search"]) for arm in arms}
    told = ", ".join(f"{arm} {several(n, 'trial')}" for arm, n in failed.items() if n)
    if len({arm["search_frames"] for arm in arms}) == 1:
        return "Every arm spent the same frames."
    return f"The same frames were given to every arm; what failed ended early: {told}."


def _range(values: list[float]) -> str:
    return " to ".join(dict.fromkeys(count(value) for value in (min(values), max(values))))
