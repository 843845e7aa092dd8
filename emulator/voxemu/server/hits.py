"""Limits of the server as a whole that were hit; those of a session are in its timeline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from voxemu.server.news import News

PAUSE = 1.0
# Seconds in which a limit is told once, however often it is hit: a flood must not become one of lines.


class Hits:
    def __init__(self, news: News, time: Callable[[], float]) -> None:
        """``time`` is monotonic, in seconds."""
        self._news = news
        self._time = time
        self._told: dict[str, float] = {}
        self._untold: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()

    def hit(self, limit: str, value: float, text: str) -> None:
        """``text`` says what happened to whom, without a word that came over the line."""
        self.counts[limit] += 1
        self._untold[limit] += 1
        now = self._time()
        if now - self._told.get(limit, -PAUSE) >= PAUSE:
            self._told[limit] = now
            self._news.limit_reached(limit, value, text, self._untold.pop(limit))
