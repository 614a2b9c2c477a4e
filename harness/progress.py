"""What a study is doing while it runs: the facts, which a screen or plain lines show.

Work is counted in training frames, the same for every arm, so that the time left can be told from the first epoch on.
"""

import time
from dataclasses import dataclass, field
from typing import Any, Protocol

from harness.corpora import Corpus
from harness.experiment import Experiment
from harness.report import wording
from harness.results import Epoch


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
class Facts:
    """All that can be shown."""

    study: str = ""
    question: str = ""
    arms: dict[str, Standing] = field(default_factory=dict)
    total_frames: int = 0
    """Training frames of the whole study."""
    done_frames: int = 0
    """Of them behind us, also in earlier processes."""
    arm: str = ""
    label: str = ""
    """The run in progress: trial 3, seed 0."""
    values: str = ""
    """Its searched settings."""
    epochs: int = 0
    frames_per_epoch: int = 0
    curve: list[Epoch] = field(default_factory=list)
    reading: str = ""
    """What is being prepared, while it is."""
    fraction_read: float = 0.0
    own_frames: int = 0
    """Trained by this process."""
    own_seconds: float = 0.0

    @property
    def frames_per_second(self) -> float | None:
        return self.own_frames / self.own_seconds if self.own_seconds else None

    @property
    def seconds_left(self) -> float | None:
        """At the speed of this process so far; None before its first epoch."""
        speed = self.frames_per_second
        return max(0, self.total_frames - self.done_frames) / speed if speed else None


class Display(Protocol):
    """Shows the facts: rich in a terminal, lines elsewhere."""

    def refresh(self, facts: Facts) -> None:
        """The facts have changed."""

    def line(self, text: str) -> None:
        """Something that is to stay in the log."""


class Progress:
    """Told by the conductor what happens; keeps the facts and has them shown."""

    def __init__(self, display: Display) -> None:
        self.display = display
        self.facts = Facts()
        self._began = time.perf_counter()
        self._read = ""

    def reading(self, what: str, done: int, total: int) -> None:
        """Preparing the corpus: `done` of `total`."""
        if what != self._read:
            self._read = what
            self.display.line(f"corpus: {what}")
        self.facts.reading, self.facts.fraction_read = ("", 0.0) if done >= total else (what, done / total)
        self.display.refresh(self.facts)

    def plans(self, experiment: Experiment, corpus: Corpus) -> None:
        """The whole work, before the first run."""
        self.facts.study, self.facts.question = experiment.study, experiment.question
        search, n_frames = experiment.search, corpus.train.n_frames
        seeds, trials = len(experiment.comparison.seeds), search.trials if search else 0
        self.facts.arms = {name: Standing(trials + seeds) for name in experiment.arms}
        per_arm = seeds * experiment.training.epochs * n_frames
        if search:
            per_arm += round(trials * search.epochs * search.subset * n_frames)
        self.facts.total_frames = per_arm * len(experiment.arms)
        spent = f"{trials} trials and {seeds} seeds" if trials else f"{seeds} seeds"
        self.display.line(f"study {experiment.study}: {', '.join(experiment.arms)}; {spent} each, {n_frames:,} frames")

    def begins(self, arm: str, label: str, epochs: int, frames_per_epoch: int, values: dict[str, Any]) -> None:
        """A run starts, or goes on."""
        facts = self.facts
        facts.arm, facts.label, facts.epochs, facts.frames_per_epoch = arm, label, epochs, frames_per_epoch
        facts.values, facts.curve = wording.settings(values), []
        self._began = time.perf_counter()
        self.display.refresh(facts)

    def epoch(self, epoch: Epoch) -> None:
        """An epoch of the run is done, in this process or (replayed) in an earlier one."""
        facts, now = self.facts, time.perf_counter()
        facts.done_frames += facts.frames_per_epoch
        if now - self._began > 0.5 * epoch.seconds:  # a replayed one takes no time
            facts.own_frames += facts.frames_per_epoch
            facts.own_seconds += now - self._began
        self._began = now
        facts.curve.append(epoch)
        self.display.refresh(facts)

    def ends(self, arm: str, label: str, accuracy: float | None, state: str) -> None:
        """The run is over. `accuracy` is a trial's on validation, a final's on test; None if it failed."""
        facts = self.facts
        facts.done_frames += (facts.epochs - len(facts.curve)) * facts.frames_per_epoch  # pruned or stopped early
        seconds = sum(epoch.seconds for epoch in facts.curve)
        told = [f"{arm:<10} {label:<9} {_percent(accuracy)} {state}", facts.values, f"{seconds:.1f} s"]
        self._count(arm, label, accuracy, state == "complete")
        left = facts.seconds_left
        if left is not None:
            told.append(f"{wording.duration(left)} left")
        self.display.line("  ".join(part for part in told if part))
        self.display.refresh(facts)

    def known(self, arm: str, label: str, accuracy: float | None, frames: int) -> None:
        """A run that an earlier process finished."""
        self.display.line(f"{arm:<10} {label:<9} {_percent(accuracy)} kept from an earlier run of this command")
        self.facts.done_frames += frames
        self._count(arm, label, accuracy, True)
        self.display.refresh(self.facts)

    def say(self, text: str) -> None:
        self.display.line(text)

    def _count(self, arm: str, label: str, accuracy: float | None, is_complete: bool) -> None:
        standing = self.facts.arms[arm]
        standing.done += 1
        if label.startswith("seed") and accuracy is not None:
            standing.finals.append(accuracy)
        elif accuracy is not None and is_complete:
            standing.best = max(accuracy, standing.best or 0.0)


def _percent(accuracy: float | None) -> str:
    return f"{100 * accuracy:5.2f} %" if accuracy is not None else "      -"
