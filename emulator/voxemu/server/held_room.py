"""One room with its session, from the order to its end."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, cast

from voxemu.errors import ConnectionLost, Refused
from voxemu.events import Closed
from voxemu.fault import Fault
from voxemu.provider import Asked, RoomOrder, RoomProvider
from voxemu.server.calls import Calls
from voxemu.server.config import Effective
from voxemu.server.connection import Connection
from voxemu.server.labels import label_in
from voxemu.server.registry import Record
from voxemu.server.remarks import Remarks
from voxemu.server.rooms import Rooms
from voxemu.server.timing import Timing

if TYPE_CHECKING:
    from voxemu.rooms.port import Background, RoomPlan, RoomSocket


TRACKS_WAIT = 5.0
# Seconds that somebody who joined may take to subscribe to the agent's tracks.


class House(NamedTuple):
    """What a room needs of its server."""

    calls: Calls
    rooms: Rooms
    timing: Timing
    remarks: Remarks


class HeldRoom:
    """One room, from the order to its end."""

    def __init__(self, provider: RoomProvider, order: RoomOrder, asked: Asked, house: House) -> None:
        self.order = order
        self.provider = provider
        self.key = order.admission.key
        self.label = label_in(asked) or self.key.label
        self.struck: tuple[Fault, ...] = ()
        # What went wrong on purpose until its user was there.
        self.lets_nobody_in = False
        # Its user's token has expired, on purpose.
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # Whether with success or with a failure.
        self.failure: str | None = None
        self.token = self.url = ""
        self.replaced = False
        # By a session that has its place in the book already.
        self.waits = True
        # For its user.
        self.task: asyncio.Task[None] | None = None
        self.ending: asyncio.Task[None] | None = None
        self._asked = asked
        self._house = house
        self._calls = house.calls
        self.socket: RoomSocket | None = None
        # Once the room is open.
        self.connection: Connection | None = None
        # While its user is there.

    async def hold(self) -> None:
        """Opens the room, waits for the user, runs the session, leaves."""
        try:
            record = self._begin()
        except Refused as refused:
            self._fail(str(refused))
            return
        try:
            self.socket = await self._enter()
        except (ConnectionLost, asyncio.CancelledError) as problem:
            self._fail(str(problem) or "the server is shutting down")
            return
        finally:
            if self.socket is None:
                self._calls.ended(record, Closed(1011, "its room could not be opened", "provider"))
        self.opened.set_result(None)
        try:
            if await self.socket.joined():
                await self._run(self.socket, record)
            else:
                await self._say_that_nobody_came(self.socket, record)
        finally:
            self.waits = False
            await self.socket.close(1000, "the session is over")

    def _begin(self) -> Record:
        """Raises Refused."""
        admission = self.order.admission
        effective = self._own(self._calls.effective(self.provider, admission))
        record = self._calls.begin(
            self.provider, admission, self._house.timing.clock(), self._asked, effective
        )
        record.background = self.order.background
        return record

    def _own(self, effective: Effective) -> Effective:
        """What this session was ordered to be, over what its agent and its key are set to."""
        dialogue, origins = effective.dialogue, dict(effective.origins)
        if self.order.greeting:
            dialogue = replace(dialogue, greeting_text=self.order.greeting)
            origins["greeting_text"] = "the start request"
        return Effective(self.order.settings or effective.wire, dialogue, origins)

    async def _enter(self) -> RoomSocket:
        """Raises ConnectionLost."""
        from voxemu.rooms.port import OVER, TOKEN_LIFE

        backend = await self._house.rooms.backend()
        socket = await backend.open_room(self._plan())
        life = OVER if self.lets_nobody_in else TOKEN_LIFE
        self.token = backend.mint(self.order.user, self.order.room, life)
        self.url = backend.url_for(self._asked.base)
        return socket

    def _plan(self) -> RoomPlan:
        from voxemu.rooms.port import RoomPlan

        order = self.order
        background = cast("Background", order.background)
        return RoomPlan(order.room, order.user, order.agent, background, order.join_wait, order.rejoin_wait)

    async def _run(self, socket: RoomSocket, record: Record) -> None:
        self.waits = False
        # The call's time begins when the user is there.
        record.clock = self._house.timing.clock()
        record.clock.begin(record.effective.dialogue.input_rate or self.provider.format.rate)
        record.started = self._house.timing.date()
        self.connection = Connection(
            self._calls, self.provider, self._asked, record.clock, struck=self.struck
        )
        engine = self.connection.tapped(record, self.token)
        look = asyncio.get_running_loop().call_later(TRACKS_WAIT, self._look_at_tracks, socket, record)
        try:
            await self._calls.run(self.connection, socket, engine, self.provider)
        finally:
            look.cancel()

    def _look_at_tracks(self, socket: RoomSocket, record: Record) -> None:
        for name in socket.stats.unheard:
            seen = f"{name} does not reach the user, {TRACKS_WAIT:g} s after they came"
            self._calls.remark(record, "F-TRACK-UNHEARD", seen)

    async def _say_that_nobody_came(self, socket: RoomSocket, record: Record) -> None:
        while not isinstance(closed := await socket.receive(), Closed):
            pass
        if closed.by == "caller" and not self.lets_nobody_in:
            self._house.remarks.never_connected(record.admission, self.order.join_wait)
        self._calls.ended(record, closed)

    def _fail(self, why: str) -> None:
        self.failure = why
        self.opened.set_result(None)

    def give_up(self) -> None:
        """Nobody is to wait for a room that broke before it was open."""
        if not self.opened.done():
            self._fail("the room could not be opened; the server's log says why")

    async def end(self) -> None:
        """Closes the room for everybody in it."""
        await asyncio.shield(self.opened)
        if self.socket is not None:
            # Where the rooms are closed already, this one is too.
            with contextlib.suppress(ConnectionLost):
                backend = await self._house.rooms.backend()
                await backend.end_room(self.order.room)
