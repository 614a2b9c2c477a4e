"""The conductor: per arm search -> final seeds -> tracking, then the comparison. The only module that knows the story.

What is finished is never repeated: Optuna's journal remembers the trials, a run's folder its result or its last epoch,
MLflow the runs. The same command therefore goes on wherever the last one stopped.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from harness.comparison import folds
from harness.comparison.effort import n_random
from harness.comparison.model import Comparison
from harness.conductor import growth, source_code
from harness.conductor.arm import StudyContext
from harness.conductor.loop import Conductor
from harness.conductor.plan import study_parts, workload
from harness.conductor.search import repair_journal
from harness.conductor.workspace import Workspace, cache
from harness.corpora.corpus import Corpus, open_corpus
from harness.display.progress import Progress
from harness.engines.local import LocalEngine
from harness.engines.request import CorpusParts, Engine
from harness.errors import Interrupted, UserError
from harness.experiment import claims, rungs, sizes
from harness.experiment.amendment import Amendment
from harness.experiment.experiment import OF_FOLD, Experiment
from harness.frames.device import Parallelism, choose, choose_device, choose_parallelism, dtype_of_frames, memory_limit
from harness.frames.placement import placement
from harness.results import ArmRecord, StudyRecord, digest_of_test
from harness.tracking.recorder import Recorder
from harness.tracking.store import Store, open_store
from harness.training import provenance


def conduct(
    experiment: Experiment,
    root: Path,
    *,
    device: str,
    restart: bool,
    amend: bool = False,
    restart_arms: Sequence[str] = (),
    progress: Progress,
    open_engine: Callable[[Parallelism, torch.device, Path], Engine] = LocalEngine,
) -> Comparison:
    """Run a study to its end, or go on with it.

    Args:
        device: auto, cpu or cuda.
        restart: archive what there is of this study, and begin anew.
        amend: train arms anew whose settings the file has changed, which is refused otherwise.
        restart_arms: names of arms that are trained anew in any case.
        open_engine: gives what trains, for how the machine is shared, a device and the study's folder.

    Returns:
        The comparison.

    Raises:
        UserError: a mistake in the file, corpus or store; RunFailed: a training; Interrupted: stopped, state written.
    """
    workspace = Workspace(root, experiment)
    with workspace.reserve():
        begun = {} if restart or not workspace.has_runs else workspace.facts()
        chosen = choose_device(device)
        precision = _precision(experiment, begun, chosen)
        shared = choose_parallelism(chosen, len(experiment.arms), begun)
        with open_engine(shared, chosen, workspace.folder) as engine:
            store, found = _opened_store(workspace, root, restart, progress, amend, restart_arms)
            corpus = open_corpus(experiment.data, cache(root), progress.reading)
            experiment = sizes.for_corpus(experiment, corpus.train.d_features, len(corpus.train.phonemes))
            allowed = memory_limit(chosen, experiment.data.memory, begun)
            memory = allowed // shared.memory_shares
            corpora = _parts(experiment, corpus, memory)
            dtype = dtype_of_frames(precision)
            placed = [placement(dict(own.parts), own.padding, dtype, memory) for own in corpora]
            for own_parts in corpora:
                engine.offer(own_parts)
            facts = {"corpus": corpus.digest, "device": chosen.type, "precision": precision}
            workspace.check(**facts, streamed=sorted({name for one in placed for name in one.streamed}))
            cells = experiment.in_folds()
            workspace.remember(threads=shared.threads, shares=shared.memory_shares, memory=allowed)
            recorder = store.begin(
                experiment.study,
                question=experiment.question,
                arms=list(experiment.arms),
                folds=experiment.data.folds,
                trials=len(experiment.searches()) * sum(rung.trials for rung in rungs.of_experiment(experiment)),
                seeds=[seed for _, seed in experiment.finals()],
                command=experiment.command,
                test=digest_of_test(corpus.digest, bool(experiment.data.folds)),
            )
            repair_journal(workspace.journal)
            code_anew = [*found.anew, *source_code.untrained(workspace)]
            for note in source_code.check(workspace, code_anew):
                progress.say(f"note: {note}")
            growth.amend(found, workspace, recorder, progress)
            source_code.keep(workspace, code_anew)
            machine = provenance.of_machine(chosen.type, precision)
            own = {"started": machine["started"], **provenance.of_code(root)}
            own |= {"corpus": corpus.digest, "at_once": shared.n_runs}
            n_frames = sum(own_parts.parts["train"].n_frames for own_parts in corpora) // len(corpora)
            progress.plans(workload(cells, n_frames, shared.n_runs))
            context = StudyContext(
                cells, workspace, corpora, placed, precision, shared.threads, engine.takes_batches, own
            )
            started = time.perf_counter()
            try:
                arms = Conductor(context, engine, recorder, progress).records()
            except (Interrupted, KeyboardInterrupt):
                recorder.stopped()
                raise Interrupted from None
            seconds = workspace.facts().get("seconds", 0.0) + time.perf_counter() - started
            workspace.remember(seconds=seconds)
        machine |= own | {"threads": shared.threads, "seconds": seconds, "command": experiment.command}
        record = growth.count_look(_record(experiment, corpus, arms, machine), workspace)
        comparison = _compare(record, recorder)
        growth.remember_pairs(comparison, workspace)
        return comparison


def _parts(experiment: Experiment, corpus: Corpus, memory: int) -> list[CorpusParts]:
    """What the arms are trained and tested on: the corpus, or each of its folds."""
    padding = max(experiment.widest_context)
    return [
        CorpusParts(own.digest, study_parts(experiment, own, fold), padding, memory)
        for fold, own in enumerate(corpus.folds or (corpus,), 1)
    ]


def _precision(experiment: Experiment, begun: dict[str, Any], device: torch.device) -> str:
    """The precision that the file names, or that was measured to be faster when the study began."""
    if experiment.training.precision != "auto":
        return experiment.training.precision
    return begun["precision"] if begun.get("device") == device.type else choose(device)


def _opened_store(
    workspace: Workspace, root: Path, restart: bool, progress: Progress, amend: bool, restart_arms: Sequence[str]
) -> tuple[Store, Amendment]:
    """Open MLflow and the working folder, which know of the same study or of none; and what its file has changed."""
    store, experiment = open_store(root, progress.say), workspace.experiment
    store.mark_dead_runs()
    if restart:
        workspace.archive()
        if any(listed.study == experiment.study for listed in store.studies()):
            archived = store.archive(experiment.study)
            progress.say(f"the earlier study is kept in MLflow: harness report --study {archived!r}")
    elif not workspace.exists and any(listed.study == experiment.study for listed in store.studies()):
        raise UserError(
            f"{experiment.path}: MLflow has a study {experiment.study!r} whose working folder {workspace.folder} "
            f"is missing; give the study another name (--set study=NAME), or archive it: {experiment.command} --restart"
        )
    return store, workspace.open(amend=amend, restart_arms=restart_arms)


def _record(experiment: Experiment, corpus: Corpus, arms: list[ArmRecord], provenance: dict[str, Any]) -> StudyRecord:
    comparison, search = experiment.comparison, experiment.search
    return StudyRecord(
        study=experiment.study,
        question=experiment.question,
        baseline=comparison.baseline,
        unit=comparison.unit,
        level=comparison.level,
        corpus=corpus.summary(),
        experiment=experiment.text,
        arms=arms,
        resamples=comparison.resamples,
        margin=comparison.margin,
        pairs=comparison.pairs,
        mute=comparison.mute,
        random_trials=n_random(search.sampler, search.trials) if search else None,
        claims=[claims.to_json(claim) for claim in experiment.claims],
        notes=experiment.notes,
        provenance=provenance,
        sweep=asdict(experiment.sweep) if experiment.sweep else None,
        folds=_folds(experiment, corpus) if experiment.data.folds else None,
    )


def _folds(experiment: Experiment, corpus: Corpus) -> dict[str, Any]:
    """What a record says of its folds."""
    n_train = sum(fold.train.n_frames for fold in corpus.folds)
    cells = experiment.in_folds().arms.items()
    return {
        "n": len(corpus.folds),
        "test_to_train": sum(fold.test.n_frames for fold in corpus.folds) / n_train,
        "cells": {name: {"base": name.rpartition(OF_FOLD)[0], "fold": arm.fold} for name, arm in cells},
    }


def _compare(record: StudyRecord, recorder: Recorder) -> Comparison:
    from harness.comparison.compare import compare

    readers = recorder.reader.readers(record.test_digest, but=record.study)
    whole = replace(folds.merged(record), other_readers=readers)
    comparison = compare(whole)
    finished = {arm.arm for arm in comparison.arms}
    cells = [arm for arm in record.arms if arm not in whole.arms]
    for cell in cells:
        recorder.finish_fold(cell) if cell.finals else recorder.fail_arm(cell)
    for arm in whole.arms:
        if cells:
            recorder.start_arm(arm.arm, architecture=arm.architecture, settings=_settings(arm))
        if arm.arm in finished:
            recorder.finish_arm(arm, comparison)
        else:
            recorder.fail_arm(arm)
    answers = [claim.sentence for claim in comparison.claims]
    recorder.finish(record, whole, comparison.pairs, [*comparison.verdicts, *answers], comparison.checks)
    return comparison


def _settings(arm: ArmRecord) -> dict[str, Any]:
    return arm.finals[0].settings if arm.finals else {}
