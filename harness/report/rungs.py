"""The table of a search's rungs: whether every arm was given the same training frames."""

from typing import Any

from harness.display.wording import count, counted

Rows = tuple[tuple[str, ...], ...]

HEADINGS = ("rung", ">trials", ">frames of a trial", ">frames of an arm")


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
    told = ", ".join(f"{arm} {counted(n, 'trial')}" for arm, n in failed.items() if n)
    if len({arm["search_frames"] for arm in arms}) == 1:
        return "Every arm spent the same frames."
    return f"The same frames were given to every arm; what failed ended early: {told}."


def _range(values: list[float]) -> str:
    return " to ".join(dict.fromkeys(count(value) for value in (min(values), max(values))))
