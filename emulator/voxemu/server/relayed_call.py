"""One call that passes through: two sockets, a copy of what goes over them, and the close codes of both."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from random import Random
from typing import Any

from aiohttp import web

from voxemu.drive.websocket import BROKEN, AiohttpSocket, Socket
from voxemu.engine import Tapped
from voxemu.events import Closed, EndAsked, Event, Opened, TokenPresented
from voxemu.overheard import Overheard
from voxemu.provider import Message, Provider, Role
from voxemu.server.registry import Record
from voxemu.server.taps import Taps

log = logging.getLogger("voxemu")

SETTLE = 0.08
# Seconds between two looks at what is due while nothing comes.
GOING_AWAY = Closed(1001, "the emulator between you was stopped", "provider")
CANNOT_BE_SENT = (1004, 1006, 1015)
# RFC 6455, 7.4.1: no close frame has them.


class RelayedCall:
    def __init__(
        self,
        provider: Provider,
        record: Record,
        taps: Taps,
        secrets: tuple[str, ...],
        request: web.Request,
        ours: web.WebSocketResponse,
        theirs: Any,
    ) -> None:
        assert isinstance(record.session, Overheard)
        self._overheard = record.session
        self._record = record
        self._taps = taps
        connection = theirs._response.connection
        # aiohttp has no public way to drop a connection without a word.
        self._client: Socket = AiohttpSocket(ours, request.transport)
        self._upstream: Socket = AiohttpSocket(theirs, connection.transport if connection else None)
        settings = record.effective.wire
        self._from_client = provider.codec(Role.PROVIDER, settings, Random(0))
        self._from_upstream = provider.codec(Role.CALLER, settings, Random(0))
        self._call = Tapped(self._overheard, taps.overhearing(provider, record, request, secrets))
        self._stopped = asyncio.Event()

    async def hold(self) -> Closed:
        """Until either end closes; the other is closed alike."""
        self._given(Opened())
        self._record.tell = self.told
        tasks = [
            asyncio.create_task(self._carry(self._client, self._upstream, self._client_said)),
            asyncio.create_task(self._carry(self._upstream, self._client, self._upstream_said)),
            asyncio.create_task(self._stop()),
        ]
        settling = asyncio.create_task(self._settle())
        closed = Closed(BROKEN, "", "line")
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            closed = next(task for task in tasks if task in done).result()
            self._record.tell = None
            self._given(closed)
            await self._close(closed)
        finally:
            for task in (*tasks, settling):
                task.cancel()
            await asyncio.gather(*tasks, settling, return_exceptions=True)
            self._taps.over(self._record, closed, self._record.clock.now())
        return closed

    async def go_away(self) -> None:
        self._stopped.set()

    def told(self, event: Event) -> None:
        """From whoever runs the emulator: it can be ended; what is said in it is the real provider's."""
        if isinstance(event, EndAsked):
            self._stopped.set()
        else:
            log.warning("a call that passes through can be ended, and nothing else")

    # --- carrying -------------------------------------------------------------------------------------------

    async def _carry(self, source: Socket, sink: Socket, say: Callable[[Message], None]) -> Closed:
        while True:
            got = await source.receive()
            if isinstance(got, Closed):
                ended_it = source is self._upstream and got.code != BROKEN
                return Closed(got.code, got.reason, "provider" if ended_it else "line")
            if isinstance(got, str | bytes):
                try:
                    await sink.send(got)
                except ConnectionError:
                    return Closed(BROKEN, "", "line")
                say(got)

    async def _stop(self) -> Closed:
        await self._stopped.wait()
        return GOING_AWAY

    async def _close(self, closed: Closed) -> None:
        code = BROKEN if closed.code in CANNOT_BE_SENT else closed.code
        for socket in (self._client, self._upstream):
            with contextlib.suppress(ConnectionError, TimeoutError, RuntimeError):
                await asyncio.wait_for(socket.close(code, closed.reason), 2.0)

    # --- the copy -------------------------------------------------------------------------------------------

    def _client_said(self, message: Message) -> None:
        for event in self._from_client.decode(message):
            if isinstance(event, TokenPresented):
                # A recording of the provider's end begins behind it.
                self._record.mask.learn((event.token,))
            else:
                self._given(event)

    def _upstream_said(self, message: Message) -> None:
        now = self._record.clock.now()
        for event in self._from_upstream.decode(message):
            self._call.advance(now)
            for each in self._overheard.spoke(event, now):
                self._call.show(each, now)

    def _given(self, event: Event) -> None:
        now = self._record.clock.now()
        self._call.receive(event, now)
        self._record.clock.heard(event, now)

    async def _settle(self) -> None:
        while True:
            await asyncio.sleep(SETTLE)
            self._call.advance(self._record.clock.now())
            self._taps.settle(self._record, self._record.clock.now())
