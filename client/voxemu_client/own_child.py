"""A call in a process of its own, for a library that takes down the process it runs in.

LiveKit's SDK does: over what it cannot read its native part aborts, and no exception tells of it; and when a
thread of it calls into an interpreter that ends, that is an abort too. So a call in a room is held in a child
that ends without ado, and this process stays to say what happened and to finish what was recorded.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from voxemu.record.folder import MANIFEST
from voxemu.record.recovery import recover
from voxemu_client.summary import UNREACHABLE


def hold_in_a_child(hold: Callable[[], int], provider: str, record: str | None, *, as_json: bool) -> int:
    """Both processes end with what ``hold`` answers, which is an exit code; an exception of it is raised in
    the child. Where there is no way to have one the call is held here, and the answer returned.
    """
    if not hasattr(os, "fork"):
        return hold()
    root = None if record is None else Path(record) / provider
    before = _recordings(root)
    sys.stdout.flush()
    sys.stderr.flush()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writing)
        # A terminal sends its signals to us; they are handed on, once.
        os.setpgid(0, 0)
        threading.Thread(target=_end_with_our_parent, args=(reading,), daemon=True).start()
        code = hold()
    else:
        os.close(reading)
        code = _outcome(child)
        if code < 0:
            left = sorted(_recordings(root) - before)
            _tell(provider, signal.Signals(-code).name, left, as_json=as_json)
            code = UNREACHABLE
    sys.stdout.flush()
    sys.stderr.flush()
    # Nothing of the call was the parent's, and the child has put away what was.
    os._exit(code)


def _end_with_our_parent(reading: int) -> None:
    """It holds the other end, and writes nothing."""
    os.read(reading, 1)
    os._exit(1)


def _outcome(child: int) -> int:
    """The child's exit code; below 0 the signal that ended it."""

    def hand_on(number: int, frame: FrameType | None) -> None:
        os.kill(child, number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, hand_on)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def _recordings(root: Path | None) -> set[Path]:
    return set() if root is None else {manifest.parent for manifest in root.glob(f"*/{MANIFEST}")}


def _tell(provider: str, name: str, left: list[Path], *, as_json: bool) -> None:
    """What can be said of a call whose process is gone; its recording is finished."""
    reason = f"LiveKit's SDK ended the process of the call ({name}), as it does over what it cannot read"
    for folder in left:
        recover(folder)
    paths = [str(folder) for folder in left]
    if as_json:
        said = {"type": "summary", "exit": UNREACHABLE, "reason": reason, "provider": provider}
        sys.stdout.write(json.dumps({**said, "recordings": paths}, separators=(",", ":")) + "\n")
    else:
        sys.stdout.write("".join(f"  recording  {path} (recovered)\n" for path in paths))
        sys.stderr.write(f"emu client: {reason}\n")
        sys.stderr.flush()
