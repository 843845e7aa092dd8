"""An aiohttp websocket, either end's, as the pump sees one: messages and line events in, messages out."""

from __future__ import annotations

import asyncio
from typing import Protocol

from aiohttp import ClientWebSocketResponse, WSCloseCode, WSMsgType, web
from aiohttp.client_exceptions import ClientError

from voxemu.events import Closed, Ponged
from voxemu.provider import Message

NO_STATUS = 1005
BROKEN = 1006


class Socket(Protocol):
    """What the pump needs of a connection."""

    async def receive(self) -> Message | Ponged | Closed:
        """The next message or what happened to the line. After Closed there is nothing more."""
        ...

    async def send(self, message: Message) -> None:
        """Returns when the line has taken it. Raises ConnectionError when the line is gone."""
        ...

    async def ping(self) -> None: ...

    async def close(self, code: int, reason: str) -> None: ...

    def abort(self) -> None:
        """Drops the connection without a word; whoever waits for it is released."""
        ...


class AiohttpSocket:
    """Wants a websocket with ``autoping`` off, so that pongs are seen, and ``autoclose`` on."""

    def __init__(
        self, ws: web.WebSocketResponse | ClientWebSocketResponse, transport: asyncio.Transport | None
    ):
        self._ws = ws
        self._transport = transport

    async def receive(self) -> Message | Ponged | Closed:
        while True:
            got = await self._ws.receive()
            match got.type:
                case WSMsgType.BINARY | WSMsgType.TEXT:
                    message: Message = got.data
                    return message
                case WSMsgType.PING:
                    await self._ws.pong(got.data)
                case WSMsgType.PONG:
                    return Ponged()
                case _:
                    return self._ending(got.type, got.data, got.extra)

    def _ending(self, kind: WSMsgType, value: object, extra: object) -> Closed:
        if kind is WSMsgType.CLOSE:
            code = value if isinstance(value, int) and value else NO_STATUS
            return Closed(code, str(extra or ""), "line")
        code = self._ws.close_code or BROKEN
        if kind is WSMsgType.ERROR:
            return Closed(code, str(value), "line")
        return Closed(code, "", "line")

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
        if code in (NO_STATUS, BROKEN):
            code = WSCloseCode.OK
        # A close frame holds 123 bytes of reason.
        await self._ws.close(code=code, message=reason.encode()[:123].decode(errors="ignore").encode())

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()
