"""A study as it is written to MLflow: its arms, their runs while they train, and what makes them a comparison."""

import contextlib
import getpass
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlflow import Image, MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from harness import process
from harness.comparison.model import Check, Comparison, Pair
from harness.files import temporaries_in, temporary_folder
from harness.results import ArmRecord, RunResult, StudyRecord
from harness.tracking import entries, views
from harness.tracking.live_run import TABLE, LiveRun, epochs_there, log, metrics_at, unknown
from harness.tracking.patience import hurry
from harness.tracking.reader import Reader
from harness.tracking.run_ids import id_of

_PARENT = "mlflow.parentRunId"


@dataclass(frozen=True)
class RunKey:
    """The identity of a run in its study: a run with the same key is the same run, gone on with."""

    kind: str
    """arm, trial or final."""
    arm: str
    number: int = 0
    """Of a trial its number, of a final its seed."""
    search: int = 1
    """Of a trial, the number of its search."""

    @property
    def tags(self) -> dict[str, str]:
        """The key as it stands in MLflow; the first search of an arm goes without saying."""
        search = {"search": str(self.search)} if self.search > 1 else {}
        number = {"trial": {"trial": str(self.number)} | search, "final": {"seed": str(self.number)}}
        return {"kind": self.kind, "arm": self.arm} | number.get(self.kind, {})


def run_key(run: Run) -> RunKey | None:
    """The key of a run; None if harness did not make it."""
    tags = run.data.tags
    kind, arm = tags.get("kind", ""), tags.get("arm", "")
    number = {"arm": "0", "trial": tags.get("trial", ""), "final": tags.get("seed", "")}.get(kind, "")
    search = tags.get("search", "1") if kind == "trial" else "1"
    return RunKey(kind, arm, int(number), int(search)) if number.isdecimal() and search.isdecimal() else None


class Recorder:
    """The writer of one study. What it wrote before, in this process or an earlier one, it goes on with."""

    def __init__(
        self, reader: Reader, study: str, experiment_id: str, search_id: str, arms: Sequence[str], test: str = ""
    ) -> None:
        self.reader = reader
        self.test, self.is_noted = test, False
        self.client: MlflowClient = reader.client
        self.uri = reader.uri
        self.study = study
        self.experiment_id = experiment_id
        self.search_id = search_id
        self.arms = tuple(arms)
        self.runs: dict[RunKey, Run] = {}
        for run in reader.runs([experiment_id, search_id]):
            if key := run_key(run):
                self.runs.setdefault(key, run)

    def start_arm(self, arm: str, *, architecture: str, settings: Mapping[str, object]) -> str:
        """The id of an arm's run, which is made before its finals, whose parent it is.

        Args:
            settings: flat, with the chosen values in place.
        """
        run = self._start(RunKey("arm", arm), arm, {"architecture": architecture}, settings)
        return id_of(run)

    def keep_code(self, arm: str, texts: Mapping[str, str]) -> None:
        """Keep the code of an arm's architecture with its run, in `code/`.

        Args:
            texts: file name -> text.
        """
        if self.runs[RunKey("arm", arm)].info.status == "FINISHED":
            return
        with temporary_folder() as folder:
            for file, text in texts.items():
                (folder / file).write_text(text, encoding="utf-8")
            self.client.log_artifacts(self._arm_id(arm), str(folder), "code")

    def start_run(
        self,
        arm: str,
        *,
        stage: str,
        trial: int | None,
        seed: int,
        settings: Mapping[str, object],
        search: int = 1,
        rung: int | None = None,
        origin: int | None = None,
    ) -> "LiveRun":
        """A run that begins, visible at once, or the one of an earlier process. A final's arm comes first.

        Args:
            stage: search or final, as in `RunResult`.
            settings: resolved, flat.
            search: number of the search that it belongs to, from 1.
            rung: of a trial, where the search has several.
            origin: the trial that it goes on from.
        """
        if stage == "search":
            assert trial is not None
            tags = {"seed": str(seed)}
            tags |= {"rung": str(rung)} if rung else {}
            tags |= {} if origin is None else {"origin": str(origin)}
            which = f" search {search}" if search > 1 else ""
            name = f"{arm}{which} trial {trial}" + (f", rung {rung}" if rung else "")
            return LiveRun(self.client, self._start(RunKey("trial", arm, trial, search), name, tags, settings))
        tags = {_PARENT: self._arm_id(arm)} | ({"search": str(search)} if search > 1 else {})
        return LiveRun(self.client, self._start(RunKey("final", arm, seed), f"{arm} seed {seed}", tags, settings))

    def note_scored(self) -> None:
        """Remember that a final was scored on the test split, in case the study ends before it is compared."""
        if self.is_noted or not self.test:
            return
        if self.client.get_experiment(self.experiment_id).tags.get("harness.test") != self.test:
            self.client.set_experiment_tag(self.experiment_id, "harness.test", self.test)
        self.is_noted = True

    def log_run(self, result: RunResult, folder: Path | None = None) -> str:
        """The id of a run that is written whole, if it is not there yet. Arguments as those of `LiveRun.finish`."""
        key = RunKey("final", result.arm, result.seed)
        if result.trial is not None:
            key = RunKey("trial", result.arm, result.trial, result.search)
        run = self.runs.get(key)
        if run is not None and run.info.status == "FINISHED":
            if key.kind == "final":
                self._adopt(run, {_PARENT: self._arm_id(key.arm)})
            return id_of(run)
        live = self.start_run(
            result.arm,
            stage=result.stage,
            trial=result.trial,
            search=result.search,
            seed=result.seed,
            settings=result.settings,
        )
        live.finish(result, folder)
        return live.run_id

    @property
    def is_finished(self) -> bool:
        """Whether the study was compared."""
        return self.client.get_experiment(self.experiment_id).tags.get("harness.state") == "finished"

    def reopen(self, anew: Callable[[str], bool], compared: Callable[[str], bool]) -> None:
        """Go on with a study whose file was changed: it is unfinished again. What is of no use goes to MLflow's trash.

        Args:
            anew: whether all runs of an arm are.
            compared: whether an arm of the file; the run of each such arm, which holds a comparison, is made again.
        """
        for key in list(self.runs):
            if anew(key.arm) or (key.kind == "arm" and compared(key.arm)):
                self.discard(key)
        tags = self.client.get_experiment(self.experiment_id).tags
        if "harness.finished" in tags:
            self.client.delete_experiment_tag(self.experiment_id, "harness.finished")
        self.client.set_experiment_tag(self.experiment_id, "harness.state", "unfinished")

    def discard(self, key: RunKey) -> None:
        """Move a run to MLflow's trash, if there is one of this key."""
        if run := self.runs.pop(key, None):
            self.client.delete_run(id_of(run))

    def stopped(self) -> None:
        """The study's end before it is finished: arms that wait for finals show as KILLED, if that can be said."""
        with contextlib.suppress(MlflowException, OSError):
            for arm in self.arms:
                run = self.runs.get(RunKey("arm", arm))
                if run is not None and run.info.status != "FINISHED":
                    self.client.set_terminated(id_of(run), "KILLED")

    def hurry(self) -> None:
        """Wait no longer for a server that does not answer: the study is to stop."""
        hurry(self.client)

    def finish_arm(self, record: ArmRecord, comparison: Comparison) -> str:
        """The id of an arm's run, which now has everything of it that is compared."""
        run = self.runs[RunKey("arm", record.arm)]
        run_id = id_of(run)
        if run.info.status == "FINISHED":
            return run_id
        with temporary_folder() as folder:
            entries.write_arm(record, comparison, folder)
            self.client.log_artifacts(run_id, str(folder))
            with temporaries_in(folder):
                for key in views.IMAGES:
                    if (folder / f"{key}.png").exists():  # once more under a key: its charts take no plain artifact
                        self.client.log_image(run_id, Image(str(folder / f"{key}.png")), key=key, step=0)
        now, there = time.time(), epochs_there(self.client, run)
        metrics = metrics_at(unknown(entries.arm_metrics(record), run.data.metrics), now)
        for step, values in entries.mean_curves([final.history for final in record.finals]):
            metrics += metrics_at(values, now, step) if step not in there else []
        tags = entries.arm_tags(record) | {"mlflow.note.content": entries.arm_markdown(record), **TABLE}
        log(self.client, run_id, metrics, tags=tags)
        self.client.set_terminated(run_id)
        return run_id

    def finish_fold(self, record: ArmRecord) -> str:
        """The id of the run of an arm in one fold of a cross-validation, which now has everything that is its own."""
        run_id = self._arm_id(record.arm)
        if self.runs[RunKey("arm", record.arm)].info.status == "FINISHED":
            return run_id
        with temporary_folder() as folder:
            entries.write_search(record, folder)
            self.client.log_artifacts(run_id, str(folder))
        tags = entries.arm_tags(record) | {"mlflow.note.content": entries.arm_markdown(record)}
        known = self.runs[RunKey("arm", record.arm)].data.metrics
        log(self.client, run_id, metrics_at(unknown(entries.arm_metrics(record), known), time.time()), tags=tags)
        self.client.set_terminated(run_id)
        return run_id

    def fail_arm(self, record: ArmRecord) -> str:
        """The id of the run of a cell of a sweep that has no finals, which is its result."""
        run_id = self._arm_id(record.arm)
        with temporary_folder() as folder:
            entries.write_search(record, folder)
            self.client.log_artifacts(run_id, str(folder))
        log(self.client, run_id, tags={"state": "failed", "mlflow.note.content": record.failure})
        self.client.set_terminated(run_id, "FAILED")
        return run_id

    def finish(
        self,
        record: StudyRecord,
        whole: StudyRecord,
        pairs: Sequence[Pair],
        verdicts: Sequence[str],
        checks: Sequence[Check] = (),
    ) -> str:
        """The link to the view of the study, which is now marked as finished, with its question and verdicts.

        Args:
            whole: the record with the folds of each arm merged; without folds the same.
            pairs: the differences.
            verdicts: sentences in Markdown.
            checks: findings about the study itself.
        """
        ids = {arm.arm: self._arm_id(arm.arm) for arm in whole.arms}
        for arm in dict.fromkeys([*ids, *(arm.arm for arm in record.arms)]):
            with temporary_folder() as folder:
                entries.write_study(record, folder)
                self.client.log_artifacts(self._arm_id(arm), str(folder))
        for arm, run_id in ids.items():
            differences = entries.difference_metrics(arm, whole.compared_with(arm), pairs)
            known = self.runs[RunKey("arm", arm)].data.metrics
            log(self.client, run_id, metrics_at(unknown(differences, known), time.time()))
        try:
            links = views.write(self.client, self.experiment_id, self.search_id, whole, ids)
        except Exception as error:  # the views' format is MLflow's own affair: a change there must not fail a study
            warnings.warn(f"MLflow's prepared view could not be written: {error}", stacklevel=2)
            links = {"runs": f"#/experiments/{self.experiment_id}/runs?workflowType=machine_learning"}
        tags = {
            "harness.view": next(iter(links.values())),
            "mlflow.note.content": entries.study_markdown(record, verdicts, links, checks),
            "harness.finished": process.timestamp(),
            "harness.state": "finished",
            "harness.test": record.test_digest,
            "harness.checks": " ".join(dict.fromkeys(check.code for check in checks)),
        }
        for key, value in tags.items():
            self.client.set_experiment_tag(self.experiment_id, key, value)
        return views.address(self.uri, tags["harness.view"])

    def _arm_id(self, arm: str) -> str:
        return id_of(self.runs[RunKey("arm", arm)])

    def _adopt(self, run: Run, tags: Mapping[str, str]) -> None:
        """Place a finished final below the run of its arm, which may have been made again."""
        parent = tags.get(_PARENT, "")
        if parent and run.data.tags.get(_PARENT) != parent:
            self.client.set_tag(id_of(run), _PARENT, parent)

    def _start(self, key: RunKey, name: str, tags: Mapping[str, str], settings: Mapping[str, object]) -> Run:
        """A run with this key, these tags and params in state RUNNING: an earlier one, or a new one."""
        params = entries.params(settings)
        run = self.runs.get(key)
        if run is not None and run.info.status == "FINISHED":
            self._adopt(run, tags)
            return run
        if run is not None and run.data.params == params:
            for tag in {"state", "mlflow.note.content"} & set(run.data.tags):  # of how it ended before
                self.client.delete_tag(id_of(run), tag)
            log(self.client, id_of(run), tags=process.signature())
            self.client.update_run(id_of(run), status="RUNNING")
            return run
        if run is not None:  # of other settings: out of sight, into MLflow's trash
            self.client.delete_run(id_of(run))
        base = key.arm if key.arm in self.arms else key.arm.rpartition("@")[0]  # of a fold, its arm's colour
        colour = entries.COLOURS[self.arms.index(base) % len(entries.COLOURS)]
        source = {"mlflow.user": _user(), "mlflow.source.name": f"study {self.study}", "mlflow.source.type": "LOCAL"}
        all_tags = {**key.tags, **tags, **source, "mlflow.runColor": colour, **process.signature()}
        experiment_id = self.search_id if key.kind == "trial" else self.experiment_id
        run = self.client.create_run(experiment_id, tags=all_tags, run_name=name)
        log(self.client, id_of(run), params=params)
        self.runs[key] = run
        return run


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
