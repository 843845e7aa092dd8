"""What an agent asked to be reminded of, in the order in which it is due."""

from __future__ import annotations

import heapq


class Alarms:
    """Times are seconds on the engine's clock; those due together ring in the order they were set."""

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, str]] = []
        self._count = 0

    @property
    def due(self) -> float | None:
        return self._waiting[0][0] if self._waiting else None

    def put(self, due: float, name: str) -> None:
        self._count += 1
        heapq.heappush(self._waiting, (due, self._count, name))

    def take(self) -> str:
        """The name of the first one."""
        return heapq.heappop(self._waiting)[2]
