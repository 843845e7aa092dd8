"""Who listens to what happens in the sessions, while it happens."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

KEPT = 1000
# Events that wait for one listener; one who is slower misses the oldest, and is told how many.


class Listening:
    """One listener's events; ``session`` and ``label`` are what it asked for, "" is everything."""

    def __init__(self, session: str, label: str) -> None:
        self._session = session
        self._label = label
        self._waiting: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._missed = 0
        self._there = asyncio.Event()

    def tell(self, said: dict[str, Any]) -> None:
        if self._session not in ("", said["session"]) or self._label not in ("", said["label"]):
            return
        self._missed += len(self._waiting) == KEPT
        self._waiting.append(said)
        self._there.set()

    async def next(self, patience: float) -> dict[str, Any] | None:
        """The next event; None when there was none for so many seconds."""
        try:
            async with asyncio.timeout(patience):
                await self._there.wait()
        except TimeoutError:
            return None
        if self._missed:
            missed, self._missed = self._missed, 0
            return {"type": "missed", "count": missed}
        said = self._waiting.popleft()
        if not self._waiting:
            self._there.clear()
        return said


class Audience:
    def __init__(self) -> None:
        self._listening: set[Listening] = set()

    def enter(self, session: str, label: str) -> Listening:
        listening = Listening(session, label)
        self._listening.add(listening)
        return listening

    @property
    def count(self) -> int:
        return len(self._listening)

    def leave(self, listening: Listening) -> None:
        self._listening.discard(listening)

    def tell(self, said: dict[str, Any]) -> None:
        for listening in self._listening:
            listening.tell(said)
