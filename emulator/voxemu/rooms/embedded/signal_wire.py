"""A client's signalling socket: protobufs both ways, one writer, a bounded outbox."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import suppress

from aiohttp import ClientError, web
from google.protobuf.message import DecodeError
from livekit.protocol import rtc

from voxemu.errors import RemoteProtocolError

log = logging.getLogger(__name__)

OUTBOX = 256
# Messages that a slow client may leave unread.
GOODBYE = 2.0
# Seconds that the last words and the close may take.


class SignalWire:
    def __init__(self, ws: web.WebSocketResponse, transport: asyncio.Transport | None, who: str) -> None:
        self._ws = ws
        self._transport = transport
        self._who = who
        self._is_cut = False
        self._outbox: asyncio.Queue[rtc.SignalResponse | None] = asyncio.Queue(OUTBOX)
        self._writer = asyncio.create_task(self._write(), name=f"signalling to {who}")

    def say(self, said: rtc.SignalResponse) -> None:
        if self._is_cut:
            return
        try:
            self._outbox.put_nowait(said)
        except asyncio.QueueFull:
            log.warning("%s reads no signalling messages; the connection is dropped", self._who)
            self.cut()

    def finish(self) -> None:
        """Closes the connection after what was said."""
        with suppress(asyncio.QueueFull):
            self._outbox.put_nowait(None)

    def cut(self) -> None:
        """Drops the connection without a word."""
        self._is_cut = True
        if self._transport is not None:
            self._transport.abort()

    async def requests(self) -> AsyncIterator[rtc.SignalRequest]:
        """What the client says, until the connection is over. Raises RemoteProtocolError."""
        async for message in self._ws:
            if self._is_cut:
                # What it sent before is of no use any more.
                return
            if message.type is not web.WSMsgType.BINARY:
                continue  # JSON signalling was given up by LiveKit years ago.
            try:
                yield rtc.SignalRequest.FromString(message.data)
            except DecodeError as error:
                raise RemoteProtocolError(f"a signalling message cannot be read: {error}") from error

    async def close(self) -> None:
        self.finish()
        await asyncio.wait([self._writer], timeout=GOODBYE)
        self._writer.cancel()
        await asyncio.gather(self._writer, return_exceptions=True)
        with suppress(ClientError, ConnectionError, TimeoutError):
            async with asyncio.timeout(GOODBYE):
                await self._ws.close()

    async def _write(self) -> None:
        with suppress(ClientError, ConnectionError, RuntimeError, TimeoutError):
            while (said := await self._outbox.get()) is not None:
                await self._ws.send_bytes(said.SerializeToString())
            await self._ws.close()
