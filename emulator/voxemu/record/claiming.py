"""Who writes a recording holds a lock on its timeline, so that nobody finishes it from beside.

The system lets go of the lock with the process, also of one that was killed. Where there are no such locks
(Windows, some network disks) a recording counts as let go of.
"""

from __future__ import annotations

import sys
from pathlib import Path

if sys.platform != "win32":
    import fcntl


def claim(handle: int) -> bool:
    """Takes the lock on an open file until it is closed; False when somebody else has it."""
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        # A disk without locks.
        return True
    return True


def is_claimed(path: Path) -> bool:
    """Whether somebody is writing this file now."""
    try:
        with path.open("rb") as file:
            return not claim(file.fileno())
    except OSError:
        return False
