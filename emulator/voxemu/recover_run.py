"""One run of ``emu recover``: which recordings, what is printed, the exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from voxemu.errors import RecordingError
from voxemu.record.recovery import recordings_below, recover

DONE, NOT_ALL = 0, 2


def run(paths: Sequence[str]) -> int:
    """One that cannot be finished does not keep the others from it."""
    code = DONE
    for path in paths:
        try:
            found = recordings_below(Path(path))
        except RecordingError as error:
            sys.stderr.write(f"emu: {error}\n")
            code = NOT_ALL
            continue
        code = max(code, _recover(found))
    return code


def _recover(recordings: Sequence[Path]) -> int:
    code, finished = DONE, 0
    for path in recordings:
        try:
            done = recover(path)
        except RecordingError as error:
            sys.stderr.write(f"emu: {error}\n")
            code = NOT_ALL
            continue
        if not done:
            finished += 1
            continue
        sys.stdout.write("\n  ".join([f"{path}: recovered", *done]) + "\n")
    if finished:
        sys.stdout.write(f"{finished} finished already, left as {'it is' if finished == 1 else 'they are'}\n")
    return code
