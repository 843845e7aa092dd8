"""One running server and what is seen of it, for as long as one test lasts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from socket import socket
from typing import Any, TypeVar

from voxemu.errors import UsageError
from voxemu.server.app import Server
from voxemu.server.config import Config
from voxemu.server.registry import Record
from voxemu.server.run import running
from voxemu.server.timing import Timing
from voxemu.testing.journal import Journal

T = TypeVar("T")

GRACE = 1.0
# Seconds that a session which a test left open has to go.
ROUNDS = 25
# Turns of the server's loop in which it reads what lies in its sockets and acts on it.


@dataclass(frozen=True, slots=True)
class Stage:
    """The server may only be touched in its own thread: ``run`` does that, and waits."""

    server: Server
    journal: Journal
    url: str
    run: Callable[[Callable[[], Any]], Any]
    catch_up: Callable[[], None]
    # Lets the server see what was sent to it before; nothing where the test holds the server's loop itself.
    virtual: bool = False
    # Whoever waits on this loop must not hold it up.

    def waited(self, condition: Callable[[], T | None], timeout: float) -> T | None:
        """What the condition answers, as soon as that is not None; None when it took too long.

        Raises UsageError where waiting would hold up the loop that is to bring it.
        """
        __tracebackhide__ = True
        future = self.journal.when(condition)
        try:
            return future.result(0 if self.virtual else timeout)
        except TimeoutError:
            self.journal.give_up(future)
            if self.virtual:
                raise UsageError(
                    "on the virtual clock the app, the emulator and the test share one loop: await "
                    "wait_for_session_async, wait_for_async or wait_until_over_async"
                ) from None
        return future.result() if future.done() else None

    async def awaited(self, condition: Callable[[], T | None], timeout: float) -> T | None:  # noqa: ASYNC109
        """As ``waited``; the loop that runs goes on meanwhile."""
        __tracebackhide__ = True
        future = self.journal.when(condition)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), timeout)
        except TimeoutError:
            return future.result() if future.done() else None
        finally:
            self.journal.give_up(future)

    def settle(self, record: Record) -> None:
        """Lets the recording of a live session reach the disk."""

        def act() -> None:
            if record.closed is None:
                self.server.calls.settle(record)

        self.run(act)


async def caught_up() -> None:
    for _ in range(ROUNDS):
        await asyncio.sleep(0)


@asynccontextmanager
async def staged(
    config: Config,
    bound: socket | None,
    errors: list[str],
    run: Callable[[Callable[[], Any]], Any],
    catch_up: Callable[[], None],
    *,
    timing: Timing | None = None,
) -> AsyncIterator[Stage]:
    """A server with these settings in the loop that is running; on leaving, every session is over."""
    journal = Journal(errors)
    async with running(config, journal, bound=bound, grace=GRACE, timing=timing) as (server, report):
        yield Stage(server, journal, report["url"], run, catch_up, timing is not None)
