"""Errors, by whose doing they are: this decides the exit status of the command."""

from pathlib import Path


class UserError(Exception):
    """A mistake that the user can mend. The message says where, what was given, what is allowed, what to do.

    Several mistakes found together are one error with one line each. Exit status 2.
    """


class Damaged(UserError):
    """A file that is not what the harness wrote: cut short, changed, or a part of it missing. Says which and why."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path}: is damaged ({why})")
        self.path = path
        self.why = why


class RunFailed(Exception):
    """A training that could not go on (a loss that is not finite, say). Exit status 1."""


class Diverged(RunFailed):
    """A loss that is not finite: it would be so again, which of a sweep's cell is a result."""


class Interrupted(Exception):
    """Stopped from outside (Ctrl-C, SIGTERM) after the state was written. Exit status 130."""
