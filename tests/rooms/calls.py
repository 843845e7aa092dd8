"""A session in a room on a backend, and who else is in it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from random import Random

from tests.rooms.visitors import Visitor
from voxemu.agent import Agent
from voxemu.agents import make_agent
from voxemu.dialogue.session import Session
from voxemu.dialogue.settings import DialogueSettings
from voxemu.drive.clock import RunningClock
from voxemu.drive.pump import Pump
from voxemu.engine import Tapped
from voxemu.events import Closed, Event, Note
from voxemu.provider import Role
from voxemu.rooms.port import RoomBackend, RoomPlan, RoomSocket
from voxemu.wire import PROVIDERS

PROVIDER = PROVIDERS["lyzr-livekit"]
BASE = "http://127.0.0.1:8090"
PLAN = RoomPlan("room-1", "ada", "agent-1")


@dataclass
class Watch:
    """A tap that keeps everything."""

    seen: list[Event] = field(default_factory=list)

    def saw(self, event: Event, now: float) -> tuple[Note, ...]:
        self.seen.append(event)
        return ()

    def of(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.seen if isinstance(event, kind)]


@dataclass
class RoomCall:
    backend: RoomBackend
    plan: RoomPlan
    room: RoomSocket
    watch: Watch
    pumping: asyncio.Task[Closed | None]

    def visitor(self, *, single: bool = False) -> Visitor:
        token = self.backend.mint(self.plan.user, self.plan.room)
        return Visitor(self.backend.url_for(BASE), token, single=single)


async def begin(
    backend: RoomBackend, agent: str | Agent = "echo", plan: RoomPlan = PLAN, **settings: object
) -> RoomCall:
    """Opens the room; the session begins when the user is in it."""
    room = await backend.open_room(plan)
    watch = Watch()
    dialogue = DialogueSettings(**{**PROVIDER.dialogue_defaults, **settings})
    made = make_agent(agent) if isinstance(agent, str) else agent
    session = Session(PROVIDER, dialogue, made, session_id="s")
    pump = Pump(
        room,
        PROVIDER.codec(Role.PROVIDER, PROVIDER.settings_type(), Random(7)),
        Tapped(session, [watch]),
        clock=RunningClock(asyncio.get_running_loop().time),
        full="pause",
    )

    async def hold() -> Closed | None:
        if await room.joined():
            return await pump.run()
        return None

    return RoomCall(backend, plan, room, watch, asyncio.create_task(hold()))


@asynccontextmanager
async def talking(
    backend: RoomBackend,
    agent: str | Agent = "echo",
    plan: RoomPlan = PLAN,
    *,
    single: bool = False,
    **settings: object,
) -> AsyncIterator[tuple[RoomCall, Visitor]]:
    """A call whose user is in the room, microphone in hand."""
    call = await begin(backend, agent, plan, **settings)
    visitor = call.visitor(single=single)
    try:
        await visitor.come()
        await visitor.take_microphone()
        yield call, visitor
    finally:
        await backend.end_room(plan.room)
        await call.pumping
        await visitor.leave()


def another(number: int, **changed: object) -> RoomPlan:
    return replace(PLAN, room=f"room-{number}", agent=f"agent-{number}", **changed)  # type: ignore[arg-type]
