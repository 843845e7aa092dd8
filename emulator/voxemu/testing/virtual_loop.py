"""An event loop whose clock jumps to whatever is next, and whose network is memory.

Any asyncio client finds its server on it without being told that it runs in a test: names resolve, and
``create_connection``, ``create_server``, asyncio's streams and aiohttp's way of connecting (a socket of its
own, then ``create_connection``) all lead to ``virtual_wire``.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Coroutine
from itertools import count
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from voxemu.testing.virtual_wire import LOOPBACK, End, Place, line

T = TypeVar("T")

NANOSECOND = 1e-9
LONGEST = 24 * 3600.0
# Virtual seconds; whatever waits for ever is found out.
FIRST_PORT = 49152
# Of those that are for anybody, by RFC 6335.


class Nanoseconds:
    """Virtual time, in whole nanoseconds: a sum of a million waits is as exact as one."""

    def __init__(self) -> None:
        self._passed = 0

    def time(self) -> float:
        return self._passed / 1_000_000_000

    def advance(self, seconds: float) -> None:
        self._passed += max(1, round(seconds * 1_000_000_000))


class Jump:
    """Stands where a loop asks the kernel to wait for its sockets: time moves on instead."""

    def __init__(self, clock: Nanoseconds) -> None:
        self._clock = clock

    def select(self, timeout: float | None) -> list[Any]:
        """``timeout`` in seconds until the next timer, None without one; answers what is ready: nothing.

        Raises RuntimeError when there is nothing left that could happen.
        """
        if timeout is None:
            raise RuntimeError(
                "everything on the virtual clock waits for something that cannot come: no timer is running, "
                "and threads, processes and real sockets do not reach this loop"
            )
        if timeout > 0:
            self._clock.advance(timeout)
        return []


class VirtualServer(asyncio.AbstractServer):
    """Serves at one port of a virtual loop. Connections that are open stay so when it closes."""

    def __init__(self, loop: VirtualLoop, made: Callable[[], asyncio.BaseProtocol], at: Place) -> None:
        self._loop = loop
        self._made = made
        self._at = at
        self._ended = asyncio.Event()

    @property
    def sockets(self) -> tuple[Any, ...]:
        return (self._at,) if self.is_serving() else ()

    def accept(self, end: End) -> None:
        end.attach(self._made())

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def is_serving(self) -> bool:
        return self._loop.served.get(self._at.port) is self

    async def start_serving(self) -> None:
        self._loop.served[self._at.port] = self

    async def serve_forever(self) -> None:
        await self.start_serving()
        await self._ended.wait()

    def close(self) -> None:
        if self.is_serving():
            del self._loop.served[self._at.port]
        self._ended.set()

    async def wait_closed(self) -> None:
        """Nothing is left to wait for."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Every host name is this loop; a port that nobody serves refuses. No TLS, no real socket.

    What is given to ``run_in_executor`` runs at once, in this thread, and takes no virtual time.
    """

    def __init__(self) -> None:
        super().__init__()
        self.served: dict[int, VirtualServer] = {}
        self._clock = Nanoseconds()
        self._selector = Jump(self._clock)
        self._clock_resolution = NANOSECOND
        self._ports = count(FIRST_PORT)
        self._lines: WeakKeyDictionary[socket.socket, End] = WeakKeyDictionary()
        # In place of a socket that somebody made and connected by this loop: the line in memory.

    def time(self) -> float:
        return self._clock.time()

    # what the base class leaves to those with a kernel

    def _process_events(self, events: list[Any]) -> None:
        """There are none: see Jump."""

    def _write_to_self(self) -> None:
        """Nobody sleeps in this loop who would have to be woken."""

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Any, *args: Any
    ) -> asyncio.Future[Any]:
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:
            done.set_exception(error)
        return done

    async def getaddrinfo(self, host: Any, port: Any, **how: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (LOOPBACK, int(port or 0)))]

    async def sendfile(self, *what: Any, **how: Any) -> int:
        raise NotImplementedError("no kernel: whoever asks copies the file")

    # connections

    async def create_server(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: Any = None,
        port: Any = None,
        *,
        sock: Any = None,
        ssl: Any = None,
        start_serving: bool = True,
        **real: Any,
    ) -> VirtualServer:
        _no_tls(ssl)
        at = Place(port or 0) if sock is None else sock
        if not isinstance(at, Place):
            raise TypeError(f"a virtual loop serves at virtual_wire.listening(port), not at {at!r}")
        if at.port == 0:
            at.port = next(self._ports)
        if at.port in self.served:
            raise OSError(errno.EADDRINUSE, f"something is served at port {at.port} of this loop already")
        server = VirtualServer(self, protocol_factory, at)
        if start_serving:
            await server.start_serving()
        return server

    async def create_connection(
        self,
        protocol_factory: Callable[[], Any],
        host: Any = None,
        port: Any = None,
        *,
        sock: Any = None,
        ssl: Any = None,
        **real: Any,
    ) -> tuple[End, Any]:
        _no_tls(ssl)
        if sock is None:
            end = self._line_to(port)
        else:
            if sock not in self._lines:
                raise TypeError(f"{sock!r} was not connected by this loop's sock_connect")
            end = self._lines.pop(sock)
            sock.close()
        protocol = protocol_factory()
        end.attach(protocol)
        await asyncio.sleep(0)
        # Its connection_made has been called by now.
        return end, protocol

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        self._lines[sock] = self._line_to(address[1])

    def _line_to(self, port: int) -> End:
        server = self.served.get(port)
        if server is None:
            raise ConnectionRefusedError(
                errno.ECONNREFUSED, f"nothing is served at port {port} of this virtual loop"
            )
        client, other = line(self, (LOOPBACK, next(self._ports)), (LOOPBACK, port))
        server.accept(other)
        return client


def _no_tls(ssl: Any) -> None:
    if ssl:
        raise ValueError("there is no TLS on the virtual clock: use http:// and ws://")


def run_virtual(main: Coroutine[Any, Any, T], *, limit: float = LONGEST) -> T:
    """Like ``asyncio.run``, in virtual time: it waits for nothing and takes as long as it computes.

    Raises TimeoutError after ``limit`` virtual seconds.
    """

    async def limited() -> T:
        async with asyncio.timeout(limit):
            return await main

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(limited())
