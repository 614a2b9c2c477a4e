"""What the code of an architecture prints while it is used: kept apart from what a command says."""

import contextlib
import io
import sys
from collections.abc import Iterator

_MOST = 1_000  # characters
_LINES = 5


class _Kept(io.TextIOBase):
    """The beginning of what is written."""

    def __init__(self) -> None:
        self.text = ""
        self.is_cut = False

    def write(self, text: str) -> int:
        self.is_cut |= len(self.text) + len(text) > _MOST
        self.text = (self.text + text)[:_MOST]
        return len(text)

    def said(self, whose: str) -> str:
        """As it is shown, or "" if nothing was printed.

        Args:
            whose: of which arm.
        """
        lines = self.text.rstrip().splitlines()
        if not lines:
            return ""
        shown = [*lines[:_LINES], *(["..."] if self.is_cut or len(lines) > _LINES else [])]
        return "\n".join([f"{whose}: its code printed, which is shown once:", *(f"  {line}" for line in shown)])


@contextlib.contextmanager
def kept() -> Iterator[_Kept]:
    """Keep what is printed within the block instead of showing it.

    Example:
        >>> with kept() as printed:
        ...     print("(2, 42)")
        >>> printed.said("ladnn")
        'ladnn: its code printed, which is shown once:\\n  (2, 42)'
    """
    printed = _Kept()
    with contextlib.redirect_stdout(printed):
        yield printed


@contextlib.contextmanager
def shown_after(whose: str) -> Iterator[None]:
    """Keep what is printed within the block, and show its beginning on standard error once the block has ended."""
    with kept() as printed:
        yield
    if said := printed.said(whose):
        print(said, file=sys.stderr)
