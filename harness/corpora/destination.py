"""The place of a corpus that is to be made: a new folder, room for it, and one process that makes it."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from harness.errors import UserError


@contextlib.contextmanager
def reserve(folder: Path) -> Iterator[None]:
    """Keep a folder that is to appear from other processes.

    Raises:
        UserError: it is there, cannot be made, or is being made by another process.
    """
    check_absent(folder)
    lock = folder.with_name(f".{folder.name}.lock")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(lock, timeout=0):
            try:
                yield
            finally:
                lock.unlink(missing_ok=True)
    except Timeout:
        raise UserError(f"{folder}: another process is creating it; wait for that process, or stop it") from None
    except (PermissionError, FileExistsError, FileNotFoundError, NotADirectoryError) as error:
        raise UserError(f"{error.filename or folder}: {error.strerror}; choose another --out") from None


def check_absent(folder: Path) -> None:
    """Refuse a folder that is there.

    Raises:
        UserError: it is there.
    """
    if folder.exists() or folder.is_symlink():
        raise UserError(f"{folder}: already exists; choose another --out, or remove it to make it again")


def check_room(folder: Path, n_bytes: int, for_what: str) -> None:
    """Refuse a folder on a disk that is too full.

    Args:
        n_bytes: that are needed.

    Raises:
        UserError: the disk has less free.
    """
    parent = next(above for above in (folder.absolute(), *folder.absolute().parents) if above.exists())
    free = shutil.disk_usage(parent).free
    if free < n_bytes:
        raise UserError(
            f"{folder}: {for_what} needs {size(n_bytes)} of disk, {size(free)} are free there; "
            "free some space, or choose another --out"
        )


def n_bytes(folder: Path) -> int:
    """Bytes of all files in a folder; 0 if there is no such folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def size(n_bytes: int) -> str:
    """Bytes in words, 4812345678 as 4.8 GB."""
    unit, name = next((pair for pair in ((1e9, "GB"), (1e6, "MB")) if n_bytes >= pair[0]), (1e3, "kB"))
    return f"{n_bytes / unit:,.1f} {name}"
