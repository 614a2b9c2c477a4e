"""What a study is doing while it runs: the facts, which a screen or plain lines show.

Work is counted in training frames, the same for every arm, so that the time left can be told from the first epoch on.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from harness.display import wording
from harness.results import Epoch


@dataclass(frozen=True)
class Workload:
    """The work of a whole study, known before its first run."""

    study: str
    question: str
    arms: tuple[str, ...]
    trials: tuple[int, ...]
    """Trials of an arm, rung by rung; empty without a search."""
    seeds: int
    frames: int
    """Frames of the training split."""
    frames_per_arm: int
    """Training frames of all trials and finals of an arm."""
    n_runs: int
    """Runs that may be in progress side by side."""


@dataclass(frozen=True)
class RunName:
    """A run of a study: a trial of an arm, or its final with a seed."""

    arm: str
    trial: int | None = None
    """The trial's number."""
    seed: int | None = None
    """Of a final."""
    search: int = 1
    """The number of the search that a trial belongs to."""

    @property
    def label(self) -> str:
        """Without the arm."""
        if self.trial is None:
            return f"seed {self.seed}"
        return f"trial {self.trial}" if self.search == 1 else f"search {self.search}, trial {self.trial}"

    def __str__(self) -> str:
        return f"{self.arm} {self.label}"


@dataclass
class Standing:
    """An arm so far."""

    runs: int
    """Planned: trials and final seeds."""
    done: int = 0
    best: float | None = None
    """Validation accuracy of its best trial, in [0, 1]."""
    finals: list[float] = field(default_factory=list)
    """Test accuracy of each final seed that is done."""


@dataclass
class Running:
    """A run in progress."""

    epochs: int
    frames_per_epoch: int
    values: str
    """Its searched settings."""
    since: float
    """When its epoch began, on the clock of `time.perf_counter`."""
    curve: list[Epoch] = field(default_factory=list)


@dataclass
class Facts:
    """All that can be shown."""

    study: str = ""
    question: str = ""
    arms: dict[str, Standing] = field(default_factory=dict)
    total_frames: int = 0
    """Training frames of the whole study."""
    done_frames: int = 0
    """Of them behind us, also in earlier processes."""
    at_once: int = 1
    """Runs that may be in progress side by side."""
    running: dict[RunName, Running] = field(default_factory=dict)
    """Those that are."""
    reading: str = ""
    """What is being prepared, while it is."""
    fraction_read: float = 0.0
    frames_per_second: float | None = None
    """Of all runs together, in this process so far; None before its first epoch."""

    @property
    def seconds_left(self) -> float | None:
        """At the speed so far; None before the first epoch."""
        speed = self.frames_per_second
        return max(0, self.total_frames - self.done_frames) / speed if speed else None


class Display(Protocol):
    """Shows the facts: rich in a terminal, lines elsewhere."""

    def refresh(self, facts: Facts) -> None:
        """The facts have changed."""

    def line(self, text: str, may_be_cut: bool = False) -> None:
        """Something that is to stay in the log, wrapped where it is too long for a terminal, or cut."""


class Progress:
    """Progress of a study: receives events from the conductor and updates the display."""

    def __init__(self, display: Display) -> None:
        self.display = display
        self.facts = Facts()
        self._started = 0.0
        self._own_frames = 0
        self._own_seconds = 0.0
        self._read = ""

    def reading(self, what: str, done: int, total: int) -> None:
        """Preparing the corpus: `done` of `total`."""
        if what != self._read:
            self._read = what
            self.display.line(f"corpus: {what}")
        self.facts.reading, self.facts.fraction_read = ("", 0.0) if done >= total else (what, done / total)
        self.display.refresh(self.facts)

    def plans(self, work: Workload) -> None:
        """The whole work, before the first run."""
        self.facts.study, self.facts.question, self.facts.at_once = work.study, work.question, work.n_runs
        self._started = time.perf_counter()
        self.facts.arms = {name: Standing(sum(work.trials) + work.seeds) for name in work.arms}
        self.facts.total_frames = work.frames_per_arm * len(work.arms)
        trials = f"{' + '.join(map(str, work.trials))} trials and " if work.trials else ""
        spent = trials + wording.counted(work.seeds, "seed")
        self.display.line(f"study {work.study}: {', '.join(work.arms)}; {spent} each, {work.frames:,} frames")

    def begins(self, run: RunName, epochs: int, frames_per_epoch: int, values: Mapping[str, Any]) -> None:
        """A run starts, or goes on. `values` are its searched settings."""
        line = wording.settings(values)
        self.facts.running[run] = Running(epochs, frames_per_epoch, line, time.perf_counter())
        self.display.refresh(self.facts)

    def epoch(self, run: RunName, epoch: Epoch) -> None:
        """An epoch of a run is done, in this process or (replayed) in an earlier one."""
        running, now = self.facts.running[run], time.perf_counter()
        self.facts.done_frames += running.frames_per_epoch
        if now - running.since > 0.5 * epoch.seconds:  # a replayed one takes no time
            self._own_frames += running.frames_per_epoch
            self._own_seconds += now - running.since
        running.since = now
        running.curve.append(epoch)
        if self._own_seconds:
            begun = sum(now - other.since for other in self.facts.running.values())  # in epochs that are not done yet
            busy = (self._own_seconds + begun) / (now - self._started)  # runs in progress at a time, on average
            self.facts.frames_per_second = busy * self._own_frames / self._own_seconds
        self.display.refresh(self.facts)

    def ends(self, run: RunName, accuracy: float | None, state: str) -> None:
        """The run is over. `accuracy` is a trial's on validation, a final's on test; None if it failed.

        Args:
            state: as `RunResult` has it, or "failed".
        """
        facts, running = self.facts, self.facts.running.pop(run)
        n_left = running.epochs - len(running.curve)  # pruned or stopped early
        facts.done_frames += n_left * running.frames_per_epoch
        seconds = sum(epoch.seconds for epoch in running.curve)
        words = {"complete": "on validation" if run.seed is None else "on test"}.get(state, state)
        cells = [_line(run, accuracy, words), f"{seconds:.1f} s"]
        self._count(run, accuracy, state == "complete")
        left = facts.seconds_left
        if left is not None:
            cells.append(f"{wording.duration(left)} left")
        self.display.line("  ".join([*cells, running.values]).rstrip(), may_be_cut=True)
        self.display.refresh(facts)

    def skip(self, run: RunName, accuracy: float | None, frames: int) -> None:
        """A run that an earlier process finished."""
        self.display.line(_line(run, accuracy, "from an earlier run of this command"))
        self.facts.done_frames += frames
        self._count(run, accuracy, True)
        self.display.refresh(self.facts)

    def say(self, text: str) -> None:
        self.display.line(text)

    def _count(self, run: RunName, accuracy: float | None, is_complete: bool) -> None:
        standing = self.facts.arms[run.arm]
        standing.done += 1
        if run.seed is not None and accuracy is not None:
            standing.finals.append(accuracy)
        elif accuracy is not None and is_complete:
            standing.best = max(accuracy, standing.best or 0.0)


def _line(run: RunName, accuracy: float | None, words: str) -> str:
    percent = f"{100 * accuracy:5.2f} %" if accuracy is not None else "      -"
    return f"{run.arm:<10} {run.label:<9} {percent} {words}"
