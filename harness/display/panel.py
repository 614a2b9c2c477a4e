"""The progress of a study on standard error: a panel that is redrawn in place, or plain lines in a log."""

import html
import sys
import time
from typing import IO, Any

from rich.console import Console, Group, OverflowMethod
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table as RichTable
from rich.text import Text

from harness.display.progress import Facts, Running
from harness.display.terminal import console
from harness.display.wording import duration

_STEPS = "▁▂▃▄▅▆▇█"
_SECONDS_BETWEEN = 0.5
_LONGEST = 16  # epochs of a curve that are shown


class Lines:
    """Progress as plain lines, one for each thing that is done: for logs and pipes."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        self.console = console(stream)

    def __enter__(self) -> "Lines":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def refresh(self, facts: Facts) -> None:
        """Nothing: a log shows what is done, not what goes on."""

    def line(self, text: str, may_be_cut: bool = False) -> None:
        self.console.print(text, soft_wrap=True)


class Screen(Lines):
    """Progress in a terminal: the lines, and below them a panel that is redrawn in place."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        super().__init__(stream)
        self.live = Live(console=self.console, refresh_per_second=4, transient=True)

    def __enter__(self) -> "Screen":
        self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.live.stop()

    def refresh(self, facts: Facts) -> None:
        self.live.update(panel(facts, has_blocks=self.console.encoding.startswith("utf")))

    def line(self, text: str, may_be_cut: bool = False) -> None:
        self.console.print(Text(text), no_wrap=may_be_cut, overflow="ellipsis" if may_be_cut else "fold")


class Notebook(Lines):
    """Progress in a notebook: one bar below the cell, with the last line beside it."""

    def __init__(self) -> None:
        super().__init__()
        from IPython.display import HTML, display

        self._html: Any = HTML
        self._shown: Any = display(HTML(""), display_id=True)
        self._last = ""
        self._next = 0.0  # by time.monotonic: a page that is drawn too often is slow

    def __exit__(self, *error: object) -> None:
        self._draw(None, "stopped" if error and error[0] else "done")

    def refresh(self, facts: Facts) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _SECONDS_BETWEEN
            share = facts.fraction_read if facts.reading else facts.done_frames / max(1, facts.total_frames)
            left = facts.seconds_left
            parts = [facts.reading or facts.study, f"{100 * share:.0f} %"]
            parts += [f"{duration(left)} left"] if left is not None and not facts.reading else []
            self._draw(share, "  ".join([*parts, self._last]))

    def line(self, text: str, may_be_cut: bool = False) -> None:
        self._last = " ".join(text.split())

    def _draw(self, share: float | None, words: str) -> None:
        bar = "" if share is None else f'<progress max="1" value="{min(share, 1.0):.3f}"></progress> '
        self._shown.update(self._html(f"{bar}<code>{html.escape(words)}</code>"))


def display() -> Lines:
    """What suits standard error, where progress goes: results alone go to standard output."""
    if Console().is_jupyter:
        return Notebook()
    return Screen(sys.stderr) if Console(file=sys.stderr).is_terminal else Lines(sys.stderr)


def panel(facts: Facts, has_blocks: bool) -> Group:
    """The study, its arms so far, a line for each run in progress, and the time left.

    Args:
        has_blocks: whether the terminal can draw a curve.
    """
    if facts.reading:
        return Group(Text(f"{facts.reading}  "), ProgressBar(total=1, completed=facts.fraction_read, width=40))
    runs = _runs(facts, has_blocks)
    runs += [Text("")] * (facts.at_once - len(runs))  # so that nothing below moves between two runs
    return Group(Text(""), Text(facts.study, "bold"), _arms(facts), Text(""), *runs, Text(""), _foot(facts))


def _arms(facts: Facts) -> RichTable:
    arms = RichTable(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name in ("arm", "done", "best on validation", "test, each seed"):
        arms.add_column(name, no_wrap=True)
    busy = {run.arm for run in facts.running}
    for name, standing in facts.arms.items():
        best = f"{100 * standing.best:.2f}" if standing.best is not None else ""
        finals = " ".join(f"{100 * accuracy:.2f}" for accuracy in standing.finals)
        arms.add_row(("> " if name in busy else "  ") + name, f"{standing.done}/{standing.runs}", best, finals)
    return arms


def _runs(facts: Facts, has_blocks: bool) -> list[Text]:
    """A line each: its name, epoch, score and settings, one below the other."""
    rows = [(str(run), _epoch(r), _score(r, has_blocks), r.values) for run, r in facts.running.items()]
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(3)]
    overflow: OverflowMethod = "ellipsis" if has_blocks else "crop"
    return [
        Text.assemble("  ".join(map(str.ljust, row, widths)), "  ", (row[3], "dim"), no_wrap=True, overflow=overflow)
        for row in rows
    ]


def _foot(facts: Facts) -> RichTable:
    speed, left = facts.frames_per_second, facts.seconds_left
    share = facts.done_frames / facts.total_frames if facts.total_frames else 0.0
    parts = [f"{100 * share:.0f} %"]
    parts += [f"{speed:,.0f} frames/s"] if speed else []
    parts += [f"{duration(left)} left"] if left is not None else []
    foot = RichTable.grid(padding=(0, 2, 0, 0))
    foot.add_row(ProgressBar(total=1, completed=min(share, 1.0), width=32), "  ".join(parts))
    return foot


def _epoch(run: Running) -> str:
    """The epoch that is being trained."""
    return f"epoch {min(len(run.curve) + 1, run.epochs)} of {run.epochs}"


def _score(run: Running, has_blocks: bool) -> str:
    """Validation accuracy after the last epoch, and how it rose; as wide from the first epoch to the last."""
    scores = [epoch.validation_accuracy for epoch in run.curve]
    accuracy = f"{100 * scores[-1]:.2f}" if scores else ""
    scores = scores[-_LONGEST:]
    low, high = min(scores, default=0.0), max(scores, default=0.0)
    top = len(_STEPS) - 1
    steps = [round(top * (value - low) / (high - low)) if high > low else top // 2 for value in scores]
    curve = "".join(_STEPS[step] for step in steps)
    return f"{accuracy:5}  {curve.ljust(min(run.epochs, _LONGEST))}" if has_blocks else f"{accuracy:5}"
