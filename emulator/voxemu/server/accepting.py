"""Connections are accepted here, whatever the loop: what it does without a descriptor left is ours to say.

Left to themselves, asyncio reports every try with a traceback and then takes nobody for a second, and uvloop
closes newcomers without a word, at worst the listening socket with them.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable

from voxemu.server.tcp import TcpConnection, TcpConnections

BACKLOG = 128
# Connections that may wait to be accepted.
SHORT = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
BREATH = 0.1
# Seconds until the next try, where nobody could make way.


class Listener:
    """Serves ``connections`` at ``bound``, with TLS where there is a ``context``."""

    def __init__(
        self,
        bound: socket.socket,
        made: Callable[[], TcpConnection],
        connections: TcpConnections,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._bound = bound
        self._made = made
        self._connections = connections
        self._context = context
        self._loop = asyncio.get_running_loop()
        self._server: asyncio.Server | None = None
        self._arriving: set[asyncio.Task[None]] = set()
        self._pause: asyncio.TimerHandle | None = None

    async def open(self) -> None:
        try:
            self._loop.remove_reader(self._bound)
        except NotImplementedError:
            # Windows' loop, and one whose network is memory, accept by themselves.
            self._server = await self._loop.create_server(
                self._made,
                sock=self._bound,
                backlog=BACKLOG,
                ssl=self._context,
                ssl_handshake_timeout=self._patience,
            )
        else:
            self._bound.setblocking(False)
            self._bound.listen(BACKLOG)
            self._watch()

    def _watch(self) -> None:
        self._pause = None
        self._loop.add_reader(self._bound, self._accept)

    def close(self) -> None:
        """No new ones."""
        if self._server is not None:
            self._server.close()
            return
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._bound)
        for task in self._arriving:
            task.cancel()

    @property
    def _patience(self) -> float | None:
        return None if self._context is None else self._connections.patience

    def _accept(self) -> None:
        for _ in range(BACKLOG):
            try:
                line, _ = self._bound.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in SHORT:
                    raise
                self._make_way()
                return
            task = self._loop.create_task(self._take(line))
            self._arriving.add(task)
            task.add_done_callback(self._arriving.discard)

    def _make_way(self) -> None:
        self._connections.hits.hit("descriptors", 0, "no file descriptor is left for a new connection")
        if not self._connections.make_room():
            # Whoever waits is still there when somebody has gone.
            self._loop.remove_reader(self._bound)
            self._pause = self._loop.call_later(BREATH, self._watch)

    async def _take(self, line: socket.socket) -> None:
        connection = self._made()
        try:
            line.setblocking(False)
            if self._context is not None:
                connection.arrives(line)
            await self._loop.connect_accepted_socket(
                lambda: connection, line, ssl=self._context, ssl_handshake_timeout=self._patience
            )
        except OSError:
            # Gone already, or no TLS that could be agreed on; ssl's errors are of this kind, too.
            self._connections.left(connection)
            line.close()
