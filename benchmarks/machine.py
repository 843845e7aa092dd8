"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("voxemu", "aiohttp", "uvloop", "numpy")


def facts() -> dict[str, Any]:
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": processor(),
        "processors": len(os.sched_getaffinity(0)),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: found(name) for name in PACKAGES},
        "load": os.getloadavg()[0],
    }


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def found(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def told(said: dict[str, Any]) -> str:
    packages = ", ".join(f"{name} {number or 'not there'}" for name, number in said["packages"].items())
    return (
        f"{said['date']}, {said['processors']} processors {said['processor']}, {said['system']}, "
        f"Python {said['python']}, {packages}; load average {said['load']:.1f}"
    )


def cores() -> tuple[int | None, int | None]:
    """One for the server, one for the generator; None where there are not two."""
    mine = sorted(os.sched_getaffinity(0))
    return (mine[0], mine[1]) if len(mine) > 1 else (None, None)


def processor_seconds(pid: int) -> float:
    """User and system time of every thread, to the nanosecond."""
    return _scheduled(pid, 0)


def seconds_without_core(pid: int) -> float:
    """For how long its threads could have run, and somebody else had their core."""
    return _scheduled(pid, 1)


def _scheduled(pid: int, column: int) -> float:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[column]) for task in tasks) / 1e9


def resident(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
