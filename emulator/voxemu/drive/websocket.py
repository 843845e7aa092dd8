"""An aiohttp websocket, either end's, as the pump sees one: messages and line events in, messages out."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol, runtime_checkable

from aiohttp import ClientWebSocketResponse, WebSocketError, WSCloseCode, WSMsgType, web
from aiohttp.client_exceptions import ClientError

from voxemu.events import Closed, LimitReached, Ponged
from voxemu.provider import Message

NO_STATUS = 1005
BROKEN = 1006
ENDINGS = (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR)
WAITING = 16 * 1024
# Bytes that wait for the peer to take them, beside what the system holds.


class Socket(Protocol):
    """What the pump needs of a connection."""

    async def receive(self) -> Message | Ponged | LimitReached | Closed:
        """The next message or what happened to the line. After Closed there is nothing more."""
        ...

    async def send(self, message: Message) -> None:
        """Returns when the line has taken it. Raises ConnectionError when the line is gone."""
        ...

    async def ping(self) -> None: ...

    async def close(self, code: int, reason: str) -> None:
        """``NO_STATUS`` closes without a code, ``BROKEN`` without a word."""
        ...

    def abort(self) -> None:
        """Drops the connection without a word; whoever waits for it is released."""
        ...


@runtime_checkable
class PromptSocket(Socket, Protocol):
    """A connection that knows whether it takes a message at once."""

    def offer(self, message: Message) -> bool:
        """Sends it, where the line takes it without being waited for; False: nothing was sent."""
        ...


class AiohttpSocket:
    """Wants a websocket with ``autoping`` off, so that pongs are seen."""

    def __init__(
        self,
        ws: web.WebSocketResponse | ClientWebSocketResponse,
        transport: asyncio.Transport | None,
        longest: int = 0,
    ):
        """``longest`` is the ``max_msg_size`` of the websocket, where one is to be told of."""
        self._ws = ws
        self._transport = transport
        self._longest = longest
        self._ended: Closed | None = None

    async def receive(self) -> Message | Ponged | LimitReached | Closed:
        while self._ended is None:
            got = await self._ws.receive()
            kind = got.type
            if kind is WSMsgType.BINARY or kind is WSMsgType.TEXT:
                message: Message = got.data
                return message
            match kind:
                case WSMsgType.PING:
                    # Whoever reads no answers is owed no more of them, and must not hold up what is read.
                    if self._takes_more():
                        await self._ws.pong(got.data)
                case WSMsgType.PONG:
                    return Ponged()
                case _:
                    self._ended = self._ending(kind, got.data, got.extra)
                    if _is_too_long(got.data) and self._longest:
                        return LimitReached("message", self._longest)
        return self._ended

    def _takes_more(self) -> bool:
        if self._transport is None:
            return True
        if self._transport.is_closing():
            # It is over, and our reader is yet to hear of it. asyncio's TLS has no protocol to tell by then.
            return False
        protocol: Any = self._transport.get_protocol()
        if protocol is None:
            return False
        return not protocol.writing_paused and self._transport.get_write_buffer_size() < WAITING

    def _ending(self, kind: WSMsgType, value: object, extra: object) -> Closed:
        if kind is WSMsgType.CLOSE:
            code = value if isinstance(value, int) and value else NO_STATUS
            return Closed(code, str(extra or ""), "line")
        code = self._ws.close_code or BROKEN
        if kind is WSMsgType.ERROR:
            return Closed(code, str(value), "line")
        return Closed(code, "", "line")

    def offer(self, message: Message) -> bool:
        if self._transport is None or not self._takes_more():
            return False
        sending = self._ws.send_bytes(message) if isinstance(message, bytes) else self._ws.send_str(message)
        try:
            # Begun here instead of in a task. It has written when it first waits, if it ever does: for a
            # line that is full from now on, which the next message is not offered to.
            sending.send(None)
        except StopIteration:
            return True
        except (ClientError, RuntimeError, ConnectionError):
            # Whoever waits for its answer, in ``send``, is told.
            return False
        sending.close()
        return True

    async def send(self, message: Message) -> None:
        try:
            if isinstance(message, bytes):
                await self._ws.send_bytes(message)
            else:
                await self._ws.send_str(message)
        except (ClientError, RuntimeError) as error:
            # aiohttp says "Cannot write to closing transport" with either, depending on the end.
            raise ConnectionResetError(str(error)) from error

    async def ping(self) -> None:
        try:
            await self._ws.ping()
        except (ClientError, RuntimeError) as error:
            raise ConnectionResetError(str(error)) from error

    async def close(self, code: int, reason: str) -> None:
        # A close frame holds 123 bytes of reason.
        text = reason.encode()[:123].decode(errors="ignore").encode()
        if code == BROKEN:
            self.abort()
        elif code == NO_STATUS:
            await self._close_wordless()
        else:
            await self._ws.close(code=code, message=text)

    async def _close_wordless(self) -> None:
        # aiohttp has no close without a code of its own.
        await self._ws.send_frame(b"", WSMsgType.CLOSE)
        while (await self._ws.receive()).type not in ENDINGS:
            pass

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()


def _is_too_long(what: object) -> bool:
    return isinstance(what, WebSocketError) and what.code == WSCloseCode.MESSAGE_TOO_BIG
