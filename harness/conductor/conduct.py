"""The conductor: per arm search -> final seeds -> tracking, then the comparison. The only module that knows the story.

What is finished is never repeated: Optuna's journal remembers the trials, a run's folder its result or its last epoch,
MLflow the runs. The same command therefore goes on wherever the last one stopped.
"""

import contextlib
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from harness.comparison.effort import n_random
from harness.comparison.model import Comparison
from harness.conductor.search import ArmSearch, PendingTrial
from harness.conductor.workspace import Workspace, cache
from harness.corpora.corpus import Corpus, open_corpus, subset
from harness.corpora.store import Part
from harness.display.progress import Progress, Workload
from harness.engines import workers
from harness.engines.here import Here
from harness.errors import Diverged, Interrupted, RunFailed, UserError
from harness.experiment import claims, rungs, sizes
from harness.experiment.experiment import Arm, Experiment
from harness.frames.device import choose, choose_device, choose_parallelism, dtype_of_frames, memory_limit
from harness.frames.placement import DeviceData
from harness.results import ArmRecord, Epoch, RunResult, StudyRecord, Trial
from harness.settings import Settings
from harness.tracking.store import Recorder, Store, open_store
from harness.training import provenance


@dataclass
class Conductor:
    """What the stages of a study share.

    Arms may run side by side, each in a thread. Whoever holds `lock` does the conductor's work: the search, MLflow, the
    progress. It is let go while a run is trained.
    """

    experiment: Experiment
    workspace: Workspace
    corpus: Corpus
    residents: DeviceData
    precision: str
    recorder: Recorder
    progress: Progress
    provenance: dict[str, Any]
    runner: Here
    lock: threading.Lock = field(default_factory=threading.Lock)

    def study(self) -> StudyRecord:
        """Every arm's search and finals."""
        experiment, started, sweep = self.experiment, time.perf_counter(), self.experiment.sweep
        with workers.stoppable(self.runner):
            arms = self.runner.map(self._arm, list(experiment.arms.values()))
        spent = self.workspace.facts().get("seconds", 0.0) + time.perf_counter() - started
        self.workspace.remember(seconds=spent)
        return StudyRecord(
            study=experiment.study,
            question=experiment.question,
            baseline=experiment.comparison.baseline,
            unit=experiment.comparison.unit,
            level=experiment.comparison.level,
            corpus=self.corpus.summary(),
            experiment=experiment.text,
            arms=arms,
            resamples=experiment.comparison.resamples,
            margin=experiment.comparison.margin,
            random_trials=n_random(experiment.search.sampler, experiment.search.trials) if experiment.search else None,
            claims=[claims.to_json(claim) for claim in experiment.claims],
            notes=experiment.notes,
            provenance=self.provenance | {"seconds": spent, "command": experiment.command},
            sweep=asdict(sweep) if sweep else None,
        )

    def _arm(self, arm: Arm) -> ArmRecord:
        with self.lock:
            chosen, trials, importances = self._search(arm) if self.experiment.search else ({}, (), {})
            if chosen is None:
                self.recorder.start_arm(arm.name, architecture=arm.architecture, settings=arm.fixed)
                why = f"none of its {len(trials)} trials could be trained to the end"
                return ArmRecord(arm.name, arm.architecture, {}, (), trials, importances, why)
            settings = arm.settings(chosen)
            self.recorder.start_arm(arm.name, architecture=arm.architecture, settings=settings.flat())
        results = self.runner.finals(partial(self._final, arm, settings), self.experiment.comparison.seeds)
        failed = [result for result in results if isinstance(result, Diverged)]
        finals = () if failed else tuple(result for result in results if isinstance(result, RunResult))
        why = str(failed[0]) if failed else ""  # the seeds that are left would be those that had luck
        return ArmRecord(arm.name, arm.architecture, chosen, finals, trials, importances, why)

    def _search(self, arm: Arm) -> tuple[dict[str, Any] | None, tuple[Trial, ...], dict[str, float]]:
        """All trials of an arm: the chosen values, what was tried, and what mattered.

        Where no trial could be trained, nothing is chosen in a sweep, whose result that is; else RunFailed.
        """
        assert self.experiment.search
        study = ArmSearch(self.workspace.journal, arm, self.experiment.search)
        for trial in study.trials():
            self.progress.known(arm.name, f"trial {trial.number}", trial.value, trial.frames)
        while asked := study.ask():
            study.tell(self._trial(study, asked))
            shutil.rmtree(self.workspace.trial(arm.name, asked.number))
        best = study.best()
        if best is None and self.experiment.sweep:
            return None, study.trials(), {}
        if best is None:
            raise RunFailed(
                f"arm {arm.name!r}: none of its {len(study.trials())} trials could be trained to the end; "
                "look at them in MLflow, narrow the ranges, and begin anew with --restart"
            )
        return best.settings, study.trials(), study.importances()

    def _trial(self, study: ArmSearch, asked: PendingTrial) -> Trial:
        search, arm = study.search, study.arm
        settings = arm.settings(asked.values)
        stopping = 0 if search.halving else settings.training.early_stopping
        training = replace(settings.training, epochs=asked.rung.epochs, early_stopping=stopping)
        settings = replace(settings, training=training)

        seen: list[Epoch] = []

        def should_prune(epoch: Epoch) -> bool:
            seen.append(epoch)
            return study.should_prune(asked.number, epoch.epoch, epoch.validation_accuracy)

        label = f"trial {asked.number}"
        n_frames = self.residents.parts[asked.rung.part].n_frames
        told = asked.values | ({"rung": asked.rung.number} if search.halving else {})
        self.progress.begins(arm.name, label, asked.rung.epochs, n_frames, told)
        at: dict[str, Any] = {"rung": asked.rung.number, "origin": asked.origin}
        try:
            result = self._run(arm, label, settings, search.seed, asked, should_prune)
        except RunFailed as failure:
            self.progress.ends(arm.name, label, None, "failed")
            self.progress.say(f"{arm.name} {label}: {failure}")
            spent = seen[-1].frames if seen else 0  # in whole epochs
            seconds = sum(epoch.seconds for epoch in seen)
            curve = tuple(epoch.validation_accuracy for epoch in seen)
            return Trial(asked.number, "failed", None, asked.values, spent, seconds, curve, **at)
        value = result.history[result.best_epoch - 1].validation_accuracy
        self.progress.ends(arm.name, label, value, result.state)
        curve = tuple(epoch.validation_accuracy for epoch in result.history)
        frames = result.history[-1].frames
        return Trial(asked.number, result.state, value, asked.values, frames, result.seconds, curve, **at)

    def _final(self, arm: Arm, settings: Settings, seed: int) -> RunResult | Diverged:
        """Train, or find what an earlier process trained. A cell of a sweep may diverge: that is given back."""
        with self.lock:
            label, epochs, n_frames = f"seed {seed}", settings.training.epochs, self.corpus.train.n_frames
            folder = self.workspace.final(arm.name, seed)
            if (folder / "result.json").exists():
                result = RunResult.load(folder)
                self.recorder.log_run(result, folder)
                assert result.test
                self.progress.known(arm.name, label, result.test.accuracy, n_frames * epochs)
                return result
            self.progress.begins(arm.name, label, epochs, n_frames, {})
            try:
                result = self._run(arm, label, settings, seed, None, lambda epoch: False)
            except RunFailed as failure:
                if self.experiment.sweep and isinstance(failure, Diverged):
                    self.progress.ends(arm.name, label, None, "failed")
                    return Diverged(f"seed {seed}: {failure}")
                raise RunFailed(f"arm {arm.name!r}, seed {seed}: {failure}") from None
            assert result.test
            self.progress.ends(arm.name, label, result.test.accuracy, "on test")
            return result

    def _run(
        self, arm: Arm, label: str, settings: Settings, seed: int, asked: PendingTrial | None, should_end: Any
    ) -> RunResult:
        """Train (or go on with) one run and record it; its folder then holds the result."""
        if self.runner.stopping.is_set():
            raise Interrupted
        trial = asked.number if asked else None
        folder = self.workspace.final(arm.name, seed) if trial is None else self.workspace.trial(arm.name, trial)
        if (folder / "result.json").exists():  # recorded in part when the process was killed
            result = RunResult.load(folder)
            self.recorder.log_run(result, folder)
            return result
        stage = "final" if trial is None else "search"
        live = self.recorder.start_run(
            arm.name,
            stage=stage,
            trial=trial,
            seed=seed,
            settings=settings.flat(),
            rung=asked.rung.number if asked and len(rungs.of_experiment(self.experiment)) > 1 else None,
            origin=asked.origin if asked else None,
        )

        def on_epoch(epoch: Epoch) -> bool:
            with self.lock:
                live.epoch(epoch)
                self.progress.epoch(arm.name, label, epoch)
                return should_end(epoch)

        try:
            with self._let_go():
                result = self.runner.run(
                    arm.name,
                    settings,
                    self.residents,
                    seed=seed,
                    precision=self.precision,
                    trial=trial,
                    part=asked.rung.part if asked else "train",
                    folder=folder,
                    provenance=self.provenance,
                    on_epoch=on_epoch,
                )
                result.save(folder)
        except RunFailed as failure:
            live.failed("FAILED", str(failure))
            raise
        except (Interrupted, KeyboardInterrupt):
            live.failed("KILLED")
            raise Interrupted from None
        live.finish(result, folder)
        (folder / "state.pt").unlink(missing_ok=True)
        return result

    @contextlib.contextmanager
    def _let_go(self) -> Iterator[None]:
        self.lock.release()
        try:
            yield
        finally:
            self.lock.acquire()


def conduct(experiment: Experiment, root: Path, *, device: str, restart: bool, progress: Progress) -> Comparison:
    """Run a study to its end, or go on with it.

    Args:
        device: auto, cpu or cuda.
        restart: archive what there is of this study, and begin anew.

    Returns:
        The comparison.

    Raises:
        UserError: a mistake in the file, corpus or store; RunFailed: a training; Interrupted: stopped, state written.
    """
    workspace = Workspace(root, experiment)
    with workspace.held():
        begun = {} if restart or not workspace.has_runs else workspace.facts()
        chosen = choose_device(device)
        arithmetic = _arithmetic(experiment, begun, chosen)
        shared = choose_parallelism(chosen, len(experiment.arms), begun)
        with workers.started(shared, chosen) as runner:
            store = _opened_store(experiment, workspace, root, restart, progress)
            corpus = open_corpus(experiment.data, cache(root), progress.reading)
            experiment = sizes.for_corpus(experiment, corpus.train.d_features, len(corpus.train.phonemes))
            residents = DeviceData(
                parts(experiment, corpus),
                max(experiment.widest_context),
                chosen,
                dtype_of_frames(arithmetic),
                memory_limit(chosen, experiment.data.memory) // shared.memory_shares,
            )
            streamed = list(residents.placement.streamed)
            workspace.check(corpus=corpus.digest, device=chosen.type, precision=arithmetic, streamed=streamed)
            workspace.remember(threads=shared.threads, shares=shared.memory_shares)
            recorder = store.begin(
                experiment.study,
                question=experiment.question,
                arms=list(experiment.arms),
                trials=sum(rung.trials for rung in rungs.of_experiment(experiment)),
                seeds=experiment.comparison.seeds,
                command=experiment.command,
            )
            facts = provenance.of_machine(chosen.type, arithmetic) | provenance.of_code(root)
            facts |= {"corpus": corpus.digest, "threads": shared.threads, "at_once": shared.n_runs}
            progress.plans(workload(experiment, corpus.train.n_frames, shared.n_runs))
            conductor = Conductor(
                experiment, workspace, corpus, residents, arithmetic, recorder, progress, facts, runner
            )
            try:
                record = conductor.study()
            except (Interrupted, KeyboardInterrupt):
                recorder.stopped()
                raise Interrupted from None
        return _compare(record, recorder)


def _opened_store(experiment: Experiment, workspace: Workspace, root: Path, restart: bool, progress: Progress) -> Store:
    """Open MLflow and the working folder, which know of the same study or of none."""
    store = open_store(root)
    store.mark_dead_runs()
    if restart:
        workspace.archive()
        if any(listed.study == experiment.study for listed in store.studies()):
            archived = store.archive(experiment.study)
            progress.say(f"the earlier study is kept in MLflow: harness report --study {archived!r}")
    elif not workspace.exists and any(listed.study == experiment.study for listed in store.studies()):
        raise UserError(
            f"{experiment.path}: MLflow has a study {experiment.study!r} whose working folder {workspace.folder} "
            f"is gone; name the study otherwise (--set study=NAME), or archive it: {experiment.command} --restart"
        )
    workspace.open()
    return store


def workload(experiment: Experiment, n_frames: int, n_runs: int) -> Workload:
    """The work of a study whose training split has `n_frames`, with `n_runs` of its runs side by side."""
    stages, seeds = rungs.of_experiment(experiment), len(experiment.comparison.seeds)
    per_arm = seeds * experiment.training.epochs * n_frames
    per_arm += sum(round(rung.trials * rung.epochs * rung.subset * n_frames) for rung in stages)
    trials = tuple(rung.trials for rung in stages)
    return Workload(
        experiment.study, experiment.question, tuple(experiment.arms), trials, seeds, n_frames, per_arm, n_runs
    )


def parts(experiment: Experiment, corpus: Corpus) -> dict[str, Part]:
    """What a study sees: "train", "validation", "test", and what trials see that is fewer training utterances."""
    seen = {"train": corpus.train, "validation": corpus.validation, "test": corpus.test}
    for rung in rungs.of_experiment(experiment):
        if rung.part not in seen:
            seen[rung.part] = subset(corpus.train, rung.subset)
    return seen


def _compare(record: StudyRecord, recorder: Recorder) -> Comparison:
    from harness.comparison.compare import compare

    comparison = compare(record)
    finished = {arm.arm for arm in comparison.arms}
    for arm in record.arms:
        if arm.arm in finished:
            recorder.finish_arm(arm, comparison)
        else:
            recorder.fail_arm(arm)
    answers = [claim.sentence for claim in comparison.claims]
    recorder.finish(record, comparison.pairs, [*comparison.verdicts, *answers])
    return comparison


def _arithmetic(experiment: Experiment, begun: dict[str, Any], device: torch.device) -> str:
    """The precision that the file names, or that was measured to be faster when the study began."""
    if experiment.training.precision != "auto":
        return experiment.training.precision
    return begun["precision"] if begun.get("device") == device.type else choose(device)
