"""Runs a program that does not outlive us: ``python leash.py PARENT PROGRAM [ARGUMENT …]``.

On Linux the kernel kills it (PR_SET_PDEATHSIG) the moment its parent is gone, kill -9 included; the program
takes the place of this one, so there is one process and its exit is its own. Elsewhere this one stays and
watches for its parent. Run as a script, by itself: it imports nothing of voxemu.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys

PR_SET_PDEATHSIG = 1


def main(parent: int, command: list[str]) -> int:
    if not sys.platform.startswith("linux"):
        return _watch(parent, command)
    import ctypes

    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        return _watch(parent, command)
    if os.getppid() != parent:
        return 1  # It was gone before we asked.
    return os.execv(command[0], command)


def _watch(parent: int, command: list[str]) -> int:
    child = subprocess.Popen(command, close_fds=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, _: child.send_signal(got))
    while True:
        try:
            return child.wait(0.5)
        except subprocess.TimeoutExpired:
            if os.getppid() != parent:
                child.kill()


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
