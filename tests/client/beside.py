"""An emulator beside the test, for those who have this thread to themselves: the command line, devices."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from voxemu.server.config import load
from voxemu.server.news import News
from voxemu.server.run import running

PATIENCE = 60.0


@contextmanager
def emulator_beside(environ: Mapping[str, str], **flags: str) -> Iterator[str]:
    """The URL of one that serves in a thread of its own."""
    config = load(None, environ, {"port": "0", **flags})
    loop, listening, stop = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    report: dict[str, Any] = {}

    async def serve() -> None:
        async with running(config, News(io.StringIO(), as_json=True)) as (_, said):
            report.update(said)
            listening.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert listening.wait(PATIENCE)
    yield report["url"]
    loop.call_soon_threadsafe(stop.set)
    thread.join(PATIENCE)
    loop.close()
