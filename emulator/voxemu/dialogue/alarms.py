"""What an agent asked to be reminded of, in the order in which it is due."""

from __future__ import annotations

import heapq


class Alarms:
    """Times are seconds on the engine's clock; those due together ring in the order they were set."""

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, str]] = []
        self._count = 0
        self.due: float | None = None
        # When the first one is.

    def put(self, due: float, name: str) -> None:
        self._count += 1
        heapq.heappush(self._waiting, (due, self._count, name))
        self.due = self._waiting[0][0]

    def take(self) -> str:
        """The name of the first one."""
        _, _, name = heapq.heappop(self._waiting)
        self.due = self._waiting[0][0] if self._waiting else None
        return name
