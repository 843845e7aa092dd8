"""The pump in virtual time: an event loop whose clock jumps, and a socket that is two queues."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

import pytest

from tests.calls import speech
from voxemu.agents import make_agent
from voxemu.dialogue.session import Session
from voxemu.dialogue.settings import DialogueSettings
from voxemu.drive.clock import RunningClock
from voxemu.drive.pump import Pump, PumpLimits
from voxemu.engine import Engine
from voxemu.events import (
    AgentAudioSent,
    Cleared,
    Closed,
    Congested,
    EndAsked,
    Event,
    LimitReached,
    Opened,
    Ponged,
    ReadingSlowed,
    SessionEnded,
    SessionStarted,
    UserAudioSent,
)
from voxemu.provider import Message, Role
from voxemu.testing.virtual_loop import run_virtual
from voxemu.wire import PROVIDERS

WORKBUDDY = PROVIDERS["workbuddy"]


def virtual(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Runs a coroutine on a loop whose clock jumps to whatever is next."""

    def run() -> None:
        run_virtual(test(), limit=10_000)

    run.__name__ = test.__name__
    return run


class Wire:
    """A socket whose far end is the test."""

    def __init__(self, takes: float = 0.0) -> None:
        self.inbox: asyncio.Queue[Message | Ponged | Closed] = asyncio.Queue()
        self.sent: list[tuple[float, Message]] = []
        self.closed: tuple[int, str] | None = None
        self.aborted = False
        self.pings = 0
        self.takes = takes
        # Seconds that one message needs.
        self.open = asyncio.Event()
        self.open.set()
        self.read = 0

    async def receive(self) -> Message | Ponged | Closed:
        got = await self.inbox.get()
        self.read += 1
        return got

    async def send(self, message: Message) -> None:
        await self.open.wait()
        if self.aborted:
            raise ConnectionResetError("gone")
        if self.takes:
            await asyncio.sleep(self.takes)
        self.sent.append((asyncio.get_running_loop().time(), message))

    async def ping(self) -> None:
        self.pings += 1

    async def close(self, code: int, reason: str) -> None:
        await self.open.wait()
        self.closed = (code, reason)

    def abort(self) -> None:
        self.aborted = True
        self.open.set()


class PromptWire(Wire):
    """One that takes a message at once, as long as ``now``."""

    now = True

    def offer(self, message: Message) -> bool:
        if self.now:
            self.sent.append((asyncio.get_running_loop().time(), message))
        return self.now


class Watched:
    """An engine that keeps what it was given."""

    def __init__(
        self, answers: dict[type[Event], list[Event]] | None = None, due: float | None = None
    ) -> None:
        self.given: list[Event] = []
        self.answers = answers or {}
        self.deadline = due

    def receive(self, event: Event, now: float) -> list[Event]:
        self.given.append(event)
        return self.answers.get(type(event), [])

    def advance(self, now: float) -> list[Event]:
        return []


def pump(wire: Wire, engine: Engine, **more: Any) -> Pump:
    clock = RunningClock(asyncio.get_running_loop().time)
    codec = WORKBUDDY.codec(Role.PROVIDER, WORKBUDDY.settings_type(), Random(1))
    return Pump(wire, codec, engine, clock=clock, **{"full": "pause", **more})


def session(**figures: Any) -> Session:
    return Session(WORKBUDDY, DialogueSettings(**figures), make_agent("tone:440:1"), session_id="s")


async def speak(wire: Wire, pcm: bytes) -> None:
    for at in range(0, len(pcm), 640):
        await wire.inbox.put(pcm[at : at + 640])
        await asyncio.sleep(0.02)


@virtual
async def test_a_turn_over_the_pump_is_answered_frame_by_frame() -> None:
    wire = Wire()
    running = asyncio.create_task(pump(wire, session()).run())
    await speak(wire, speech(WORKBUDDY.format, 0.5) + bytes(2 * 3 * 16000))
    await wire.inbox.put(Closed(1005))
    assert await running == Closed(1005)
    frames = [at for at, message in wire.sent if isinstance(message, bytes)]
    assert len(frames) == 50
    assert [b - a for a, b in itertools.pairwise(frames)] == pytest.approx([0.02] * 49, abs=1e-6)


@virtual
async def test_opened_comes_before_anything_that_was_sent() -> None:
    wire, engine = Wire(), Watched()
    await wire.inbox.put(bytes(640))
    await wire.inbox.put(Closed(1000))
    await pump(wire, engine).run()
    assert engine.given == [Opened(), UserAudioSent(bytes(640)), Closed(1000)]


@virtual
async def test_what_was_said_before_a_close_goes_out_before_it() -> None:
    wire = Wire()
    engine = Watched(
        {Opened: [SessionStarted("s"), AgentAudioSent(bytes(640)), Closed(1000, "bye", "provider")]}
    )
    assert await pump(wire, engine).run() == Closed(1000, "bye", "provider")
    assert [message for _, message in wire.sent] == ['{"type":"connected"}', bytes(640)]
    assert wire.closed == (1000, "bye")


@virtual
async def test_an_engine_is_told_from_this_side_of_the_line() -> None:
    wire = Wire()
    pumping = pump(wire, session())
    running = asyncio.create_task(pumping.run())
    await asyncio.sleep(1)
    pumping.tell(EndAsked("shutdown", "bye"))
    assert (await running).by == "provider"
    assert '{"type":"session_ended","reason":"server_shutdown"}' in [message for _, message in wire.sent]


@virtual
async def test_an_engines_own_fault_closes_with_1011_and_is_raised() -> None:
    class Faulty(Watched):
        def receive(self, event: Event, now: float) -> list[Event]:
            if isinstance(event, UserAudioSent):
                raise ZeroDivisionError
            return []

    wire = Wire()
    await wire.inbox.put(bytes(640))
    with pytest.raises(ZeroDivisionError):
        await pump(wire, Faulty()).run()
    assert wire.closed == (1011, "internal error")


# --- what goes out --------------------------------------------------------------------------------------


@virtual
async def test_what_the_line_takes_at_once_is_sent_where_it_is_said() -> None:
    wire = PromptWire()
    pumping = pump(wire, Watched({Ponged: [AgentAudioSent(bytes(640))]}))
    running = asyncio.create_task(pumping.run())
    await asyncio.sleep(0.1)
    pumping.tell(Ponged())
    assert [message for _, message in wire.sent] == [bytes(640)]
    await wire.inbox.put(Closed(1005))
    await running


@virtual
async def test_nothing_overtakes_what_has_to_wait() -> None:
    wire = PromptWire()
    frames = [AgentAudioSent(bytes([number]) * 640) for number in range(3)]
    pumping = pump(wire, Watched({Ponged: [frames[0]], Cleared: [frames[1]], Congested: [frames[2]]}))
    running = asyncio.create_task(pumping.run())
    await asyncio.sleep(0.1)
    wire.now = False
    wire.open.clear()
    pumping.tell(Ponged())
    await asyncio.sleep(0.1)
    # The line would take it now; but there is one that waits.
    wire.now = True
    pumping.tell(Cleared())
    wire.open.set()
    await asyncio.sleep(0.1)
    pumping.tell(Congested())
    assert [message for _, message in wire.sent] == [frame.pcm for frame in frames]
    await wire.inbox.put(Closed(1005))
    await running


@virtual
async def test_a_full_outbox_stops_reading_and_loses_nothing() -> None:
    wire = Wire()
    wire.open.clear()
    engine = Watched({UserAudioSent: [AgentAudioSent(bytes(640))]})
    running = asyncio.create_task(pump(wire, engine).run())
    for _ in range(500):
        await wire.inbox.put(bytes(640))
    await asyncio.sleep(5)
    assert wire.read <= 64 + 2
    wire.open.set()
    await wire.inbox.put(Closed(1005))
    await running
    assert len(wire.sent) == 500


@virtual
async def test_a_peer_that_takes_nothing_for_ten_seconds_is_dropped() -> None:
    wire = Wire()
    wire.open.clear()
    engine = Watched({UserAudioSent: [AgentAudioSent(bytes(640))]})
    running = asyncio.create_task(pump(wire, engine).run())
    for _ in range(100):
        await wire.inbox.put(bytes(640))
    closed = await running
    assert closed.code == 1006
    assert wire.aborted
    assert LimitReached("stall", 10.0) in engine.given
    assert asyncio.get_running_loop().time() < 15


@virtual
async def test_a_slow_peer_is_not_dropped() -> None:
    wire = Wire(takes=0.5)
    engine = Watched({UserAudioSent: [AgentAudioSent(bytes(640))]})
    running = asyncio.create_task(pump(wire, engine).run())
    for _ in range(200):
        await wire.inbox.put(bytes(640))
    await wire.inbox.put(Closed(1005))
    await running
    assert LimitReached("stall", 10.0) not in engine.given


@virtual
async def test_a_caller_is_told_of_congestion_and_of_its_end() -> None:
    wire = Wire()
    wire.open.clear()
    engine = Watched({Ponged: [AgentAudioSent(bytes(640))] * 70})
    running = asyncio.create_task(pump(wire, engine, full="tell").run())
    await wire.inbox.put(Ponged())
    await asyncio.sleep(1)
    assert isinstance(engine.given[-1], Congested)
    wire.open.set()
    await asyncio.sleep(1)
    assert engine.given[2:] == [Congested(), Cleared()]
    await wire.inbox.put(Closed(1000))
    await running


@virtual
async def test_a_goodbye_that_never_arrives_does_not_hold_the_call() -> None:
    wire = Wire()
    wire.open.clear()
    engine = Watched({Opened: [SessionStarted("s"), Closed(1000, "bye", "provider")]})
    await pump(wire, engine).run()
    assert wire.aborted
    assert asyncio.get_running_loop().time() < 5


@virtual
async def test_the_peer_is_pinged_and_its_pongs_are_seen() -> None:
    wire, engine = Wire(), Watched()
    running = asyncio.create_task(pump(wire, engine, limits=PumpLimits(ping=20.0)).run())
    await asyncio.sleep(65)
    await wire.inbox.put(Ponged())
    await wire.inbox.put(Closed(1000))
    await running
    assert wire.pings == 3
    assert Ponged() in engine.given


@virtual
async def test_a_peer_that_was_told_of_the_end_may_hang_up_first_and_is_heard_until_then() -> None:
    wire = Wire()
    engine = Watched({Opened: [SessionEnded("agent_left"), Closed(1000, "", "provider")]})
    running = asyncio.create_task(pump(wire, engine).run())
    await asyncio.sleep(0.1)
    await wire.inbox.put(bytes(640))
    await asyncio.sleep(0.1)
    assert wire.closed is None
    assert engine.given[-1] == UserAudioSent(bytes(640))
    await wire.inbox.put(Closed(1005))
    await running
    assert asyncio.get_running_loop().time() < 0.3


@virtual
async def test_a_peer_that_does_not_hang_up_is_closed_on() -> None:
    wire = Wire()
    engine = Watched({Opened: [SessionEnded("agent_left"), Closed(1000, "", "provider")]})
    await pump(wire, engine).run()
    assert wire.closed == (1000, "")
    assert asyncio.get_running_loop().time() == pytest.approx(0.7, abs=0.1)


# --- read slowly, or not at all ------------------------------------------------------------------------


async def given_after(seconds: float, slowed: float | None) -> list[Event]:
    """What an engine that asked for it as it opened was given by then, of ten messages that were there."""
    wire, engine = Wire(), Watched({Opened: [ReadingSlowed(slowed)]})
    for _ in range(10):
        await wire.inbox.put(bytes(640))
    running = asyncio.create_task(pump(wire, engine, limits=PumpLimits(ping=None)).run())
    await asyncio.sleep(seconds)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return [event for event in engine.given if isinstance(event, UserAudioSent)]


@virtual
async def test_an_engine_may_have_its_messages_read_slowly() -> None:
    assert [len(await given_after(1.2, slowed)) for slowed in (0.0, 0.5, None)] == [10, 2, 0]


@virtual
async def test_a_close_without_a_code_or_a_word_is_the_sockets_to_make() -> None:
    for code in (1005, 1006):
        wire = Wire()
        await pump(wire, Watched({Opened: [Closed(code, "", "provider")]})).run()
        assert wire.closed == (code, "")


@virtual
async def test_a_close_of_the_peers_is_answered_as_an_ordinary_one() -> None:
    for code in (1005, 1006):
        wire = Wire()
        await wire.inbox.put(Closed(code))
        await pump(wire, Watched()).run()
        assert wire.closed == (1000, "")
