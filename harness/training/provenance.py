"""Where a result comes from: hardware, versions, commit."""

import functools
import importlib.metadata
import platform
import subprocess  # nosec B404 - for git, see below
from datetime import datetime
from pathlib import Path
from typing import Any

_PACKAGES = ("torch", "numpy", "scikit-learn", "scipy", "pandas", "mlflow", "optuna", "rich", "pydantic", "plotly")


def of_machine(device: str, precision: str) -> dict[str, Any]:
    """Facts that every run of this process on a device shares: "cpu", "cuda" or "cuda:1", say."""
    import torch

    return {
        "device": torch.cuda.get_device_name(device) if device.startswith("cuda") else _processor(),
        "precision": precision,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "host": platform.node(),
        "python": platform.python_version(),
        "versions": versions(),
        "started": datetime.now().astimezone().isoformat(timespec="seconds"),
    }


def of_code(folder: Path) -> dict[str, Any]:
    """commit and whether the tree was dirty; commit "none" where there is no git or no commit."""
    commit = _git(folder, "rev-parse", "HEAD")
    return {"commit": commit or "none", "dirty": bool(_git(folder, "status", "--porcelain")) if commit else False}


@functools.cache
def versions() -> dict[str, str]:
    """Of the packages that a result may depend on."""
    installed = {}
    for package in _PACKAGES:
        try:
            installed[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return installed


def _git(folder: Path, *arguments: str) -> str:
    try:
        command = ["git", "-C", str(folder), *arguments]  # nosec B607 - the git of the user's path
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)  # nosec B603 - words of ours
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


@functools.cache
def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
