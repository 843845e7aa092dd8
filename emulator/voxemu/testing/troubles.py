"""Errors inside the emulator, which must not go by unseen: what it logs as one, and what its loop finds."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any

LOGGERS = ("voxemu", "aiohttp.server", "asyncio")


class Troubles(logging.Handler):
    """Collects the errors of one thread; whoever expects them empties ``found``."""

    def __init__(self, thread: int | None = None, loggers: tuple[str, ...] = LOGGERS) -> None:
        super().__init__(logging.ERROR)
        self._loggers = loggers
        self.found: list[str] = []
        self._thread = thread if thread is not None else threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self.found.append(self.format(record))

    def begin(self) -> None:
        for name in self._loggers:
            logging.getLogger(name).addHandler(self)

    def end(self) -> None:
        for name in self._loggers:
            logging.getLogger(name).removeHandler(self)

    def of_loop(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """An exception handler for the server's loop: what nobody awaited."""
        error = context.get("exception")
        logging.getLogger("voxemu").error("%s", context.get("message", "an error"), exc_info=error)
