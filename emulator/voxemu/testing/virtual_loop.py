"""An event loop whose clock jumps to whatever is next, and whose network is memory.

The jumping is async-solipsism's. This adds what an ordinary aiohttp, websockets or httpx client needs to find
its server without being told that it runs in a test: names that resolve, addresses of either family, and the
way in which aiohttp connects (a socket of its own, then ``create_connection``).
"""

from __future__ import annotations

import asyncio
import selectors
import socket
from collections.abc import Coroutine
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import async_solipsism.selector
from async_solipsism.socket import ListenSocket

T = TypeVar("T")

LOOPBACK = "127.0.0.1"
NANOSECOND = 1e-9
LONGEST = 24 * 3600.0
# Virtual seconds; whatever waits for ever is found out.


class Nanoseconds:
    """Virtual time, in whole nanoseconds: a sum of a million waits is as exact as one."""

    resolution = NANOSECOND

    def __init__(self) -> None:
        self._passed = 0

    def time(self) -> float:
        return self._passed / 1_000_000_000

    def advance(self, seconds: float) -> None:
        self._passed += max(1, round(seconds * 1_000_000_000))


class Selector(async_solipsism.selector.Selector):  # type: ignore[misc]
    """Looks at every line in every turn of the loop, so it is quick about it."""

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = []
        for key in self._fd_to_key.values():
            line, events = key.fd.socket, 0
            if key.events & selectors.EVENT_READ and line.read_ready():
                events |= selectors.EVENT_READ
            if key.events & selectors.EVENT_WRITE and line.write_ready():
                events |= selectors.EVENT_WRITE
            if events:
                ready.append((key, events))
        return ready or super().select(timeout)


class VirtualLoop(async_solipsism.EventLoop):  # type: ignore[misc]
    """Every host name is this loop; a port that nobody listens on refuses. No TLS, no real socket."""

    def __init__(self) -> None:
        super().__init__()
        self._virtual = Nanoseconds()
        self._selector = Selector(self._virtual)
        self._clock_resolution = NANOSECOND
        self._lines: WeakKeyDictionary[socket.socket, Any] = WeakKeyDictionary()
        # In place of a socket that somebody made and connected by this loop: the line in memory.

    def time(self) -> float:
        return self._virtual.time()

    async def getaddrinfo(
        self, host: Any, port: Any, *, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0
    ) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (LOOPBACK, int(port or 0)))]

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        self._lines[sock] = await self._line_to(address[1])

    async def create_connection(
        self, protocol_factory: Any, host: Any = None, port: Any = None, *, sock: Any = None, **how: Any
    ) -> Any:
        if sock is None:
            line = await self._line_to(port)
        else:
            line = self._lines.pop(sock, sock)
            if line is not sock:
                sock.close()
        # What is for real sockets alone.
        kept = {name: value for name, value in how.items() if name in ("ssl", "server_hostname")}
        return await super().create_connection(protocol_factory, sock=line, **kept)

    async def _line_to(self, port: int) -> Any:
        return await self.aiohappyeyeballs_start_connection([(0, 0, 0, "", (LOOPBACK, port))])


class Listening(ListenSocket):  # type: ignore[misc]
    """A socket to serve on, for ``create_server`` or aiohttp's ``SockSite``, on a virtual loop."""

    def __init__(self, port: int) -> None:
        super().__init__((LOOPBACK, port))
        self._open = True

    def close(self) -> None:
        # A real one may be closed twice.
        if self._open:
            self._open = False
            super().close()


def run_virtual(main: Coroutine[Any, Any, T], *, limit: float = LONGEST) -> T:
    """Like ``asyncio.run``, in virtual time: it waits for nothing and takes as long as it computes.

    Raises TimeoutError after ``limit`` virtual seconds.
    """

    async def limited() -> T:
        async with asyncio.timeout(limit):
            return await main

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(limited())
