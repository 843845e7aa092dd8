"""Which clock the sessions of a server run on, and what the time of day is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime

from voxemu.drive.clock import Clock, MediaClock, RunningClock
from voxemu.server.config import Config

Wall = Callable[[], float]
"""Seconds since 1970, as ``time.time`` gives them: for what people read, and for the times in tokens."""


class Timing:
    """``loop`` is the name of the clock that the event loop keeps: ``real``, or ``virtual``."""

    def __init__(self, config: Config, wall: Wall = time.time, loop: str = "real") -> None:
        self._config = config
        self._loop = loop
        self.wall = wall

    @property
    def name(self) -> str:
        """Of the clock that a session would run on."""
        return "media" if self._config.settings.clock == "media" else self._loop

    def clock(self) -> Clock:
        """For a connection that opens now."""
        return MediaClock() if self.name == "media" else RunningClock(asyncio.get_running_loop().time)

    def date(self) -> str:
        return datetime.fromtimestamp(self.wall(), UTC).isoformat(timespec="milliseconds")
