"""The connections of this server: how many there are, how long one may dally, and who makes way.

A connection is busy while a request of it is answered or its websocket is a session, and idle otherwise, also
while it has yet to agree on TLS. When there are too many, the one that has been idle longest goes; only when
all are busy is a new one turned away.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from voxemu.server.answers import RETRY_AFTER, as_json
from voxemu.server.config import Config
from voxemu.server.hits import Hits

UNREADABLE = (HttpProcessingError, web.RequestPayloadError)
SENDING = 256 * 1024
# Bytes that the system may hold for a client that does not read, about five seconds of audio; left to itself
# it takes four megabytes, and nobody notices for a minute.


class TcpConnections:
    """``limits`` are read anew each time: others may be adopted while the server runs."""

    def __init__(self, config: Config, hits: Hits) -> None:
        self._config = config
        self.hits = hits
        self._all: set[TcpConnection] = set()
        self._idle: dict[TcpConnection, None] = {}
        # The one that has been idle longest first.

    def factory(self, server: web.Server) -> Callable[[], TcpConnection]:
        """Makes the protocol of a connection that was accepted."""
        loop = asyncio.get_running_loop()
        return lambda: TcpConnection(self, server, loop, keepalive_timeout=2 * self.patience)

    @property
    def patience(self) -> float:
        seconds: float = self._config.settings.limits.headers
        return seconds

    def __len__(self) -> int:
        return len(self._all)

    def came(self, connection: TcpConnection) -> None:
        most = self._config.settings.limits.connections
        self._all.add(connection)
        if len(self._all) > most and not self.make_room():
            self.hits.hit("connections", most, "a new connection was turned away: all are in use")
            connection.turn_away()
        else:
            self.idle(connection)

    def left(self, connection: TcpConnection) -> None:
        self._all.discard(connection)
        self._idle.pop(connection, None)

    def idle(self, connection: TcpConnection) -> None:
        if connection in self._all:
            self._idle.pop(connection, None)
            self._idle[connection] = None

    def busy(self, connection: TcpConnection) -> None:
        self._idle.pop(connection, None)

    def make_room(self) -> bool:
        """Ends the connection that has been idle longest; False when there is none."""
        oldest = next(iter(self._idle), None)
        if oldest is None:
            return False
        most = self._config.settings.limits.connections
        self.hits.hit("connections", most, "the connection that was idle longest made way for a new one")
        self.left(oldest)
        oldest.drop()
        return True


class TcpConnection(web.RequestHandler):
    """aiohttp's; besides, it is counted, has so long for a request's head, and says errors as JSON."""

    __slots__ = ("_connections", "_heard", "_line", "_patience")

    def __init__(self, connections: TcpConnections, server: web.Server, loop: Any, **settings: Any) -> None:
        super().__init__(server, loop=loop, access_log=cast(Any, None), **settings)
        self._connections = connections
        self._heard = False
        # Whether anything came since it is idle.
        self._patience: asyncio.TimerHandle | None = None
        self._line: socket.socket | None = None
        # While TLS is agreed on.

    def arrives(self, line: socket.socket) -> None:
        """It takes up room from now on, though it is not made until TLS is agreed on."""
        self._line = line
        self._connections.came(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._line = None
        line = transport.get_extra_info("socket")
        if line is not None:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SENDING)
        self._connections.came(self)
        self._wait()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._stop_waiting()
        self._connections.left(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._heard = True
        super().data_received(data)

    # --- while a request is answered ----------------------------------------------------------------------

    def begins(self) -> None:
        self._stop_waiting()
        self._connections.busy(self)

    def may_go(self) -> None:
        self._connections.idle(self)

    def stays(self) -> None:
        self._connections.busy(self)

    def ends(self) -> None:
        self._heard = False
        self._connections.idle(self)
        self._wait()

    # --- patience -----------------------------------------------------------------------------------------

    def _wait(self) -> None:
        self._stop_waiting()
        if self.transport is not None:
            self._patience = self._loop.call_later(self._connections.patience, self._lose_patience)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _lose_patience(self) -> None:
        """No whole head of a request came, or our answer was not taken; or nobody wants anything."""
        seconds = self._connections.patience
        transport = self.transport
        if transport is None:
            return
        unread = transport.get_write_buffer_size()
        if unread:
            self._connections.hits.hit("headers", seconds, "an answer was not read in time")
        elif self._heard:
            self._connections.hits.hit("headers", seconds, "the head of a request was not whole in time")
            transport.write(_raw(408, f"the head of a request must come within {seconds:g} s"))
        self.drop() if unread else self.force_close()

    def turn_away(self) -> None:
        if self.transport is not None:
            self.transport.write(_raw(503, "all connections of this server are in use; try again"))
            self.force_close()
        else:
            self.drop()

    def drop(self) -> None:
        transport = self.transport
        if transport is not None:
            transport.abort()
        elif self._line is not None:
            # The loop has it in hand; it finds the end of it and gives up.
            with suppress(OSError):
                self._line.shutdown(socket.SHUT_RDWR)
        self.force_close()

    # --- what is no HTTP ----------------------------------------------------------------------------------

    def log_exception(self, *args: Any, **more: Any) -> None:
        error = more.get("exc_info")
        if isinstance(error, UNREADABLE):
            self._told(error)
        else:
            super().log_exception(*args, **more)

    def _told(self, error: BaseException) -> None:
        self._connections.hits.hit("http", 0, f"a request that is no valid HTTP: {type(error).__name__}")

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """aiohttp would log and send the request's own words; a key may be among them."""
        if status == 500 or not isinstance(exc, UNREADABLE):
            return super().handle_error(request, status, exc, message)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer is on its way already")
        self._told(exc)
        response = as_json(status, {"error": "this is no HTTP request that can be read"})
        response.force_close()
        return response


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def occupying(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A connection is busy while a request of it is answered."""
    connection = request.protocol
    if not isinstance(connection, TcpConnection):
        return await handler(request)
    connection.begins()
    try:
        return await handler(request)
    finally:
        connection.ends()


def expendable(request: web.Request) -> None:
    """What this request became may make way for others, as an idle connection does."""
    if isinstance(request.protocol, TcpConnection):
        request.protocol.may_go()


def needed(request: web.Request) -> None:
    """It may not, from now on."""
    if isinstance(request.protocol, TcpConnection):
        request.protocol.stays()


def _raw(status: int, text: str) -> bytes:
    reason = {408: "Request Timeout", 503: "Service Unavailable"}[status]
    body = json.dumps({"error": text}).encode()
    head = [
        f"HTTP/1.1 {status} {reason}",
        "Content-Type: application/json; charset=utf-8",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *([f"Retry-After: {RETRY_AFTER}"] if status == 503 else []),
    ]
    return "\r\n".join([*head, "", ""]).encode() + body
