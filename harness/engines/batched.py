"""Who trains on a GPU: this process, one run at a time, and the finals of a small model as one batched model.

The conductor asks for each final by itself, each in a thread; what they ask for is gathered until all wait, and then
trained together. Trials are asked for one after the other, and so are trained.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.engines.here import Here, Item, Made
from harness.frames.placement import DeviceData
from harness.results import Epoch, RunResult
from harness.settings import Settings
from harness.training import run


@dataclass
class _Asked:
    """A final that waits to be trained."""

    arm: str
    settings: Settings
    residents: DeviceData
    on_epoch: Callable[[Epoch], bool]
    request: dict[str, Any]
    result: "Future[RunResult]" = field(default_factory=Future)

    @property
    def seed(self) -> int:
        return self.request["seed"]

    @property
    def folder(self) -> Path:
        return self.request["folder"]


class Batched(Here):
    """Trains in this process; small finals of one arm together."""

    def __init__(self) -> None:
        super().__init__()
        self._changed = threading.Condition()
        self._asked: list[_Asked] = []
        self._gathering = False

    def run(
        self, arm: str, settings: Settings, residents: DeviceData, *, on_epoch: Callable[[Epoch], bool], **request: Any
    ) -> RunResult:
        """As `Here.run`; a final of those that are asked for at once waits for the others."""
        if not self._gathering:
            return super().run(arm, settings, residents, on_epoch=on_epoch, **request)
        asked = _Asked(arm, settings, residents, on_epoch, request)
        with self._changed:
            self._asked.append(asked)
            self._changed.notify_all()
        return asked.result.result()

    def finals(self, call: Callable[[Item], Made], items: Sequence[Item]) -> list[Made]:
        """What `call` makes of each item, which contains one run at most."""
        self._gathering = True
        try:
            with ThreadPoolExecutor(len(items)) as threads:
                futures = [threads.submit(call, item) for item in items]
                for future in futures:
                    future.add_done_callback(self._notify)
                while asked := self._all_asked(futures):
                    self._train(asked)
            return [future.result() for future in futures]
        finally:
            self._gathering = False

    def _notify(self, future: "Future[Any]") -> None:
        with self._changed:
            self._changed.notify_all()

    def _all_asked(self, futures: "Sequence[Future[Any]]") -> list[_Asked]:
        """The runs asked for, once every call has asked or is done; none when all are done."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._asked) == sum(not future.done() for future in futures))
            asked, self._asked = self._asked, []
        return sorted(asked, key=lambda one: one.seed)

    def _train(self, asked: list[_Asked]) -> None:
        """Together, if that gains anything; else one after the other. All get their result, or what went wrong."""
        new = [one for one in asked if not (one.folder / "state.pt").exists()]
        together = new if len(new) > 1 and run.is_small(new[0].settings, new[0].residents) else []
        try:
            if together:
                self._train_together(together)
            for one in asked:
                if one not in together:
                    result = super().run(one.arm, one.settings, one.residents, on_epoch=one.on_epoch, **one.request)
                    one.result.set_result(result)
        except BaseException as error:
            for one in asked:
                if not one.result.done():
                    one.result.set_exception(error)

    def _train_together(self, asked: list[_Asked]) -> None:
        first, by_seed = asked[0], {one.seed: one for one in asked}
        results = run.run_together(
            first.arm,
            first.settings,
            first.residents,
            seeds=list(by_seed),
            precision=first.request["precision"],
            folders=[one.folder for one in asked],
            provenance=first.request["provenance"],
            on_epoch=lambda seed, epoch: by_seed[seed].on_epoch(epoch),
            should_stop=self.stopping.is_set,
        )
        for one, result in zip(asked, results, strict=True):
            one.result.set_result(result)
