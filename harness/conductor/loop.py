"""The loop of a study: one thread fills the engine's slots with the arms' jobs, and takes in what happens.

All that is done with an event is done here, by this thread: the search hears of an epoch, MLflow and the screen show
it, the arm is sent the outcome and says what comes next.
"""

import contextlib
import signal
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from harness.conductor.arm import Job, Jobs, Outcome, StudyContext, arm_jobs
from harness.display.progress import Progress
from harness.engines.request import Divided, Done, Engine, EpochEnd, Event, Failed, Fault, Lost, Printed
from harness.errors import Damaged, Interrupted, RunFailed
from harness.experiment import rungs
from harness.experiment.experiment import Arm
from harness.results import ArmRecord, Epoch, RunResult
from harness.tracking.live_run import LiveRun
from harness.tracking.recorder import Recorder

MOST_LOSSES = 3
"""Processes that one run may lose before the study ends: what takes it so often will take it again."""


@dataclass
class OpenJob:
    """A job that the engine has."""

    job: Job
    runs: dict[int, LiveRun]
    """In MLflow, by seed."""
    epochs: dict[int, list[Epoch]]
    """Of each seed, that were taken in."""
    causes: list[str] = field(default_factory=list)
    """How its processes died."""


class Conductor:
    """One study on its way, in one thread.

    Args:
        engine: open, and offered the study's corpus.
        recorder: of the study, which it began.
    """

    def __init__(self, study: StudyContext, engine: Engine, recorder: Recorder, progress: Progress) -> None:
        self.study = study
        self.engine = engine
        self.recorder = recorder
        self.progress = progress
        self.is_stopping = False
        self._unopened = deque(study.experiment.arms.values())
        self._arms: dict[str, Jobs] = {}
        self._waiting: list[Job] = []
        self._open: dict[int, OpenJob] = {}
        self._events: deque[Event] = deque()
        self._records: dict[str, ArmRecord] = {}
        self._printed: set[str] = set()

    def records(self) -> list[ArmRecord]:
        """Of all arms, in the file's order.

        Raises:
            Interrupted: Ctrl-C or SIGTERM came; the states are written.
            RunFailed, UserError: what went wrong first; what else was trained has stopped, and its states are written.
        """
        with self._stoppable():
            try:
                self._conduct()
            except BaseException:
                self._wind_down()
                raise
        if self.is_stopping:
            raise Interrupted
        return [self._records[name] for name in self.study.experiment.arms]

    def _conduct(self) -> None:
        if self.engine.slots() > 1 and len(self.study.corpora) == 1:  # a worker has the frames of one fold at a time
            while self._unopened:
                self._open_arm(self._unopened.popleft())
        self._fill()
        while self._open:
            self._take(self._next_event())
            self._fill()

    def _fill(self) -> None:
        """Give every free slot something to do. With a single one the arms come one after the other."""
        while len(self._open) < self.engine.slots() and not self.is_stopping:
            if self._waiting:
                self._begin(self._waiting.pop(self._first()))
            elif self._unopened:
                self._open_arm(self._unopened.popleft())
            else:
                return

    def _first(self) -> int:
        """Trials come first: an arm's wait for each other, its finals for all of them."""
        return next((i for i, job in enumerate(self._waiting) if job.request.trial is not None), 0)

    def _open_arm(self, arm: Arm) -> None:
        self._arms[arm.name] = arm_jobs(arm, self.study, self.recorder, self.progress)
        self._advance(arm.name, None)

    def _advance(self, arm: str, outcome: Outcome | None) -> None:
        """Send an arm an outcome (None begins it), and those of the jobs that an earlier process finished."""
        outcomes = deque([outcome])
        try:
            while outcomes:
                outcome = outcomes.popleft()
                jobs = self._arms[arm].send(outcome) if outcome else next(self._arms[arm])
                for job in jobs:
                    if known := self._earlier_outcome(job):
                        outcomes.append(known)
                    else:
                        self._waiting.append(job)
        except StopIteration as end:
            self._records[arm] = end.value

    def _earlier_outcome(self, job: Job) -> Outcome | None:
        """What an earlier process trained, which may have been killed before it was recorded."""
        seed = job.request.seeds[0]
        folder = self.study.folder(job.request, seed)
        if len(job.request.seeds) > 1 or not (folder / "result.json").exists():
            return None
        try:
            result = RunResult.load(folder)
        except Damaged as damage:
            self.progress.say(f"{damage}; this run is trained again, with the same result")
            (folder / "result.json").unlink()
            return None
        if job.trial is None:
            self.recorder.note_scored()
        self.recorder.log_run(result, folder)
        (folder / "state.pt").unlink(missing_ok=True)  # a kill may have left it
        n_frames = self.study.parts(job.request)[job.request.part].n_frames * job.request.settings.training.epochs
        self.progress.skip(job.name(seed), _accuracy(result), n_frames)
        return Outcome(job, (result,))

    def _begin(self, job: Job) -> None:
        request, trial = job.request, job.trial
        has_rungs = len(rungs.of_experiment(self.study.experiment)) > 1
        values = trial.values | ({"rung": trial.rung.number} if has_rungs else {}) if trial else {}
        runs = {}
        for seed in request.seeds:
            runs[seed] = self.recorder.start_run(
                request.arm,
                stage="search" if trial else "final",
                trial=request.trial,
                search=request.search,
                seed=seed,
                settings=request.settings.flat(),
                rung=trial.rung.number if trial and has_rungs else None,
                origin=trial.origin if trial else None,
            )
            n_frames = self.study.parts(request)[request.part].n_frames
            self.progress.begins(job.name(seed), request.settings.training.epochs, n_frames, values)
        self._open[self.engine.submit(request)] = OpenJob(job, runs, {seed: [] for seed in request.seeds})

    def _next_event(self) -> Event:
        while not self._events:
            self._events.extend(self.engine.events())
        return self._events.popleft()

    def _take(self, event: Event) -> None:
        if isinstance(event, EpochEnd):
            self._take_epoch(event)
        elif isinstance(event, Printed | Divided):
            self._take_note(event)
        elif isinstance(event, Lost) and not self.is_stopping:
            self._try_again(event)
        elif outcome := self._close(event):
            self._advance(outcome.job.request.arm, outcome)

    def _take_epoch(self, event: EpochEnd) -> None:
        """Record an epoch, and answer. One of before a process was lost is told again, and recorded once."""
        now, end = self._open[event.id], False
        try:
            if event.epoch.epoch > len(now.epochs[event.seed]):
                now.epochs[event.seed].append(event.epoch)
                now.runs[event.seed].epoch(event.epoch)
                self.progress.epoch(now.job.name(event.seed), event.epoch)
            end = now.job.should_end(event.epoch)
        finally:  # whatever went wrong, it waits for an answer, and could not stop without one
            self.engine.answer(event.id, end)

    def _take_note(self, event: Printed | Divided) -> None:
        """Say what the code of an arm printed, or that its batches are divided, which is remembered; each once."""
        arm = self._open[event.id].job.request.arm
        if isinstance(event, Printed) and arm not in self._printed:
            self._printed.add(arm)
            self.progress.say(event.text)
        if isinstance(event, Divided) and event.micro_batches > self.study.micro_batches(arm):
            self.study.workspace.remember(
                micro_batches=self.study.workspace.facts().get("micro_batches", {}) | {arm: event.micro_batches}
            )
            self.progress.say(
                f"{arm}: out of memory on the device; its batches are trained on in {event.micro_batches} equal parts, "
                "with the same gradients"
            )

    def _try_again(self, event: Lost) -> None:
        """Go on with a run whose process died, from its last state.

        Raises:
            RunFailed: it was not the first time, nor the second.
        """
        now = self._open.pop(event.id)
        now.causes.append(event.cause)
        request = now.job.request
        name = " and ".join(str(now.job.name(seed)) for seed in request.seeds)
        if len(now.causes) < MOST_LOSSES:
            self.progress.say(f"{name}: its worker process died ({event.cause}); it goes on from its last epoch")
            self._open[self.engine.submit(request)] = now
            return
        message = (
            f"{name}: its worker process died {MOST_LOSSES} times ({', '.join(now.causes)}), perhaps out of memory; "
            "the same command resumes, and needs less memory with OMP_NUM_THREADS=1: one run at a time"
        )
        for run in now.runs.values():
            run.failed("FAILED", message)
        raise RunFailed(message)

    def _close(self, event: Event) -> Outcome | None:
        """Record the end of a job; None if it only stopped.

        Raises:
            UserError, RuntimeError: of a request that cannot be trained.
        """
        now = self._open.pop(event.id)
        job, request = now.job, now.job.request
        if isinstance(event, Done):
            if job.trial is None:
                self.recorder.note_scored()
            for seed, result in zip(request.seeds, event.results, strict=True):
                folder = self.study.folder(request, seed)
                now.runs[seed].finish(result, folder)
                (folder / "state.pt").unlink(missing_ok=True)
                self.progress.ends(job.name(seed), _accuracy(result), result.state)
            return Outcome(job, event.results)
        if isinstance(event, Failed | Fault):
            for seed, run in now.runs.items():
                run.failed("FAILED", str(event.error))
                self.progress.ends(job.name(seed), None, "failed")
                self.progress.say(f"{job.name(seed)}: {event.error}")
            if isinstance(event, Fault):
                raise event.error
            return Outcome(job, failure=event.error, epochs=tuple(now.epochs[request.seeds[0]]))
        self.is_stopping = True
        for run in now.runs.values():
            run.failed("KILLED")
        return None

    def _wind_down(self) -> None:
        """Have all that is trained write its state and stop, and take in how it ended. Nothing new begins."""
        self.engine.stop()
        while self._open:
            event = self._next_event()
            with contextlib.suppress(Exception):  # what went wrong first is told
                if isinstance(event, EpochEnd):
                    self._take_epoch(event)
                elif isinstance(event, Printed | Divided):
                    self._take_note(event)
                else:
                    self._close(event)

    @contextlib.contextmanager
    def _stoppable(self) -> Iterator[None]:
        """Ctrl-C and SIGTERM have the runs stop, a second one kills them, a third one is Python's own affair."""

        def come(number: int, frame: object) -> None:
            if self.is_stopping:
                self.engine.kill()
                restore()
            else:
                self.is_stopping = True
                self.engine.stop()
                self.recorder.hurry()

        def restore() -> None:
            for number, handler in before.items():
                signal.signal(number, handler)

        before = {number: signal.signal(number, come) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            restore()


def _accuracy(result: RunResult) -> float:
    """What a run is judged by: a final by test, a trial by validation."""
    return result.test.accuracy if result.test else result.history[result.best_epoch - 1].validation_accuracy
