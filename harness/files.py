"""Files that are written whole or not at all, and how long work on many of them is reported."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

Report = Callable[[str, int, int], None]
"""Progress of a long piece of work, called with (what is done, done, total)."""


@contextlib.contextmanager
def replacing(path: Path, *, sync: bool = True) -> Iterator[Path]:
    """A temporary path beside `path`, to be written in the block; it becomes `path` at the block's end.

    A reader of `path` sees the content before or the content after, never a part of it. If the block raises, `path`
    stays as it was and the temporary file is removed.

    Args:
        sync: whether the content is on the disk before the rename, so that a power failure cannot leave an empty file.

    Raises:
        OSError: it cannot be written.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "facts.json"
        >>> with replacing(file) as temporary:
        ...     _ = temporary.write_text("{}")
        >>> file.read_text()
        '{}'
    """
    temporary = path.with_name(f".{path.name}.unfinished")
    try:
        yield temporary
        if sync:
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Text in UTF-8, whole or not at all.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "note.txt"
        >>> write_text(file, "whole")
        >>> file.read_text()
        'whole'
    """
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
