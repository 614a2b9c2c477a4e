"""Runs as values, and what trains them: requests go to an engine, events come back.

A request names everything that decides a result, and no thing of this process: it can be pickled, kept and sent again.
An engine has slots, each for one request at a time: in this process, in processes of this machine, or on other hosts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self

from harness.corpora.store import Part
from harness.errors import RunFailed
from harness.results import Epoch, RunResult
from harness.settings import Settings

Fact = str | int | float | bool


@dataclass(frozen=True)
class Request:
    """The training of a trial or of finals, and their evaluation.

    The same request gives the same result bit for bit, wherever and however often it was interrupted, on machines whose
    arithmetic is the same; of several seeds within floating-point noise.
    """

    arm: str
    settings: Settings
    seeds: tuple[int, ...]
    """One; or several, which are trained as one batched model as long as none of them was begun."""
    corpus: str
    """Digest of the corpus, which the engine was offered."""
    precision: str
    """"bf16" or "fp32"."""
    threads: int
    """Of the CPU. Decides the last bits of the result."""
    folders: tuple[str, ...]
    """Of each seed, relative to the study's folder: there lie its state, its result and, of a final, its model."""
    trial: int | None = None
    """The trial's number; None for finals, which are also scored on test, once."""
    search: int = 1
    """The number of the search that a trial belongs to, or that a final's configuration was found by."""
    part: str = "train"
    """The part of the corpus to train on."""
    micro_batches: int = 1
    """Parts of each batch that are trained on one after the other, where a whole one does not fit the memory."""
    facts: Mapping[str, Fact] = field(default_factory=dict)
    """Of the study, for the provenance of the result, which gets the worker's own facts as well."""

    def __post_init__(self) -> None:
        assert len(self.seeds) == len(self.folders) >= 1
        assert self.trial is None or len(self.seeds) == 1


@dataclass(frozen=True)
class CorpusParts:
    """The frames that requests refer to, and how much of a device's memory they may take."""

    digest: str
    parts: Mapping[str, Part]
    """"train", "validation", "test", and others on which trials are trained."""
    padding: int
    """Rows between utterances: the widest context of the study."""
    memory: int
    """Bytes that frames may take on a device; what does not fit passes through. Decides the order of the frames."""


@dataclass(frozen=True)
class EpochEnd:
    """An epoch of a run is over; the run waits for an answer.

    A run that goes on from a state first tells again all epochs before it.
    """

    id: int
    seed: int
    epoch: Epoch


@dataclass(frozen=True)
class Printed:
    """What the architecture's code printed while a request was trained; comes before the request's end."""

    id: int
    text: str
    """As it is shown."""


@dataclass(frozen=True)
class Divided:
    """The device has too little memory for a batch: the run goes on with each in parts; comes before its end."""

    id: int
    micro_batches: int
    """As that of a request, which later ones of the arm should have."""


@dataclass(frozen=True)
class Done:
    """The runs of a request are complete, or were pruned; all that belongs to them lies in their folders."""

    id: int
    results: tuple[RunResult, ...]
    """In the order of the seeds."""


@dataclass(frozen=True)
class Failed:
    """A training that could not go on, and would not if it were tried again: a loss that is not finite, say."""

    id: int
    error: RunFailed


@dataclass(frozen=True)
class Fault:
    """A request that cannot be trained at all: UserError, if its user can mend it, or an error of the program."""

    id: int
    error: Exception


@dataclass(frozen=True)
class Lost:
    """The process that trained is gone, for no reason of the training's; the same request goes on from its state."""

    id: int
    cause: str
    """How it ended: "SIGKILL", "exit status 1"."""


@dataclass(frozen=True)
class Stop:
    """The request has stopped as it was told; the same request goes on from its state."""

    id: int


Event = EpochEnd | Printed | Divided | Done | Failed | Fault | Lost | Stop


class Engine(Protocol):
    """What trains.

    An implementer guarantees:

    - Every request ends with exactly one event other than `EpochEnd`, `Printed` and `Divided`; none comes after it. A
      `Lost` one has given back its slot: a process that died is replaced before the event is handed over.
    - A request is trained by `harness.training`, with the threads and the precision that it names, on frames of the
      digest that it names, and on one device. Where it runs does not matter: no bit of a result depends on the slot,
      on what else is trained, or on the order of requests.
    - A run's folder has the state from each epoch's end and from a stop, in time for whichever process trains the
      request next; with `Done` it has the result and the model, for the conductor to read. An engine on other hosts
      brings them here.
    - The provenance of a result says on which host and device it was trained.
    - `submit`, `answer`, `stop` and `kill` do not wait for a training. `stop` and `kill` may be called at any moment
      by a signal's handler; the other methods are called by one thread.
    - Leaving the engine's `with` block leaves no process behind, whatever happened in it.
    """

    @property
    def takes_batches(self) -> bool:
        """Whether small models are trained faster together, as one request of several seeds."""

    def slots(self) -> int:
        """Requests that can be trained at a time. May change while an engine is open."""

    def offer(self, corpus: CorpusParts) -> None:
        """Make a corpus known to all workers, before the first request for it."""

    def submit(self, request: Request) -> int:
        """Begin a request, or go on with it, for which there is a free slot; gives the id of its events."""

    def events(self, timeout: float | None = None) -> Sequence[Event]:
        """What has happened since the last call, in the order in which it did for each request; at least one event.

        Args:
            timeout: seconds after which there may be none; None waits as long as it takes.
        """

    def answer(self, id: int, end: bool) -> None:
        """Let the run go on after an epoch, or end it there: it is then "pruned", and complete as it is."""

    def stop(self, id: int | None = None) -> None:
        """Have a request, or all and every later one, write their states and stop."""

    def kill(self) -> None:
        """End all that is trained, at once; their states are those of the epochs before."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...
