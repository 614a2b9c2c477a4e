"""Who trains, in the plainest way: this process, one run at a time."""

import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from harness.frames.placement import DeviceData
from harness.results import Epoch, RunResult
from harness.settings import Settings
from harness.training import run

Item = TypeVar("Item")
Made = TypeVar("Made")


class Here:
    """Trains in this process."""

    def __init__(self) -> None:
        self.stopping = threading.Event()

    def run(
        self, arm: str, settings: Settings, residents: DeviceData, *, on_epoch: Callable[[Epoch], bool], **request: Any
    ) -> RunResult:
        """`run.run`, with arguments and exceptions as there."""
        return run.run(arm, settings, residents, on_epoch=on_epoch, should_stop=self.stopping.is_set, **request)

    def stop(self) -> None:
        """Have every run write its state and raise Interrupted."""
        self.stopping.set()

    def kill(self) -> None:
        """End what is trained without another word. Called in the main thread."""
        raise KeyboardInterrupt

    def map(self, call: Callable[[Item], Made], items: Sequence[Item]) -> list[Made]:
        """What `call` makes of each item, which contains runs."""
        return [call(item) for item in items]

    def finals(self, call: Callable[[Item], Made], items: Sequence[Item]) -> list[Made]:
        """As `map`, where each call contains one final of the same arm."""
        return self.map(call, items)
