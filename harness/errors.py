"""Errors, by whose doing they are: this decides the exit status of the command."""


class UserError(Exception):
    """A mistake that the user can mend. The message says where, what was given, what is allowed, what to do.

    Several mistakes found together are one error with one line each. Exit status 2.
    """


class RunFailed(Exception):
    """A training that could not go on (a loss that is not finite, say). Exit status 1."""


class Diverged(RunFailed):
    """A loss that is not finite: it would be so again, which of a sweep's cell is a result."""


class Interrupted(Exception):
    """Stopped from outside (Ctrl-C, SIGTERM) after the state was written. Exit status 130."""
