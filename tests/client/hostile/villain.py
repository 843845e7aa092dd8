"""A server on bare sockets that says whatever a test wants: broken HTTP, broken frames, nothing at all."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from voxemu.provider import Message, Provider
from voxemu.wire.lyzr_livekit import LyzrLivekit
from voxemu.wire.lyzr_sip import LyzrSip
from voxemu.wire.workbuddy import Workbuddy

MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
TICKET, TOKEN = "ticket-0123456789abcdef", "token-0123456789abcdef"
HOST = "127.0.0.1"


def frame(opcode: int, payload: bytes, *, fin: bool = True, bits: int = 0, mask: bool = False) -> bytes:
    """A frame of a server; ``bits`` are the reserved ones, ``mask`` is for clients alone."""
    first = (0x80 if fin else 0) | bits << 4 | opcode
    masked = 0x80 if mask else 0
    if len(payload) < 126:
        head = struct.pack("!BB", first, masked | len(payload))
    elif len(payload) < 65_536:
        head = struct.pack("!BBH", first, masked | 126, len(payload))
    else:
        head = struct.pack("!BBQ", first, masked | 127, len(payload))
    return head + (bytes(4) if mask else b"") + payload


def message(said: Message) -> bytes:
    return (
        frame(TEXT, said.encode("utf-8", "surrogatepass")) if isinstance(said, str) else frame(BINARY, said)
    )


class Wire:
    """An open websocket, from the server's side. What the client sends is read and forgotten."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._ponged = asyncio.Event()
        self.heard = asyncio.create_task(self._hear())

    async def _hear(self) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                opcode, size = await self._reader.readexactly(2)
                size &= 0x7F
                if size > 125:
                    size = int.from_bytes(await self._reader.readexactly(2 if size == 126 else 8))
                await self._reader.readexactly(4 + size)
                if opcode & 0x0F == PONG:
                    self._ponged.set()

    async def understood(self) -> None:
        """Until the client has read what was sent so far."""
        self._ponged.clear()
        await self.raw(frame(PING, b""))
        await self._ponged.wait()

    async def raw(self, content: bytes) -> None:
        self._writer.write(content)
        await self._writer.drain()

    async def say(self, *messages: Message) -> None:
        await self.raw(b"".join(map(message, messages)))

    async def close(self, code: int | None = 1000, reason: bytes = b"") -> None:
        await self.raw(frame(CLOSE, b"" if code is None else struct.pack("!H", code) + reason))

    def reset(self) -> None:
        """RST in place of an orderly end."""
        reset(self._writer)

    async def gone(self) -> None:
        """Until the client has gone."""
        await self.heard


def reset(writer: asyncio.StreamWriter) -> None:
    own: socket.socket = writer.get_extra_info("socket")
    own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


Act = Callable[[Wire], Awaitable[Any]]
Reply = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[Any]]


def answer(status: int, body: bytes | str, *headers: str) -> Reply:
    """An ordinary answer over HTTP."""
    content = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(content)}", "Connection: close", *headers]

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write("\r\n".join([*lines, "", ""]).encode() + content)

    return reply


def bytes_of(content: bytes) -> Reply:
    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(content)

    return reply


class Villain:
    """Serves one provider's calls. ``start`` and ``upgrade`` take the place of an honest answer."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self.start: Reply | None = None
        self.upgrade: Reply | None = None
        self.act: Act = Wire.gone
        self.asked: list[bytes] = []
        # The heads of all requests.
        self.host = HOST
        # Of the websocket that a start request is told.
        self.port = 0
        self.tls: ssl.SSLContext | None = None
        # What it listens with.

    @property
    def url(self) -> str:
        return f"http{'' if self.tls is None else 's'}://{HOST}:{self.port}"

    @property
    def socket_url(self) -> str:
        scheme = "ws" if self.tls is None else "wss"
        return f"{scheme}://{self.host}:{self.port}/session/stream/s-1?ticket={TICKET}"

    @property
    def room_url(self) -> str:
        return f"ws{self.url.removeprefix('http')}"

    def started(self, **other: Any) -> str:
        """What an honest start request is answered; ``other`` fields take the place of some."""
        said: dict[str, Any] = {"token": TOKEN, "ws_url": self.socket_url}
        if isinstance(self.provider, LyzrLivekit):
            said = {"userToken": TOKEN, "livekitUrl": self.room_url, "roomName": "r-1", "sessionId": "s-1"}
        if isinstance(self.provider, LyzrSip):
            audio = {"sampleRate": 24_000, "format": "pcm16", "channels": 1, "encoding": "base64"}
            said = {"sessionId": "s-1", "wsUrl": self.socket_url, "audioConfig": audio}
        return json.dumps(said | other)

    @property
    def asks_first(self) -> bool:
        """Whether a call of this provider begins with a request of its own."""
        return isinstance(self.provider, LyzrSip | Workbuddy | LyzrLivekit)

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[Villain]:
        tasks: set[asyncio.Task[None]] = set()

        async def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            try:
                await self._meet(reader, writer)
                await writer.drain()
            except ConnectionError:
                pass
            except asyncio.CancelledError:
                writer.transport.abort()
                raise
            finally:
                writer.close()

        server = await asyncio.start_server(met, HOST, 0, ssl=self.tls)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in tasks:
                task.cancel()
            found = await asyncio.gather(*tasks, return_exceptions=True)
            # What was aborted is closed by the loop, a round later.
            await asyncio.sleep(0.01)
            assert [each for each in found if isinstance(each, Exception)] == []

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return
        self.asked.append(head)
        if b"upgrade: websocket" in head.lower():
            if self.upgrade is not None:
                await self.upgrade(reader, writer)
                return
            writer.write(accepted(head))
            wire = Wire(reader, writer)
            try:
                await self.act(wire)
            finally:
                wire.heard.cancel()
        else:
            await (self.start or answer(200, self.started(), "Content-Type: application/json"))(
                reader, writer
            )


def accepted(head: bytes, *headers: bytes) -> bytes:
    """The answer to an upgrade."""
    key = next(
        line.partition(b":")[2].strip()
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"sec-websocket-key")
    )
    accept = base64.b64encode(hashlib.sha1(key + MAGIC).digest())
    lines = [
        b"HTTP/1.1 101 X",
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Accept: " + accept,
    ]
    return b"\r\n".join([*lines, *headers, b"", b""])
