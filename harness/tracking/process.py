"""Who wrote a record, and does that process still live? A killed process cannot say that it ended."""

import os
import socket
from collections.abc import Mapping
from pathlib import Path


def signature() -> dict[str, str]:
    """This process, as tags of what it writes."""
    return {"host": host(), "pid": str(os.getpid()), "born": _born(os.getpid())}


def host() -> str:
    return socket.gethostname().replace("'", "")


def lives(signed: Mapping[str, str]) -> bool:
    """Whether the process of this host that left a signature lives. In doubt it does."""
    pid = int(signed.get("pid", "0"))
    if pid <= 0:
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # somebody else's
    return not Path("/proc/self/stat").exists() or _born(pid) == signed.get("born")


def _born(pid: int) -> str:
    """When a process started, so that a number used again is not taken for it; "" if it is gone or unknown."""
    try:
        state, *rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if state == "Z" else rest[18]
