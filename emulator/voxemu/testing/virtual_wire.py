"""Connections in memory for the virtual loop: what asyncio expects of TCP, without a kernel.

What is written in one turn of the loop arrives in the next, in order and in one piece where it can; a reader
that pauses fills what lies between, and then the writer is told to pause, as with sockets.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any, cast

LOOPBACK = "127.0.0.1"
BETWEEN = 256 * 1024
# Bytes that have left one end and not been read at the other: both kernels' buffers, about.
HIGH_WATER = 64 * 1024
# Bytes that wait at the writing end before it is told to pause; a quarter of it lets it go on. As in asyncio.

Address = tuple[str, int]


class Place:
    """What a virtual loop serves at; see ``listening``."""

    family = socket.AF_INET
    type = socket.SOCK_STREAM
    proto = socket.IPPROTO_TCP

    def __init__(self, port: int) -> None:
        self.port = port
        # 0 until somebody serves here: any that is free.

    def getsockname(self) -> Address:
        return (LOOPBACK, self.port)

    def fileno(self) -> int:
        return -1

    def close(self) -> None:
        """Nothing: the loop holds no more of it than its server, which is closed by itself."""


def listening(port: int) -> socket.socket:
    """A place to serve at, for ``create_server`` or aiohttp's ``SockSite``, in place of a bound socket.

    It has what those two ask of one, and nothing more.
    """
    return cast(socket.socket, Place(port))


class LineSocket:
    """Stands where clients look at, or set, something of a connection's socket."""

    family = socket.AF_INET
    type = socket.SOCK_STREAM
    proto = socket.IPPROTO_TCP

    def __init__(self, own: Address, other: Address) -> None:
        self._own, self._other = own, other

    def getsockname(self) -> Address:
        return self._own

    def getpeername(self) -> Address:
        return self._other

    def getsockopt(self, *which: int) -> int:
        return 0

    def setsockopt(self, *what: Any) -> None:
        """Delays and keep-alives are a network's."""

    def fileno(self) -> int:
        return -1


class End(asyncio.Transport):
    """One end of a connection. Its bytes go to the other; ``attach`` gives it whom they are for."""

    other: End

    def __init__(self, loop: asyncio.AbstractEventLoop, own: Address, peer: Address) -> None:
        super().__init__({"socket": LineSocket(own, peer), "sockname": own, "peername": peer})
        self._loop = loop
        self._protocol: asyncio.BaseProtocol | None = None
        self._arrived = bytearray()
        self._waiting = bytearray()
        # Written, and more than the space between holds.
        self._high, self._low = HIGH_WATER, HIGH_WATER // 4
        self._told_to_pause = False
        self._reading = True
        self._woken = False
        self._will_say_no_more = False
        self._said_all = False
        # As the other end sees it: nothing follows what has arrived.
        self._heard_all = False
        self._closing = False
        self._gone = False

    def attach(self, protocol: asyncio.BaseProtocol) -> None:
        """The connection is made; what has arrived meanwhile follows."""
        self._protocol = protocol
        self._loop.call_soon(protocol.connection_made, self)
        self._wake()

    # what a protocol's owner does

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        assert self._protocol is not None
        return self._protocol

    def is_reading(self) -> bool:
        return self._reading and not self._closing

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        self._reading = True
        self._wake()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        if high is None:
            high = HIGH_WATER if low is None else 4 * low
        if low is None:
            low = high // 4
        if not high >= low >= 0:
            raise ValueError(f"the high limit {high} must be no less than the low one {low}, and that than 0")
        self._high, self._low = high, low
        self._tell_writer()

    def get_write_buffer_size(self) -> int:
        return len(self._waiting)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._low, self._high

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        if self._will_say_no_more:
            raise RuntimeError("write() after write_eof()")
        if self._closing or not data:
            return
        self._waiting += data
        self._send()

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self._will_say_no_more = True
        self._send()

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        """What was written still arrives; what arrives from now on is not read."""
        if not self._closing:
            self._closing = self._will_say_no_more = True
            self._send()

    def abort(self) -> None:
        self._waiting.clear()
        self._leave(None)

    # the way between

    def _send(self) -> None:
        """Lets as much go over as there is space for, and the end of it after the last byte."""
        if self.other._gone:
            if self._waiting:
                self._leave(ConnectionResetError("the other end has closed the connection"))
        else:
            space = BETWEEN - len(self.other._arrived)
            if space > 0 and self._waiting:
                self.other._arrived += self._waiting[:space]
                del self._waiting[:space]
                self.other._wake()
        self._tell_writer()
        if self._will_say_no_more and not self._waiting:
            self._said_all = True
            self.other._wake()
            if self._closing:
                self._leave(None)

    def _tell_writer(self) -> None:
        if self._protocol is None:
            return
        if not self._told_to_pause and len(self._waiting) > self._high:
            self._told_to_pause = True
            self._ask(self._protocol.pause_writing)
        elif self._told_to_pause and len(self._waiting) <= self._low:
            self._told_to_pause = False
            self._ask(self._protocol.resume_writing)

    def _wake(self) -> None:
        if not self._woken and not self._gone:
            self._woken = True
            self._loop.call_soon(self._hear)

    def _hear(self) -> None:
        self._woken = False
        if self._protocol is None or not self.is_reading():
            return
        if self._arrived:
            data = bytes(self._arrived)
            self._arrived.clear()
            self._ask(lambda: self._hand_over(data))
            self.other._send()
        if self.other._said_all and not self._arrived and not self._heard_all and self.is_reading():
            self._heard_all = True
            protocol = self._protocol
            assert isinstance(protocol, asyncio.Protocol | asyncio.BufferedProtocol)
            if not self._ask(protocol.eof_received):
                self.close()

    def _hand_over(self, data: bytes) -> None:
        protocol = self._protocol
        if not isinstance(protocol, asyncio.BufferedProtocol):
            assert isinstance(protocol, asyncio.Protocol)
            protocol.data_received(data)
            return
        left = memoryview(data)
        while left:
            space = memoryview(protocol.get_buffer(len(left))).cast("B")
            taken = min(len(space), len(left))
            space[:taken] = left[:taken]
            protocol.buffer_updated(taken)
            left = left[taken:]

    def _ask(self, act: Callable[[], Any]) -> Any:
        """A protocol that raises has its connection broken off and is told of, as by every loop."""
        try:
            return act()
        except Exception as error:
            context = {"message": "a protocol raised", "exception": error, "transport": self}
            self._loop.call_exception_handler({**context, "protocol": self._protocol})
            self._leave(error)
            return None

    def _leave(self, error: Exception | None) -> None:
        if self._gone:
            return
        self._gone = self._closing = self._said_all = True
        if self._protocol is not None:
            self._loop.call_soon(self._protocol.connection_lost, error)
        # Whoever still writes to this end learns that nobody reads.
        self._loop.call_soon(self.other._send)
        self.other._wake()


def line(loop: asyncio.AbstractEventLoop, client: Address, server: Address) -> tuple[End, End]:
    """Both ends of a new connection: the client's and the server's."""
    one, other = End(loop, client, server), End(loop, server, client)
    one.other, other.other = other, one
    return one, other
