"""What a server prints goes out by a thread of its own: no session waits for whoever reads it.

A pipe takes 64 kB; a write beyond that stands still until somebody reads, and a terminal can be held too.
What is printed meanwhile waits here, up to ROOM. The rest is lost, and how much it was is said in its place.
"""

from __future__ import annotations

import contextlib
import select
import threading
from collections.abc import Callable, Iterator
from typing import Any, TextIO

ROOM = 1 << 20
# Characters.
FLUSH = 0.4
# Seconds that the last words have to go when the server stops.


class Printer:
    """Takes text from any thread, in order. ``lost`` spells that so many lines are missing.

    A stream that has gone (``emu serve | head -1``) is silence, as is one that was never there.
    """

    def __init__(self, out: TextIO | None, lost: Callable[[int], str]) -> None:
        # Past Python's own buffer: that has a lock, which the interpreter would wait for as it ends.
        buffer: Any = getattr(out, "buffer", None)
        self._raw = getattr(buffer, "raw", buffer)
        self._encoding = out.encoding if out is not None else "utf-8"
        self._spell_loss = lost
        self._waiting: list[str] = []
        self._size = 0
        # What waits, and what the thread has in hand.
        self._lost = 0
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._print, name="printer", daemon=True)
        # A daemon: nobody waits for ever for a reader that does not read.
        self._thread.start()

    def write(self, text: str) -> None:
        with self._changed:
            if self._closed:
                self._write_late(text)
            elif self._size and self._size + len(text) > ROOM:
                self._lost += text.count("\n")
            else:
                self._tell_loss()
                self._keep(text)
            self._changed.notify()

    def close(self) -> None:
        """What is said from now on is printed at once, or not at all where the thread still stands still."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(FLUSH)

    def _write_late(self, text: str) -> None:
        if not self._thread.is_alive():
            self._put(text)

    def _keep(self, text: str) -> None:
        self._waiting.append(text)
        self._size += len(text)

    def _tell_loss(self) -> None:
        if self._lost:
            self._keep(self._spell_loss(self._lost))
            self._lost = 0

    # --- in the thread ------------------------------------------------------------

    def _print(self) -> None:
        while text := self._taken():
            self._put(text)
            with self._changed:
                self._size -= len(text)

    def _taken(self) -> str:
        """All that waits; "" when nothing is to come any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._lost or self._closed)
            self._tell_loss()
            text = "".join(self._waiting)
            self._waiting.clear()
            return text

    def _put(self, text: str) -> None:
        rest = memoryview(text.encode(self._encoding, "backslashreplace"))
        try:
            while rest and self._raw is not None:
                taken = self._raw.write(rest)
                if taken is None:
                    # Somebody who shares it has it not wait.
                    select.select([], [self._raw], [])
                rest = rest[taken or 0 :]
        except (OSError, ValueError):
            # The reader has gone; whoever pipes us into `head` wants the calls to go on.
            self._raw = None


def missing(count: int) -> str:
    return f"{count} {'line is' if count == 1 else 'lines are'} missing here: nobody read what was said"


@contextlib.contextmanager
def printing(out: TextIO | None, lost: Callable[[int], str]) -> Iterator[Printer]:
    printer = Printer(out, lost)
    try:
        yield printer
    finally:
        printer.close()
