"""Being told to stop by signals: each has an act of its own, and one more than there are ends the process.

By Python's own handlers, not by the loop's: those are run by the loop, which stands still while a pipe that
nobody reads or a slow disk takes what it writes. Python's are run even then, so the last resort works.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

NUMBERS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stopped_by_signals(*acts: Callable[[], object], code: int | None = None) -> Iterator[None]:
    """The first signal is answered by the first of ``acts``, in the loop that runs here, and so on; after the
    last the process ends where it stands, with ``code``, or 128 and the signal's number.

    Outside the main thread signals are not ours, and stay as they are.
    """
    loop = asyncio.get_running_loop()
    asked = 0

    def told(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        asked += 1
        if asked > len(acts):
            # What is recorded so far is on the disk and playable; `emu recover` finishes it.
            os._exit(128 + number if code is None else code)
        loop.call_soon_threadsafe(acts[asked - 1])

    before = {}
    with suppress(ValueError):
        for number in NUMBERS:
            before[number] = signal.signal(number, told)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
