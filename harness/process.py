"""The process that writes a record, and whether it still lives: one that was killed cannot say that it ended."""

import os
import socket
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path


def signature() -> dict[str, str]:
    """This process, as tags of what it writes."""
    return {"host": host(), "pid": str(os.getpid()), "born": _start_time(os.getpid())}


def host() -> str:
    """The name of this machine, without what would end a string in MLflow's queries."""
    return socket.gethostname().replace("'", "")


def lives(tags: Mapping[str, str]) -> bool:
    """Whether the process of this host lives whose signature stands in the tags. In doubt it does."""
    pid = int(tags.get("pid", "0"))
    if pid <= 0:
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # somebody else's
    return not Path("/proc/self/stat").exists() or _start_time(pid) == tags.get("born")


def timestamp() -> str:
    """The present time with its zone, ISO 8601 to the second."""
    return datetime.now().astimezone().isoformat(timespec="seconds")


def _start_time(pid: int) -> str:
    """When a process started, so that a number used again is not taken for it; "" if it is gone or unknown."""
    try:
        state, *rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if state == "Z" else rest[18]
