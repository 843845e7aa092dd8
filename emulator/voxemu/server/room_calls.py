"""Calls that are held in rooms: a start request opens one, and its session waits there for the user."""

from __future__ import annotations

import asyncio
import logging

from voxemu.fault import Fault
from voxemu.provider import Answered, Asked, RoomEnding, RoomOrder, RoomProvider
from voxemu.server.answers import RETRY_AFTER
from voxemu.server.calls import Calls
from voxemu.server.held_room import HeldRoom, House
from voxemu.server.issuing import WatchedDesk
from voxemu.server.rooms import Rooms
from voxemu.server.timing import Timing

log = logging.getLogger("voxemu")


class RoomCalls:
    """Answers start and end requests, and holds what they ask for."""

    def __init__(self, calls: Calls, rooms: Rooms, desk: WatchedDesk, timing: Timing, unused: int) -> None:
        self._calls = calls
        self._rooms = rooms
        self._desk = desk
        self._timing = timing
        self._unused = unused
        # Rooms that may wait for their users at once.
        self.held: dict[str, HeldRoom] = {}
        self._closing = False

    async def answer(self, provider: RoomProvider, asked: Asked) -> Answered:
        struck = self._desk.asking.faults
        judged = provider.order(asked, self._desk, _now())
        match judged:
            case Answered():
                return judged
            case RoomEnding(room=room, answered=answered):
                if (held := self.held.get(room)) is not None:
                    await held.end()
                self._desk.rooms.leave(room, _now())
                return answered
        return await self._open(provider, judged, asked, struck)

    async def _open(
        self, provider: RoomProvider, order: RoomOrder, asked: Asked, struck: tuple[Fault, ...]
    ) -> Answered:
        await self._make_way(order)
        if (why := self._problem(order)) is not None:
            return provider.unopened(order, self._desk, _now(), why)
        if (full := self._full()) is not None:
            self._desk.rooms.forget(order.admission.session_id)
            return Answered(503, {"error": full}, {"Retry-After": RETRY_AFTER})
        held = HeldRoom(
            provider, order, asked, House(self._calls, self._rooms, self._timing, self._desk.remarks)
        )
        token = self._desk.book.strike("token", provider, held.key, held.label)
        held.struck = (*struck, *token.faults)
        held.lets_nobody_in = token.expired
        self.held[order.room] = held
        held.task = asyncio.create_task(self._hold(held), name=f"the room {order.room}")
        # Whoever asked may be gone before the room is there: it is the task's, not theirs.
        await asyncio.shield(held.opened)
        if held.failure is not None:
            return provider.unopened(order, self._desk, _now(), held.failure)
        return provider.opened(order, token=held.token, url=held.url)

    async def _make_way(self, order: RoomOrder) -> None:
        """Ends what is open in this room, or under this session's id."""
        ours = [self.held[name] for name in {order.room, *order.replaces} if name in self.held]
        for held in ours:
            held.replaced = True
        for held in ours:
            await held.end()
            assert held.task is not None
            await asyncio.wait([held.task])

    def _problem(self, order: RoomOrder) -> str | None:
        """Why no room can be opened for this order; None when one can."""
        if self._closing:
            return "the server is shutting down"
        if order.room in self.held or not self._desk.rooms.is_open(order.admission.session_id):
            return "another session was started in its place"
        return None

    def _full(self) -> str | None:
        """Which limit keeps another room out; None while there is room."""
        if sum(1 for held in self.held.values() if held.waits) < self._unused:
            return self._calls.full()
        self._desk.hits.hit("unused_starts", self._unused, "a start was turned away: nobody came to so many")
        return f"{self._unused} sessions were started and never joined (limits.unused_starts)"

    async def _hold(self, held: HeldRoom) -> None:
        self._calls.take_place(held)
        try:
            await held.hold()
        except Exception:
            log.exception("the room %s broke; the others go on", held.order.room)
        finally:
            held.give_up()
            del self.held[held.order.room]
            if not held.replaced:
                self._desk.rooms.leave(held.order.room, _now())
            self._calls.leave_place(held)

    def shut_down(self) -> None:
        """No new rooms; those that wait for their users are ended. Sessions are told by ``Calls``."""
        self._closing = True
        for held in self.held.values():
            if held.waits and held.task is not None:
                held.ending = asyncio.create_task(held.end())

    async def close(self) -> None:
        """Ends what is left, and the rooms themselves."""
        self.shut_down()
        tasks = [held.task for held in self.held.values() if held.task is not None]
        await self._rooms.close()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=2.0)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _now() -> float:
    return asyncio.get_running_loop().time()
