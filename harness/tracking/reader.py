"""Studies as they lie in an MLflow store: listed, and read back whole; and single finals, each a study of its own."""

import contextlib
import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Experiment, Run, ViewType

from harness import checksums
from harness.errors import UserError
from harness.files import temporary_folder
from harness.results import ArmRecord, Looks, RunResult, SearchRecord, StudyRecord, Trial
from harness.tracking import refusals, views
from harness.tracking.run_ids import id_of, kind_of, names_of, of_ids

SCORED = "harness.scored"
"""The tag of a study that names the splits on which `harness predict` scored its models, by their digests."""


@dataclass(frozen=True)
class StudySummary:
    """One line of `harness list`."""

    study: str
    question: str
    arms: tuple[str, ...]
    state: str
    """finished, or unfinished: running now or stopped."""
    when: str
    """ISO time at which it was finished, or begun."""


@dataclass(frozen=True)
class Progress:
    """How far a study is, by its runs."""

    done: Mapping[str, tuple[int, int]]
    """Arm -> finished trials and finals."""
    trials: int
    """Of each arm."""
    seeds: int
    """Finals of each arm."""
    running: tuple[Mapping[str, str], ...]
    """The tags of runs that are in progress, or were when their process was killed."""
    failures: tuple[str, ...]
    """What the trainings that could not go on left as their reason, of finals only."""
    command: str
    """What continues it."""

    @property
    def share(self) -> float:
        """Of all runs, in [0, 1]."""
        total = len(self.done) * (self.trials + self.seeds)
        return sum(t + f for t, f in self.done.values()) / total if total else 0.0


class Reader:
    """The reading side of a store: what there is, and what it holds."""

    def __init__(self, client: MlflowClient, uri: str) -> None:
        self.client = client
        self.uri = uri

    def studies(self) -> list[StudySummary]:
        """Every study that is not archived, newest first."""
        lines = [
            StudySummary(
                experiment.name,
                experiment.tags.get("harness.question", ""),
                tuple(json.loads(experiment.tags.get("harness.arms", "[]"))),
                experiment.tags["harness.state"],
                experiment.tags.get("harness.finished", experiment.tags.get("harness.started", "")),
            )
            for experiment in self._current_studies()
        ]
        return sorted(lines, key=lambda line: line.when, reverse=True)

    def progress(self, study: str) -> Progress:
        """How far a study is.

        Raises:
            UserError: there is no such study.
        """
        experiment = self._find(study)
        return self._progress(experiment, self.runs([experiment.experiment_id]))

    def load_study(self, study: str) -> StudyRecord:
        """A finished study, which may be an archived one.

        Raises:
            UserError: there is no such study, or it is not finished; says what there is.
        """
        experiment = self._find(study)
        runs = self.runs([experiment.experiment_id])
        if "harness.finished" not in experiment.tags:
            raise UserError(_not_finished(study, self._progress(experiment, runs)))
        arms = {run.data.tags["arm"]: run for run in runs if kind_of(run) == "arm"}
        finals = {(run.data.tags["arm"], int(run.data.tags["seed"])): run for run in runs if kind_of(run) == "final"}
        now = json.loads(experiment.tags["harness.arms"])  # there may be runs of arms that were left out since
        fields = self.read_json(next(arms[arm] for arm in now if arm in arms), "study.json")
        known = fields.pop("looks", {})
        looks = replace(Looks(), **known | {"late": tuple(known.get("late", ()))})
        records = []
        for arm in fields.pop("arms"):
            search = self.read_json(arms[arm], "search.json")
            results = [self._result(finals[arm, seed]) for seed in search["seeds"]]
            records.append(_arm_record(search, results))
        record = StudyRecord(arms=tuple(records), **fields | {"notes": tuple(fields["notes"]), "looks": looks})
        return replace(record, other_readers=self.readers(record.test_digest, but=study))

    def readers(self, test: str, but: str = "") -> tuple[str, ...]:
        """The studies that were scored on a test split, by `harness predict` too.

        Archived ones are among them, and those in MLflow's trash.

        Args:
            test: its digest, as in `StudyRecord.test_digest`.
            but: a study that is not counted.
        """
        found: list[Experiment] = []
        token = None
        while True:
            page = self.client.search_experiments(ViewType.ALL, max_results=1000, page_token=token)
            found += page
            token = page.token
            if not token:
                break
        names = []
        for experiment in found if test else ():
            if experiment.name == but:
                continue
            if experiment.tags.get("harness.test") == test:
                names.append(experiment.name)
            elif test in experiment.tags.get(SCORED, "").split():
                names.append(f"{experiment.name} (by `harness predict`)")
        return tuple(sorted(names))

    def load_runs(self, ids: Sequence[str]) -> list[StudyRecord]:
        """Finished finals, a record with one arm and one final each; record and arm have the run's name.

        Args:
            ids: run ids, or what they begin with.

        Raises:
            UserError: an id is unknown, ambiguous, there twice or none of a finished final; all mistakes at once.
        """
        studies = {experiment.experiment_id: experiment for experiment in self.experiments()}
        runs = self.runs(list(studies)) if studies else []
        finals = of_ids(ids, runs, studies, self.uri)
        arms = {id_of(run): run for run in runs if kind_of(run) == "arm"}
        records = []
        for run, name in zip(finals, names_of(finals, studies), strict=True):
            refusals.refuse_without_server(studies[run.info.experiment_id], self.uri)
            records.append(self._run_record(run, arms.get(run.data.tags.get("mlflow.parentRunId", "")), name))
        return records

    def finals(self, study: str, arm: str) -> dict[int, str]:
        """The finished finals of an arm, in the order of the comparison's seeds: seed -> run id.

        Raises:
            UserError: there is no such study or arm, or no final of the arm is finished.
        """
        experiment = self._find(study)
        arms = json.loads(experiment.tags.get("harness.arms", "[]"))
        n_folds = int(experiment.tags.get("harness.folds", "0"))
        arms = [f"{name}@fold={fold}" for name in arms for fold in range(1, n_folds + 1)] if n_folds else arms
        if arm not in arms:
            why = " It was cross-validated: give the model of one fold." if n_folds else ""
            raise UserError(
                f"--arm {arm}: no such arm in study {study}.{why}{_nearest(arm, arms)} There are: {', '.join(arms)}"
            )
        runs = self.runs([experiment.experiment_id])
        ids = {
            int(run.data.tags["seed"]): id_of(run)
            for run in runs
            if kind_of(run) == "final" and run.data.tags["arm"] == arm and run.info.status == "FINISHED"
        }
        if not ids:
            raise UserError(self._progress(experiment, runs))
        seeds = json.loads(experiment.tags["harness.seeds"])  # a fold has seeds of its own
        return {seed: ids[seed] for seed in sorted(ids, key=lambda s: seeds.index(s) if s in seeds else len(seeds))}

    def trained(self, run_id: str) -> tuple[str, str, bool]:
        """A finished trial or final: its whole id, its name with its study's, and whether it is a final.

        Args:
            run_id: the id, or what it begins with.

        Raises:
            UserError: it is unknown, ambiguous, an arm, or not finished.
        """
        studies = {experiment.experiment_id: experiment for experiment in self.experiments()}
        runs = self.runs(list(studies)) if studies else []
        (run,) = of_ids([run_id], runs, studies, self.uri, "", ("final", "trial"))
        return id_of(run), f"{studies[run.info.experiment_id].name}: {run.info.run_name}", kind_of(run) == "final"

    def fetch(self, run_id: str, folder: Path, names: Sequence[str] = ("result", "model")) -> Path:
        """The folder, into which a final's artifacts `result/` and `model/` were brought.

        Args:
            names: of the artifacts; a trial has no model.

        Raises:
            UserError: they are not there.
        """
        for name in names:
            with refusals.explaining_damage(run_id, name, self.uri):
                self.client.download_artifacts(run_id, name, str(folder))
        return folder

    def view(self, study: str) -> str:
        """The link to a finished study's prepared view; "" if there is none."""
        experiment = self.client.get_experiment_by_name(study)
        place = experiment.tags.get("harness.view", "") if experiment else ""
        return views.address(self.uri, place) if place else ""

    def experiments(self) -> list[Experiment]:
        """Every experiment that harness made, those of archived studies too."""
        experiments: list[Experiment] = []
        token = None
        while True:
            page = self.client.search_experiments(max_results=1000, page_token=token)
            experiments += [experiment for experiment in page if "harness.part" in experiment.tags]
            token = page.token
            if not token:
                return experiments

    def runs(self, experiment_ids: Sequence[str], query: str = "") -> list[Run]:
        """Every run in these experiments that answers a query of MLflow's, newest first."""
        runs: list[Run] = []
        token = None
        while True:
            page = self.client.search_runs(list(experiment_ids), query, max_results=1000, page_token=token)
            runs += page
            token = page.token
            if not token:
                return runs

    def read_json(self, run: Run, path: str) -> dict[str, Any]:
        """The object in a JSON artifact of a run.

        Raises:
            MlflowException: there is no such artifact.
        """
        with self._artifact(run, path) as file, refusals.explaining_damage(id_of(run), "", self.uri):
            return checksums.unseal(file)

    @contextlib.contextmanager
    def _artifact(self, run: Run, path: str) -> Iterator[Path]:
        """Where an artifact of a run lies within the block."""
        with temporary_folder() as folder:
            yield Path(self.client.download_artifacts(id_of(run), path, str(folder)))

    def _result(self, final: Run) -> RunResult:
        with refusals.explaining_damage(id_of(final), "result", self.uri), self._artifact(final, "result") as folder:
            return RunResult.load(folder)

    def _current_studies(self) -> list[Experiment]:
        """The experiments of the studies that are not archived."""
        return [
            experiment
            for experiment in self.experiments()
            if experiment.tags["harness.part"] == "study" and experiment.tags["harness.state"] != "archived"
        ]

    def _find(self, study: str) -> Experiment:
        """The experiment of a study, which may be an archived one."""
        studies = {experiment.name: experiment for experiment in self._current_studies()}
        archived = self.client.get_experiment_by_name(study)
        if archived is not None and archived.tags.get("harness.state") == "archived":
            studies[study] = archived
        if not studies:
            raise UserError(f"--study {study}: {self.uri} holds no study yet; `harness run FILE` makes one")
        if study not in studies:
            names = ", ".join(sorted(studies))
            raise UserError(
                f"--study {study}: no such study in {self.uri}.{_nearest(study, list(studies))} There are: {names}"
            )
        refusals.refuse_without_server(studies[study], self.uri)
        return studies[study]

    def _progress(self, experiment: Experiment, runs: Sequence[Run]) -> Progress:
        tags = experiment.tags
        search = self.client.get_experiment_by_name(f"{experiment.name}/search")
        trials = self.runs([search.experiment_id]) if search is not None else []
        n_folds = int(tags.get("harness.folds", "1"))
        done = [
            (run.data.tags.get("arm", "").partition("@fold=")[0], kind_of(run))
            for run in [*runs, *trials]
            if run.info.status == "FINISHED"
        ]
        failed = [run for run in runs if run.info.status == "FAILED" and kind_of(run) == "final"]
        return Progress(
            done={
                arm: (done.count((arm, "trial")), done.count((arm, "final")))
                for arm in json.loads(tags["harness.arms"])
            },
            trials=n_folds * int(tags["harness.trials"]),
            seeds=n_folds * len(json.loads(tags["harness.seeds"])),
            running=tuple(run.data.tags for run in [*runs, *trials] if run.info.status == "RUNNING"),
            failures=tuple(f"{run.info.run_name}: {_why(run)}" for run in failed),
            command=tags["harness.command"],
        )

    def _run_record(self, run: Run, arm: Run | None, name: str) -> StudyRecord:
        """A final as a study of one arm. What its own study says of it is there once that study or the arm is done."""
        result = self._result(run)
        files = {file.path for file in self.client.list_artifacts(id_of(arm))} if arm else set()
        study, search = (
            self.read_json(arm, file) if arm and file in files else {} for file in ("study.json", "search.json")
        )
        unknown = () if search else (f"The cost of tuning {result.arm} is not known: the arm is not finished.",)
        fields: dict[str, Any] = {"unit": "speaker", "level": 0.95, "corpus": _corpus(result), "experiment": ""}
        fields |= {key: study[key] for key in (*fields, "margin", "random_trials") if key in study}
        of_arm = {"arm": name, "architecture": result.architecture, "chosen": {}, "failure": ""}
        return StudyRecord(
            study=name,
            question="",
            baseline=None,
            arms=[_arm_record({**search, **of_arm}, [replace(result, arm=name)])],
            notes=(*study.get("notes", ()), *unknown),
            provenance={"run": id_of(run)} | result.provenance,
            **fields,
        )


def _why(failed: Run) -> str:
    return str(failed.data.tags.get("mlflow.note.content", "it could not go on"))


def _not_finished(study: str, progress: Progress) -> str:
    """How far an unfinished study is, and what continues it."""
    lines = [
        f"  {arm}: {trials} of {progress.trials} trials, {finals} of {progress.seeds} seeds"
        for arm, (trials, finals) in progress.done.items()
    ]
    head = f"--study {study}: not finished. So far:"
    return "\n".join([head, *lines, "To go on with it:", f"  {progress.command}"])


def _nearest(name: str, names: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f' Did you mean "{near[0]}"?' if near else ""


def _arm_record(search: Mapping[str, Any], finals: Sequence[RunResult]) -> ArmRecord:
    """An arm from what stands in `search.json`, where trials and importances may be missing, and its finals."""
    return ArmRecord(
        arm=search["arm"],
        architecture=search["architecture"],
        chosen=search["chosen"],
        finals=tuple(finals),
        trials=_trials(search.get("trials", ())),
        importances=search.get("importances", {}),
        failure=search.get("failure", ""),
        searches=tuple(
            SearchRecord(own["seed"], own["chosen"], _trials(own["trials"])) for own in search.get("searches", ())
        ),
        ranges=search.get("ranges", {}),
    )


def _trials(rows: Sequence[Mapping[str, Any]]) -> tuple[Trial, ...]:
    return tuple(Trial(**{**row, "curve": tuple(row["curve"])}) for row in rows)


def _corpus(result: RunResult) -> dict[str, Any]:
    """What a final alone says of its corpus."""
    assert result.test is not None
    test = {"utterances": len(result.test.utterances), "speakers": len(set(result.test.speakers))}
    return {
        "name": result.settings.get("data.corpus"),
        "digest": result.provenance.get("corpus"),
        "splits": {"test": test | {"frames": int(result.test.lengths.sum())}},
    }
