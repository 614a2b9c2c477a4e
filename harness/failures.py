"""Failures of disks, folders, databases, servers and memory: a sentence with the way out."""

import errno

_AGAIN = "then give the same command again; it goes on where it stopped"
_WAYS_OUT = {
    errno.ENOSPC: f"the disk is full; free some space, {_AGAIN}",
    errno.EDQUOT: f"your quota of this disk is used up; free some space, {_AGAIN}",
    errno.EROFS: f"the disk is read-only; make it writable or work in another folder, {_AGAIN}",
    errno.EACCES: f"permission is denied; make it accessible or work in another folder, {_AGAIN}",
    errno.EPERM: f"this is not permitted; make it accessible or work in another folder, {_AGAIN}",
    errno.EMFILE: f"too many files are open; raise the limit (ulimit -n 4096), {_AGAIN}",
    errno.ENOMEM: f"no memory is left; close other programs, {_AGAIN}",
    errno.EIO: f"the disk reports an error; check it, {_AGAIN}",
}


def of_medium(error: BaseException) -> str | None:
    """The sentence for a failure of a disk, a database, a server or of memory; None of everything else.

    MLflow, SQLAlchemy, SQLite and torch hide the first cause behind errors of their own: the whole chain is looked at.

    Example:
        >>> of_medium(OSError(errno.ENOSPC, "No space left on device", "reports/ladnn"))[:34]
        'reports/ladnn: the disk is full; f'
        >>> of_medium(ZeroDivisionError()) is None
        True
    """
    chain: list[BaseException] = []
    while error not in chain:
        chain.append(error)
        error = error.__cause__ or error.__context__ or error
    for link in reversed(chain):
        if sentence := _sentence(link):
            return sentence
    return None


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device, or torch on a CPU, had no memory for a tensor.

    Example:
        >>> is_out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes."))
        True
    """
    return type(error).__name__ == "OutOfMemoryError" or "DefaultCPUAllocator: can't allocate memory" in str(error)


def _sentence(error: BaseException) -> str | None:
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    if isinstance(error, OSError) and error.errno in _WAYS_OUT:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{_WAYS_OUT[error.errno]}"
    if isinstance(error, OSError) and "requested and" in text:  # numpy, of an array; it does not say why
        return f"not all of an array could be written ({text}): is the disk full? free some space, {_AGAIN}"
    if isinstance(error, UnicodeEncodeError) and error.encoding == "ascii":
        character = ascii(error.object[error.start])
        return f"this locale has no character {character}: set LC_ALL=C.UTF-8 (or PYTHONUTF8=1), {_AGAIN}"
    if isinstance(error, MemoryError) or is_out_of_memory(error):
        return f"out of memory ({text}); use a smaller batch_size, or close other programs, {_AGAIN}"
    module = type(error).__module__.partition(".")[0]
    if module in ("sqlite3", "sqlalchemy"):
        return f"MLflow's database or Optuna's journal: {text}; {_way_out(text)}, {_AGAIN}"
    if module in ("requests", "urllib3") or type(error).__name__ == "MlflowException":
        return f"MLflow's server or store does not answer as it should: {text}; see that it runs, {_AGAIN}"
    return None


def _way_out(text: str) -> str:
    if "locked" in text:
        return "another program keeps it locked; close that program"
    if "full" in text:
        return "the disk is full; free some space"
    return "see that it is whole and writable"
