"""The machine that a load is made on."""

from __future__ import annotations

import contextlib
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from voxemu import __version__
from voxemu.errors import UsageError

SPARE = 64
# Files that a process has open beside its sessions' sockets.


def cores() -> int:
    """That this program may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def facts() -> dict[str, Any]:
    return {
        "system": platform.platform(),
        "processor": _model(),
        "cores": cores(),
        "load_average": load_average(),
        "python": platform.python_version(),
        "voxemu": __version__,
        "aiohttp": version("aiohttp"),
    }


def load_average() -> float | None:
    """Of the last minute: how many programs wanted a core at once."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def _model() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def memory() -> int | None:
    """Bytes that this process has now; None where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf(
            "SC_PAGE_SIZE"
        )
    except OSError:
        return None


def make_room(sockets: int) -> None:
    """Lets this process and its children open so many. Raises UsageError where the system forbids it."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = sockets + SPARE
    if hard != resource.RLIM_INFINITY and wanted > hard:
        raise UsageError(
            f"{sockets} sessions in one process want {wanted} open files, and {hard} are allowed: "
            "raise `ulimit -Hn`, or take more --processes"
        )
    if soft != resource.RLIM_INFINITY and wanted > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
