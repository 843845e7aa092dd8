"""File descriptors: how many this process may have, and how many connections and sessions they carry."""

from __future__ import annotations

import contextlib
import os
from typing import Any

OWN = 128
# For what is open beside connections: the log, the loop, listening sockets, files that are read for a moment.
A_RECORDING = 4
# Files that one recording holds open, generously.


def fill_standard_files() -> None:
    """Opens /dev/null for those of the first three that whoever started us has closed (`>&-`): else a socket
    would be given such a number, and what is printed would go into a call."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The lowest that is free, so this one.
            os.open(os.devnull, os.O_RDWR)


def raise_soft_limit() -> None:
    """To the hard one: the soft one is for programs that use select(), and this is none."""
    try:
        import resource
    except ImportError:
        return  # Windows has no such limit.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # macOS answers "unlimited" and takes less.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def available() -> int | None:
    """None where there is no limit."""
    try:
        import resource
    except ImportError:
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def carried(limits: Any, descriptors: int | None, *, recording: bool) -> dict[str, int]:
    """Those of ``connections`` and ``sessions`` that are too high for so many descriptors, as they can be."""
    if descriptors is None:
        return {}
    extra = A_RECORDING if recording else 0
    room = max(2, descriptors - OWN)
    if limits.connections + extra * limits.sessions <= room:
        return {}
    # Half of the connections may be sessions, so that there is room to ask while they talk.
    sessions = min(limits.sessions, max(1, room // (2 + extra)))
    connections = min(limits.connections, max(1, room - extra * sessions))
    found = {"connections": connections, "sessions": sessions}
    return {name: value for name, value in found.items() if value < getattr(limits, name)}
