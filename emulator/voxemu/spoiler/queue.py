"""What is on its way to the line: in order, as a websocket keeps it, whatever holds it up."""

from __future__ import annotations

from collections import deque

from voxemu.events import Event

NEVER = float("inf")


class Queue:
    """Events leave in the order in which they were put, none before its time."""

    def __init__(self) -> None:
        self._held: deque[tuple[float, Event]] = deque()

    @property
    def due(self) -> float:
        return self._held[0][0] if self._held else NEVER

    def put(self, event: Event, due: float) -> None:
        last = self._held[-1][0] if self._held else due
        self._held.append((max(due, last), event))

    def take(self, now: float) -> list[Event]:
        """What is due by now."""
        out = []
        while self._held and self._held[0][0] <= now:
            out.append(self._held.popleft()[1])
        return out
