"""One arm's way through a study: its search, then its finals, as a generator of jobs that is sent what became of them.

It decides what is to be trained, and in which order; not when, not where, and not what is recorded of it.
"""

import json
import shutil
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness import checksums
from harness.conductor import source_code
from harness.conductor.plan import subset_seed
from harness.conductor.search import ArmSearch, PendingTrial, importances
from harness.conductor.workspace import Workspace
from harness.corpora.store import Part
from harness.display.progress import Progress, RunName
from harness.engines.request import CorpusParts, Fact, Request
from harness.errors import Damaged, Diverged, RunFailed
from harness.experiment.experiment import Arm, Experiment
from harness.frames.placement import Placement
from harness.results import ArmRecord, Epoch, RunResult, SearchRecord, Trial
from harness.settings import Settings
from harness.tracking.recorder import Recorder, RunKey
from harness.training.run import is_small


@dataclass(frozen=True)
class StudyContext:
    """What the arms of a study share."""

    experiment: Experiment
    workspace: Workspace
    corpora: Sequence[CorpusParts]
    """What the arms are trained and tested on: one corpus, or one for each fold."""
    placements: Sequence[Placement]
    """Of each corpus."""
    precision: str
    threads: int
    """Of each run."""
    takes_batches: bool
    """Whether the finals of a small model are trained faster together."""
    facts: Mapping[str, Fact]
    """Of the study, for the provenance of its results."""

    def parts(self, request: Request) -> Mapping[str, Part]:
        """The parts that a request is about."""
        return next(corpus.parts for corpus in self.corpora if corpus.digest == request.corpus)

    def micro_batches(self, arm: str) -> int:
        """The parts that an arm's batches are divided into, as it turned out before."""
        parts: dict[str, int] = self.workspace.facts().get("micro_batches", {})
        return parts.get(arm, 1)

    def request(
        self,
        arm: Arm,
        settings: Settings,
        seeds: Sequence[int],
        search: int,
        trial: int | None = None,
        part: str = "train",
        subset: Mapping[str, Fact] | None = None,
    ) -> Request:
        """Of a trial, or without one of finals.

        Args:
            part: of the corpus, to train on.
            subset: facts about that part, if it is not all of train.
        """
        corpus = self.corpora[arm.fold - 1]
        if trial is None:
            folders = [self.workspace.final(arm.name, seed) for seed in seeds]
        else:
            folders = [self.workspace.trial(arm.name, trial, search)]
        return Request(
            arm=arm.name,
            settings=settings,
            seeds=tuple(seeds),
            corpus=corpus.digest,
            precision=self.precision,
            threads=self.threads,
            folders=tuple(folder.relative_to(self.workspace.folder).as_posix() for folder in folders),
            trial=trial,
            search=search,
            part=part,
            micro_batches=self.micro_batches(arm.name),
            facts={
                **self.facts,
                "code": source_code.digest_now(settings.architecture),
                "padding": corpus.padding,
                "memory": corpus.memory,
                **(subset or {}),
            },
        )

    def folder(self, request: Request, seed: int) -> Path:
        """Where a run of a request has its state and its result."""
        return self.workspace.folder / request.folders[request.seeds.index(seed)]


@dataclass(frozen=True)
class Job:
    """A request, and the search that it is a trial of."""

    request: Request
    trial: PendingTrial | None = None
    """None for finals."""
    search: ArmSearch | None = None

    def name(self, seed: int) -> RunName:
        """Of one of its runs."""
        arm, trial = self.request.arm, self.request.trial
        return RunName(arm, trial=trial, search=self.request.search) if trial is not None else RunName(arm, seed=seed)

    def should_end(self, epoch: Epoch) -> bool:
        """Whether the search prunes the trial after an epoch."""
        if self.search is None or self.trial is None:
            return False
        return self.search.should_prune(self.trial.number, epoch.epoch, epoch.validation_accuracy)


@dataclass(frozen=True)
class Outcome:
    """What became of a job."""

    job: Job
    results: tuple[RunResult, ...] = ()
    """In the order of its seeds; none if it failed."""
    failure: RunFailed | None = None
    epochs: tuple[Epoch, ...] = ()
    """Those that a run made before it failed."""


Jobs = Generator[Sequence[Job], Outcome, ArmRecord]
"""Yields what can be trained from now on, and is sent one outcome at a time, in any order; returns the arm's record."""


def arm_jobs(arm: Arm, study: StudyContext, recorder: Recorder, progress: Progress) -> Jobs:
    """All jobs of an arm.

    Raises:
        RunFailed: none of its trials could be trained to the end, or a final could not; but in a sweep, where a final
            that diverges, too, is the result of its cell.
    """
    searches = [
        ArmSearch(study.workspace.journal, arm, search, number)
        for number, search in enumerate(study.experiment.searches(arm.fold), 1)
    ]
    for search in searches:
        for known in search.trials():
            progress.skip(RunName(arm.name, trial=known.number, search=search.number), known.value, known.frames)
            shutil.rmtree(study.workspace.trial(arm.name, known.number, search.number))  # a kill may have left it
    for search in searches:
        yield from _trials(search, study)
        if search.best() is None:
            recorder.start_arm(arm.name, architecture=arm.architecture, settings=arm.fixed)
            return _without_trial(arm, search, is_cell=study.experiment.sweep is not None)
    records = tuple(_search_record(search) for search in searches)
    chosen = [record.chosen for record in records] or [{}]
    recorder.start_arm(arm.name, architecture=arm.architecture, settings=arm.settings(chosen[0]).flat())
    recorder.keep_code(arm.name, source_code.kept(study.workspace, arm.name))
    settings = [arm.settings(values) for values in chosen]
    for search_number, seed in study.experiment.finals(arm.fold):
        if _is_of_others(study.workspace.final(arm.name, seed), settings[search_number - 1]):
            shutil.rmtree(study.workspace.final(arm.name, seed))
            recorder.discard(RunKey("final", arm.name, seed))
    outcomes = yield from _finals(arm, settings, study)
    return ArmRecord(
        arm=arm.name,
        architecture=arm.architecture,
        chosen=chosen[0],
        finals=_in_order(outcomes, arm, study) if not _failure(outcomes) else (),
        trials=records[0].trials if records else (),
        importances=importances(searches),
        failure=_failure(outcomes),
        searches=records,
        ranges={name: str(range_) for name, range_ in arm.ranges.items()},
    )


def _search_record(search: ArmSearch) -> SearchRecord:
    best = search.best()
    return SearchRecord(search.search.seed, best.settings if best else {}, search.trials())


def _in_order(outcomes: Sequence[Outcome], arm: Arm, study: StudyContext) -> tuple[RunResult, ...]:
    """The results of the finals in the order of their seeds."""
    order = [seed for _, seed in study.experiment.finals(arm.fold)]
    results = [result for outcome in outcomes for result in outcome.results]
    return tuple(sorted(results, key=lambda result: order.index(result.seed)))


def _trials(search: ArmSearch, study: StudyContext) -> Generator[Sequence[Job], Outcome, None]:
    """One trial after the other: what the next one is depends on all before it."""
    while trial := search.ask():
        outcome = yield [_trial_job(search, trial, study)]
        search.tell(_trial_record(trial, outcome))
        shutil.rmtree(study.workspace.trial(search.arm.name, trial.number, search.number))


def _trial_job(search: ArmSearch, trial: PendingTrial, study: StudyContext) -> Job:
    settings = search.arm.settings(trial.values)
    early_stopping = 0 if search.search.halving else settings.training.early_stopping
    training = replace(settings.training, epochs=trial.rung.epochs, early_stopping=early_stopping)
    settings = replace(settings, training=training)
    seeds, part, share = [search.search.seed], trial.rung.part, trial.rung.subset
    seed = subset_seed(search.number, search.arm.fold, search.search)
    subset: dict[str, Fact] = {"subset": share, "subset_seed": seed} if share < 1 else {}
    request = study.request(search.arm, settings, seeds, search.number, trial.number, part, subset)
    return Job(request, trial, search)


def _trial_record(trial: PendingTrial, outcome: Outcome) -> Trial:
    if outcome.failure:
        epochs, state, value = outcome.epochs, "failed", None
        frames = epochs[-1].frames if epochs else 0  # in whole epochs
        seconds = sum(epoch.seconds for epoch in epochs)
    else:
        (result,) = outcome.results
        epochs, state = result.history, result.state
        value = epochs[result.best_epoch - 1].validation_accuracy
        frames, seconds = epochs[-1].frames, result.seconds
    return Trial(
        number=trial.number,
        state=state,
        value=value,
        settings=trial.values,
        frames=frames,
        seconds=seconds,
        curve=tuple(epoch.validation_accuracy for epoch in epochs),
        rung=trial.rung.number,
        origin=trial.origin,
    )


def _without_trial(arm: Arm, search: ArmSearch, is_cell: bool) -> ArmRecord:
    """The record of a sweep's cell of which no trial could be trained.

    Raises:
        RunFailed: the arm is no cell of a sweep.
    """
    trials = search.trials()
    which = f" of search {search.number}" if search.number > 1 else ""
    why = f"none of its {len(trials)} trials{which} could be trained to the end"
    if not is_cell:
        raise RunFailed(
            f"arm {arm.name!r}: {why}; look at them in MLflow, narrow the ranges, and start again with --restart"
        )
    return ArmRecord(arm.name, arm.architecture, {}, (), trials, {}, why)


def _finals(
    arm: Arm, settings: Sequence[Settings], study: StudyContext
) -> Generator[Sequence[Job], Outcome, list[Outcome]]:
    """All at once; where it is faster, those of one search that have no result yet are one request.

    Args:
        settings: for each search, those that it has chosen.

    Returns:
        The outcomes, those of the first seeds first.
    """
    finals, corpus = study.experiment.finals(arm.fold), study.corpora[arm.fold - 1]
    seeds = [seed for _, seed in finals]
    jobs = []
    for number, own_settings in enumerate(settings, 1):
        own = [seed for search, seed in finals if search == number]
        groups: list[list[int]] = [[seed] for seed in own]
        placement = study.placements[arm.fold - 1]
        if study.takes_batches and is_small(own_settings, corpus.parts["train"], placement):
            new = [seed for seed in own if not (study.workspace.final(arm.name, seed) / "result.json").exists()]
            groups = [[seed] for seed in own if seed not in new] + ([new] if new else [])
        jobs += [Job(study.request(arm, own_settings, group, number)) for group in groups]
    jobs.sort(key=lambda job: seeds.index(job.request.seeds[0]))
    outcomes: list[Outcome] = []
    while len(outcomes) < len(jobs):
        outcome = yield jobs if not outcomes else ()
        if outcome.failure and not (study.experiment.sweep and isinstance(outcome.failure, Diverged)):
            seed = outcome.job.request.seeds[0]
            raise RunFailed(f"arm {arm.name!r}, seed {seed}: {outcome.failure}")
        outcomes.append(outcome)
    return sorted(outcomes, key=lambda outcome: seeds.index(outcome.job.request.seeds[0]))


def _is_of_others(folder: Path, settings: Settings) -> bool:
    """Whether a final was trained with other settings than these: its search went on, and has chosen others since."""
    try:
        trained = checksums.unseal(folder / "result.json")["settings"]
    except (FileNotFoundError, Damaged):
        return False
    wanted = json.loads(json.dumps(settings.flat()))
    return any(trained[key] != wanted[key] for key in trained.keys() & wanted.keys())


def _failure(outcomes: Sequence[Outcome]) -> str:
    """Why a cell has no finals, "" if it has: the seeds that are left would be those that had luck."""
    failed = [outcome for outcome in outcomes if outcome.failure]
    return f"seed {failed[0].job.request.seeds[0]}: {failed[0].failure}" if failed else ""
