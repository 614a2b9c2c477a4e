"""Runs by their ids in MLflow, or by what those begin with; ids that name none are refused with what there is."""

from collections.abc import Mapping, Sequence

from mlflow.entities import Experiment, Run

from harness.errors import UserError

_SHORTEST = 4
_N_NAMED = 5


def id_of(run: Run) -> str:
    """The id of a run, which MLflow gives without a type."""
    name: str = run.info.run_id
    return name


def kind_of(run: Run) -> str:
    """arm, final or trial; "" of a run that harness did not make."""
    return run.data.tags.get("kind", "")


def of_ids(
    ids: Sequence[str],
    runs: Sequence[Run],
    studies: Mapping[str, Experiment],
    uri: str,
    option: str = "--run ",
    kinds: Sequence[str] = ("final",),
) -> list[Run]:
    """The finished runs of these kinds that the ids name, in their order. Raises UserError as `Reader.load_runs`."""
    finals: list[Run] = []
    mistakes = []
    for prefix in ids:
        matches = [run for run in runs if id_of(run).startswith(prefix.lower())]
        wrong = _mistake(prefix, matches, studies, uri, kinds)
        if wrong:
            mistakes.append(f"{option}{prefix}: {wrong}")
        elif matches[0] in finals:
            mistakes.append(f"{option}{prefix}: is a run that was given twice")
        else:
            finals.append(matches[0])
    if mistakes:
        are_all_unknown = not any(id_of(run).startswith(prefix.lower()) for prefix in ids for run in runs)
        raise UserError("\n".join([*mistakes, *([_newest_finals(runs, studies)] if are_all_unknown else [])]))
    return finals


def _mistake(
    prefix: str, matches: Sequence[Run], studies: Mapping[str, Experiment], uri: str, kinds: Sequence[str]
) -> str:
    """What is wrong with an id whose runs these are; "" if it names one finished run of these kinds."""
    if len(prefix) < _SHORTEST:
        return f"an id has 32 characters; give at least the first {_SHORTEST}"
    if not matches:
        return f"no such run in {uri}"
    if len(matches) > 1:
        return "several runs begin so:" + "".join(f"\n  {_line(run, studies)}" for run in matches[:_N_NAMED])
    (run,) = matches
    if kind_of(run) == "arm":
        study = studies[run.info.experiment_id].name
        return (
            f"is an arm, not a run of one seed; its finals lie below it in MLflow, or: harness report --study {study}"
        )
    if kind_of(run) == "trial" and "trial" not in kinds:
        return "is a trial of a search; trials are not scored on test"
    if run.info.status != "FINISHED":
        return f"is not finished ({run.info.status})"
    return ""


def _newest_finals(runs: Sequence[Run], studies: Mapping[str, Experiment]) -> str:
    finals = [f"  {_line(run, studies)}" for run in runs if kind_of(run) == "final"]
    if not finals:
        return "There is no final run yet; `harness run FILE` makes them"
    more = [f"  and {len(finals) - _N_NAMED} more"] if len(finals) > _N_NAMED else []
    return "\n".join(["The newest finals:", *finals[:_N_NAMED], *more])


def _line(run: Run, studies: Mapping[str, Experiment]) -> str:
    return f"{id_of(run)}  {studies[run.info.experiment_id].name}: {run.info.run_name}"


def names_of(finals: Sequence[Run], studies: Mapping[str, Experiment]) -> list[str]:
    """ARM seed N; with the study in front, and at last the id behind, where that is needed to tell them apart."""
    own = [f"{run.data.tags['arm']} seed {run.data.tags['seed']}" for run in finals]
    with_study = [f"{studies[run.info.experiment_id].name}/{name}" for run, name in zip(finals, own, strict=True)]
    with_id = [f"{name} ({id_of(run)[:8]})" for run, name in zip(finals, with_study, strict=True)]
    return next((names for names in (own, with_study) if len(set(names)) == len(names)), with_id)
