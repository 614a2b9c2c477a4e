"""Recordings and alignments into the HW1P2 layout: on all cores, goes on where it stopped, whole or not at all.

It grows in `ROOT.unfinished` beside a journal of what is done (a line each, with its files' sizes and times), and is
renamed when whole. Each utterance depends on its own files alone: the number of processes does not change a byte.
"""

import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from threadpoolctl import threadpool_limits

from harness.corpora import destination
from harness.corpora.importing.journal import REFUSED, Journal, finish, outcomes_so_far, prepare
from harness.corpora.importing.plan import Imported, Plan, Recipe, Recording, import_one
from harness.errors import RunFailed, UserError
from harness.files import Count, put_in_place

MOST_LINES = 100
"""Refusals that are printed; all of them stand in refused.txt."""

_AT_ONCE = 16  # recordings handed to a process together


@dataclass(frozen=True)
class Result:
    """The outcome of an import."""

    root: Path
    plan: Plan
    imported: dict[str, Imported]
    """Outcomes by name of the recording."""
    refused: list[str]
    """Refusals of recordings that were left out."""


def run(
    plan: Plan,
    recipe: Recipe,
    root: Path,
    *,
    leave_out: bool = False,
    processes: int | None = None,
    progress: Count | None = None,
) -> Result:
    """Import a plan to `root`.

    Args:
        leave_out: what is refused is left out and listed in `root/refused.txt`, rather than stopping the import.
        processes: as many as there are cores unless given.

    Raises:
        UserError: `root` is there already, or recordings are refused: a line each, all at once.
        RunFailed: a process died.
    """
    growing = root.with_name(root.name + ".unfinished")
    with destination.reserve(root):
        return _run(plan, recipe, root, growing, leave_out, processes or os.cpu_count() or 1, progress)


def _run(
    plan: Plan, recipe: Recipe, root: Path, growing: Path, leave_out: bool, processes: int, progress: Count | None
) -> Result:
    prepare(growing, plan, recipe)
    imported = outcomes_so_far(growing, plan)
    refusals = list(plan.refused)
    to_do = [recording for recording in plan.recordings if recording.name not in imported]
    n_done = len(plan.recordings) - len(to_do)
    with Journal(growing) as journal:
        for recording, outcome in _import_all(to_do, recipe, growing, processes):
            n_done += 1
            if isinstance(outcome, str):
                refusals.append(outcome)
            else:
                imported[recording.name] = outcome
                journal.add(recording, outcome)
            if progress:
                progress(n_done, len(plan.recordings))
    refusals.sort()
    _judge(refusals, len(imported), growing, leave_out)
    finish(growing, plan, recipe, imported)
    put_in_place(growing, root)
    return Result(root, plan, imported, refusals)


def _import_all(
    recordings: Sequence[Recording], recipe: Recipe, growing: Path, at_once: int
) -> Iterator[tuple[Recording, Imported | str]]:
    """Each recording with what became of it, or its refusal, as they come."""
    chunks = [recordings[i : i + _AT_ONCE] for i in range(0, len(recordings), _AT_ONCE)]
    if not chunks:
        return
    one = partial(_import_some, recipe=recipe, growing=growing)
    if at_once == 1:
        for chunk in chunks:
            yield from zip(chunk, one(chunk), strict=True)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(at_once, len(chunks)), context, initializer=_quiet) as pool:
        try:
            jobs = {pool.submit(one, chunk): chunk for chunk in chunks}
            for job in as_completed(jobs):
                yield from zip(jobs.pop(job), job.result(), strict=True)
        except BrokenProcessPool:
            raise RunFailed("a process of the import died (out of memory?); the same command resumes it") from None
        except OSError as error:  # a full disk, say; what cannot be read is a refusal
            raise RunFailed(f"{error}; the same command resumes") from None
        finally:
            pool.shutdown(cancel_futures=True)  # after a failure or Ctrl-C: what was begun is finished, in a second


def _quiet() -> None:
    """Ctrl-C is for the process that started this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _import_some(recordings: Sequence[Recording], recipe: Recipe, growing: Path) -> list[Imported | str]:
    outcomes: list[Imported | str] = []
    with threadpool_limits(1, user_api="blas"):  # small products; with threads of their own they cost more
        for recording in recordings:
            try:
                outcomes.append(import_one(recording, recipe, growing))
            except ValueError as refusal:
                outcomes.append(str(refusal))
    return outcomes


def _judge(refusals: list[str], n_imported: int, growing: Path, leave_out: bool) -> None:
    """Refuse an import, or list in its folder what is left out.

    Raises:
        UserError: something is refused and may not be left out, or nothing is left.
    """
    if not refusals and n_imported:
        (growing / REFUSED).unlink(missing_ok=True)
        return
    (growing / REFUSED).write_text("".join(line + "\n" for line in refusals), encoding="utf-8")
    if leave_out and n_imported:
        return
    more = (
        [f"... and {len(refusals) - MOST_LINES:,} more, in {growing / 'refusals.txt'}"]
        if len(refusals) > MOST_LINES
        else []
    )
    rest = f"the other {n_imported:,} are kept: correct these and run the command again, or leave them out with "
    last = [rest + "--leave-out-refused"] if n_imported else []
    head = f"{len(refusals):,} recordings are refused:" if refusals else "there is nothing to import"
    raise UserError("\n".join([head, *refusals[:MOST_LINES], *more, *last]))
