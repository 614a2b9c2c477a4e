"""Files and folders that are written whole or not at all, and reports of long work on many of them."""

import contextlib
import functools
import itertools
import os
import shutil
import tempfile
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from harness import process

Report = Callable[[str, int, int], None]
"""Progress of a long piece of work, called with (what is done, done, total)."""
Count = Callable[[int, int], None]
"""Progress of one thing, called with (done, total)."""

UNREADABLE = (OSError, ValueError, EOFError, LookupError, ArithmeticError, NotImplementedError, RuntimeError,
              MemoryError, SyntaxError, TypeError, AttributeError, zipfile.BadZipFile, zlib.error,
              tokenize.TokenError)  # fmt: skip
"""What numpy and the readers of archives raise when they meet files that are damaged."""

_FEW = 16  # files, which are brought to the disk one by one


def count_of(report: Report | None, what: str) -> Count | None:
    """The counter of one thing in a report of several; None without a report.

    Example:
        >>> count = count_of(lambda what, done, total: print(what, done, "of", total), "reading")
        >>> count(3, 4)
        reading 3 of 4
    """
    return (lambda done, total: report(what, done, total)) if report else None


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
            _to_disk(temporary)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def temporary_folder(parent: Path | None = None, name: str = "harness") -> Iterator[Path]:
    """A new folder that is gone at the block's end, unless it was renamed.

    What killed processes of this machine left of such folders in `parent` is removed when a process makes its first
    there. The name is short, as some programs take no long paths: what it begins with, then whose it is.

    Args:
        parent: where it lies; where the system has its temporary files if None.
        name: what its name begins with.

    Raises:
        OSError: it cannot be made.

    Example:
        >>> with temporary_folder() as folder:
        ...     _ = (folder / "note.txt").write_text("for now")
        >>> folder.exists()
        False
    """
    parent = parent or Path(tempfile.gettempdir())
    own = process.signature()
    host = f"{zlib.crc32(own['host'].encode()):08x}"
    _remove_left(parent, host, own["pid"])
    folder = parent / f"{name}.tmp.{host}.{own['pid']}.{own['born']}.{next(_numbers)}"
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


_numbers = itertools.count()


@functools.cache
def _remove_left(parent: Path, host: str, pid: str) -> None:
    """Remove temporary folders of processes of this host that are gone; once for each process, named by `pid`."""
    for left in parent.glob(f"*.tmp.{host}.*.*.*"):
        owner, born, _ = left.name.rsplit(".", 3)[1:]
        if owner.isdecimal() and not process.lives({"pid": owner, "born": born}):
            shutil.rmtree(left, ignore_errors=True)


@contextlib.contextmanager
def temporaries_in(folder: Path) -> Iterator[None]:
    """Have what other libraries write for a moment lie in `folder`, with which it goes even after a kill.

    Example:
        >>> with temporary_folder() as folder, temporaries_in(folder):
        ...     tempfile.gettempdir() == str(folder)
        True
    """
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before


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


def put_in_place(folder: Path, target: Path) -> None:
    """Rename a folder that is complete to `target`, once its content is on the disk.

    So a power failure cannot leave `target` with files that are empty or cut short.

    Raises:
        OSError: `target` is there, or the folder cannot be written.

    Example:
        >>> import tempfile
        >>> root = Path(tempfile.mkdtemp())
        >>> (root / "unfinished").mkdir()
        >>> put_in_place(root / "unfinished", root / "corpus")
        >>> (root / "corpus").is_dir()
        True
    """
    files = [path for path in folder.rglob("*") if path.is_file()]
    if len(files) <= _FEW:
        for file in files:
            _to_disk(file)
    else:
        os.sync()  # a corpus has thousands of files: all at once is faster than one by one
    folder.rename(target)


def _to_disk(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
