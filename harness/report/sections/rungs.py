"""The rungs of a search: whether every arm was given the same training frames."""

from collections.abc import Sequence

from harness.comparison.model import Comparison
from harness.display.document import Columns, Heading, Line, Section, Table, numbers
from harness.display.wording import count, counted


def section(comparison: Comparison) -> Section:
    """A table in the terminal; nothing where no search had more than one rung."""
    rows = _rows(comparison)
    if not rows:
        return Section("rungs")
    columns: Columns = ["rung", *numbers("trials", "frames of a trial", "frames of an arm")]
    heading = Heading("Search: training frames, rung by rung")
    return Section("rungs", short=[heading, Table(columns, rows), Line(_sentence(comparison))])


def _rows(comparison: Comparison) -> list[tuple[str, ...]]:
    rungs = [arm.rungs for arm in comparison.arms]
    longest = max((len(own) for own in rungs), default=0)
    if longest < 2:
        return []
    rows = []
    for i in range(longest):
        spent = [own[i] for own in rungs if i < len(own)]
        of_trial = [rung.frames / rung.trials for rung in spent]
        trials, frames = ([rung.trials for rung in spent], [rung.frames for rung in spent])
        rows.append((str(i + 1), _range(trials), _range(of_trial), _range(frames)))
    whole = [sum(rung.trials for rung in own) for own in rungs]
    return [*rows, ("all", _range(whole), "", _range([arm.search_frames for arm in comparison.arms]))]


def _sentence(comparison: Comparison) -> str:
    """Whether all arms spent the same."""
    arms = [arm for arm in comparison.arms if arm.search]
    if len({arm.search_frames for arm in arms}) == 1:
        return "Every arm spent the same frames."
    failures = {arm.arm: sum(trial.state == "failed" for trial in arm.search) for arm in arms}
    names = ", ".join(f"{arm} {counted(n, 'trial')}" for arm, n in failures.items() if n)
    return f"Every arm was given the same frames; failed trials ended early: {names}."


def _range(values: Sequence[float]) -> str:
    return " to ".join(dict.fromkeys(count(value) for value in (min(values), max(values))))
