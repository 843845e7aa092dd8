"""The way from a spoiler to the line: what is held back stays in order, and a dead line carries nothing."""

from __future__ import annotations

from collections.abc import Iterable

from voxemu.events import Closed, Event, Line, Note
from voxemu.spoiler.queue import NEVER, Queue


class Outlet:
    def __init__(self) -> None:
        self._queue = Queue()
        self._out: list[Event] = []
        self.dead_until: float | None = None
        # Nothing goes in or out; then the line breaks.
        self.over = False
        # The close has gone out.

    @property
    def due(self) -> float:
        """When something that is held back is to go."""
        return self._queue.due

    def send(self, events: Iterable[Event], at: float, now: float) -> None:
        """At ``at``, behind whatever is held back."""
        for event in events:
            if self.dead_until is None or isinstance(event, Note | Line):
                self._queue.put(event, at)
        self.leave(now)

    def leave(self, now: float) -> None:
        """Lets go what is due by now."""
        self._go(self._queue.take(now))

    def leave_remarks(self) -> None:
        """Of what is held back only notes still count: nobody is there to whom anything could come late."""
        self._go(each for each in self._queue.take(NEVER) if isinstance(each, Note))
        self.over = True

    def remark(self, *notes: Event) -> None:
        """Past what is held back."""
        self._out += notes

    def said(self) -> list[Event]:
        out, self._out = self._out, []
        return out

    def _go(self, events: Iterable[Event]) -> None:
        for event in events:
            self._out.append(event)
            if isinstance(event, Closed):
                self.over = True
                return
