"""The emulator with its rooms, and what came of every session: for tests of what users of rooms meet.

Sessions are started as apps start them, over HTTP; the server is in the test's own loop.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from aiohttp import ClientSession, TCPConnector

from voxemu.events import Closed, Event
from voxemu.provider import RoomOrder
from voxemu.rooms.port import Background, RoomBackend, RoomPlan, RoomSocket
from voxemu.server.app import Server
from voxemu.server.config import Config, checked
from voxemu.server.held_room import HeldRoom
from voxemu.server.ladder import given
from voxemu.server.news import Silence
from voxemu.server.registry import Record
from voxemu.server.run import running

PATIENCE = 60.0
# Seconds for the rooms of a test to end.
WAIT = 600.0
# Seconds that a room waits for its user, where a test is not about that: longer than any test.
STEADY = {"hangover": 1.5, "gap_margin": 10.0}
# Seconds of silence, and of missing audio beyond that, which end a turn. So a machine that stands still for
# one cuts no turn in two, and what ends turns is silence that was sent.


Told = TypeVar("Told", bound=Event)


class Witness(Silence):
    """Keeps what every session saw."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[str, list[tuple[float, Event]]] = {}
        # With the time of the wall clock, in milliseconds.
        self.records: dict[str, Record] = {}

    def event(self, record: Record, event: Event, said: dict[str, Any] | None) -> None:
        self.records[record.id] = record
        self.seen.setdefault(record.id, []).append((1000 * time.time(), event))


class Troubles(logging.Handler):
    """What the server itself says went wrong."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.told.append(self.format(record))


@dataclass(slots=True)
class Events:
    events: list[tuple[float, Event]] = field(default_factory=list)

    def all(self, kind: type[Told]) -> list[Told]:
        return [event for _, event in self.events if isinstance(event, kind)]

    def at(self, kind: type[Event]) -> float:
        """When the session came to this first: milliseconds of the wall clock."""
        return next(at for at, event in self.events if isinstance(event, kind))

    def kinds(self) -> list[str]:
        return [type(event).__name__ for _, event in self.events]


@dataclass(frozen=True, slots=True)
class Held:
    """One session in a room."""

    room: HeldRoom
    plan: RoomPlan
    socket: RoomSocket
    answer: Mapping[str, Any]
    # What the start request was answered.
    seen: Witness

    @property
    def token(self) -> str:
        return self.room.token

    @property
    def task(self) -> asyncio.Task[None]:
        assert self.room.task is not None
        return self.room.task

    @property
    def order(self) -> RoomOrder:
        return self.room.order

    @property
    def witness(self) -> Events:
        return Events(self.seen.seen.get(self.order.admission.session_id, []))

    @property
    def ended(self) -> Closed | None:
        record = self.seen.records.get(self.order.admission.session_id)
        return record.closed if record is not None else None

    @property
    def runs(self) -> bool:
        """Whether the user is there and the session has begun."""
        return self.room.connection is not None and self.room.connection.pump is not None

    def tell(self, event: Event) -> None:
        """Gives the session something from this side."""
        assert self.room.connection is not None
        assert self.room.connection.pump is not None
        self.room.connection.pump.tell(event)


class HouseOfRooms:
    def __init__(self, server: Server, base: str, backend: RoomBackend, seen: Witness, http: ClientSession):
        self.server = server
        self.base = base
        self.backend = backend
        self.held: dict[str, Held] = {}
        self._seen = seen
        self._http = http
        self._livekit = server.config.settings.livekit
        self._count = 0

    @property
    def url(self) -> str:
        return self.backend.url_for(self.base)

    async def hold(
        self,
        agent: str = "echo",
        *,
        room: str = "",
        user: str = "ann",
        greeting: str = "",
        background: Background = "off",
        join_wait: float = WAIT,
        rejoin_wait: float = WAIT,
        **dialogue: Any,
    ) -> Held:
        """Starts a session, which waits in its room for the user."""
        self._count += 1
        self.server.adopt(
            settings(
                self._livekit,
                join_wait=join_wait,
                rejoin_wait=rejoin_wait,
                **({} if background == "off" else {"background_audio": background}),
                **dialogue,
            )
        )
        config: dict[str, Any] = {"background_audio": {"enabled": background != "off"}}
        if greeting:
            config["conversation_start"] = {"who": "ai", "greeting": greeting}
        name = room or f"room-{self._count}"
        body = {"roomName": name, "userIdentity": user, "agentId": agent, "agentConfig": config}
        async with self._http.post(
            f"{self.base}/v1/sessions/start", json=body, headers={"x-api-key": "any"}
        ) as answered:
            answer = await answered.json()
            assert answered.status == 200, answer
        held = self.held[name] = self.find(name, answer)
        return held

    def find(self, room: str, answer: Mapping[str, Any]) -> Held:
        """The session in this room, whoever started it."""
        found = self.server.room_calls.held[room]
        assert found.socket is not None
        return Held(found, found.socket.plan, found.socket, answer, self._seen)

    async def end(self, held: Held) -> int:
        """Asks for its end, as an app does; the status of the answer."""
        async with self._http.post(
            f"{self.base}/v1/sessions/end", json={"roomName": held.plan.room}, headers={"x-api-key": "any"}
        ) as answered:
            return answered.status

    async def send(self, held: Held, text: str, *, reliable: bool) -> None:
        """Data for everybody in the room, from outside of it, as apps send it with livekit-api."""
        from livekit.api import LiveKitAPI, SendDataRequest
        from livekit.protocol.models import DataPacket

        keys = self.backend.keys  # type: ignore[attr-defined]
        kind = DataPacket.RELIABLE if reliable else DataPacket.LOSSY
        url = "http" + self.url.removeprefix("ws")
        async with LiveKitAPI(url, keys.key, keys.secret, session=self._http) as service:
            asked = SendDataRequest(room=held.plan.room, data=text.encode(), kind=kind, topic="news")
            await service.room.send_data(asked)

    async def close(self) -> None:
        """Ends the sessions, so that what went wrong in one is this test's failure."""
        tasks = [held.task for held in self.held.values()]
        for held in self.held.values():
            await self.backend.end_room(held.plan.room)
        done, late = await asyncio.wait(tasks, timeout=PATIENCE) if tasks else (set(), set())
        assert not late, "a session outlived its room"
        for task in done:
            task.result()


def settings(livekit: str, **rooms: Any) -> Config:
    return checked(given({"port": 0, "livekit": livekit, "lyzr_livekit": STEADY | rooms}, "the house"))


@asynccontextmanager
async def house_on(livekit: str) -> AsyncIterator[HouseOfRooms]:
    """The emulator with rooms of this kind, as ``emu serve --livekit`` has it."""
    seen = Witness()
    async with (
        running(settings(livekit), seen, grace=1.0) as (server, report),
        ClientSession(connector=TCPConnector(force_close=True)) as http,
    ):
        house = HouseOfRooms(server, report["url"], await server.rooms.backend(), seen, http)
        if livekit == "server":
            assert "started here" in house.backend.describe()["found"], "somebody else's server was taken"
        troubles = Troubles(logging.ERROR)
        logging.getLogger("voxemu").addHandler(troubles)
        try:
            yield house
        finally:
            await house.close()
            logging.getLogger("voxemu").removeHandler(troubles)
    assert troubles.told == []


def embedded_house() -> AbstractAsyncContextManager[HouseOfRooms]:
    """Embedded rooms."""
    return house_on("embedded")


def server_house() -> AbstractAsyncContextManager[HouseOfRooms]:
    """Rooms on a real livekit-server, started for them."""
    from tests.rooms.conftest import require_livekit_server

    require_livekit_server()
    return house_on("server")
