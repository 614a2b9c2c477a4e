"""The code of the arms' architectures as a part of a study: kept with it, and compared when it goes on."""

import difflib
from collections.abc import Sequence
from pathlib import Path

import architectures
from harness.conductor.workspace import Workspace
from harness.errors import UserError
from harness.experiment.amendment import is_of_any
from harness.experiment.experiment import OF_FOLD, Arm
from harness.files import write_text
from harness.results import StudyRecord

_MOST = 40  # lines of a difference that are shown


def digest_now(architecture: str) -> str:
    """The digest of an architecture's code as this process reads it; "" if there is none to be read."""
    try:
        return architectures.digest(architecture)
    except (OSError, SyntaxError, ValueError):
        return ""


def check(workspace: Workspace, anew: Sequence[str]) -> list[str]:
    """Notes about arms whose code has changed since their runs, which are complete.

    Args:
        anew: arms that are trained anew.

    Raises:
        UserError: the code of an arm that has runs to come was changed; shows how, and names the ways out.
    """
    known, notes, lines = workspace.facts().get("code", {}), [], []
    for arm in workspace.experiment.arms.values():
        if arm.name not in known or is_of_any(arm.name, anew) or known[arm.name] == digest_now(arm.architecture):
            continue
        if workspace.is_complete(arm.name):
            notes.append(f"the code of {arm.name} has changed since its runs, which are complete and stay as they are")
        else:
            lines += [f"arm {arm.name}:", *_difference(arm, workspace.folder / "code" / known[arm.name])]
            lines += [f"train it anew: {workspace.experiment.command} --restart-arm {arm.name}"]
    if lines:
        where = f"{workspace.experiment.path}: study {workspace.experiment.study!r}"
        head = f"{where} was begun with other code, and results of the two are not mixed."
        back = f"or bring the old code back; copies are in {workspace.folder / 'code'}"
        raise UserError("\n".join([head, *lines, back]))
    return notes


def untrained(workspace: Workspace) -> list[str]:
    """The arms of which nothing was trained yet, so that their code can still be corrected."""
    from harness.conductor.search import n_ended  # with it comes optuna, which a report does without

    trained = workspace.with_states() | {name for name, n in n_ended(workspace.journal).items() if n}
    return [arm for arm in workspace.experiment.arms if not any(is_of_any(name, [arm]) for name in trained)]


def keep(workspace: Workspace, anew: Sequence[str]) -> None:
    """Copy the code of arms that are new, or anew, into the study's folder."""
    known = dict(workspace.facts().get("code", {}))
    for arm in workspace.experiment.arms.values():
        if arm.name in known and not is_of_any(arm.name, anew):
            continue
        known[arm.name] = digest_now(arm.architecture)
        folder = workspace.folder / "code" / known[arm.name]
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in architectures.sources(arm.architecture).items():
            write_text(folder / file, text)
    workspace.remember(code=known)


def kept(workspace: Workspace, arm: str) -> dict[str, str]:
    """File name -> text, of the code that an arm, or one of its folds, is trained with."""
    known = workspace.facts()["code"]
    code = known[arm] if arm in known else known[arm.rpartition(OF_FOLD)[0]]
    folder = workspace.folder / "code" / code
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.py"))}


def notes(record: StudyRecord) -> tuple[str, ...]:
    """What a reader must know of a finished study: that the code of an arm is another one here."""
    found = []
    for arm in record.arms:
        codes = {str(final.provenance["code"]) for final in arm.finals if "code" in final.provenance}
        if codes - {digest_now(arm.architecture)}:
            found.append(f"The code of {arm.arm} here is not that of its runs; theirs is kept in MLflow, with the arm.")
    return tuple(found)


def _difference(arm: Arm, folder: Path) -> list[str]:
    """The lines in which an arm's code differs from what it was."""
    try:
        now = architectures.sources(arm.architecture)
    except (OSError, SyntaxError, ValueError) as error:
        return [f"  its code cannot be read: {error}"]
    before = {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.py"))}
    lines = [
        line
        for file in sorted(before.keys() | now.keys())
        for line in difflib.unified_diff(
            before.get(file, "").splitlines(),
            now.get(file, "").splitlines(),
            f"architectures/{file} (then)",
            f"architectures/{file} (now)",
            n=1,
            lineterm="",
        )
    ]
    more = [f"  ... {len(lines) - _MOST} lines more"] if len(lines) > _MOST else []
    return [*(f"  {line}" for line in lines[:_MOST]), *more]
