"""One websocket, from the upgrade to the close: the handshake's outcome becomes an engine on a pump."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from aiohttp import web

from voxemu.agents import make_agent
from voxemu.dialogue.doorkeeper import Doorkeeper
from voxemu.dialogue.session import Session
from voxemu.drive.clock import Clock
from voxemu.drive.pump import Pump, PumpLimits
from voxemu.drive.websocket import AiohttpSocket
from voxemu.engine import Engine, Tap, Tapped
from voxemu.errors import Refused, VoxemuError
from voxemu.events import Closed, EndAsked, ErrorReported, Event, Opened
from voxemu.greeting import greeted
from voxemu.lint import finding
from voxemu.provider import Admission, Answered, Asked, Codec, Key, Message, Provider, Role, TokenAwaited
from voxemu.server.config import Config
from voxemu.server.issuing import Chance, WatchedDesk
from voxemu.server.news import News
from voxemu.server.registry import Record, Registry
from voxemu.server.taps import Taps
from voxemu.server.timing import Timing

log = logging.getLogger("voxemu")

Outcome = Admission | TokenAwaited | tuple[Event, ...]

NOT_SET_UP = (
    ErrorReported("The session could not be set up; the server's log says why"),
    Closed(1011, "session setup failed", "provider"),
)


class Calls:
    """Holds the calls of this server."""

    def __init__(
        self,
        config: Config,
        desk: WatchedDesk,
        chance: Chance,
        registry: Registry,
        news: News,
        taps: Taps,
        timing: Timing,
    ) -> None:
        self._config = config
        self._desk = desk
        self._chance = chance
        self._registry = registry
        self._news = news
        self._taps = taps
        self._timing = timing
        self._sockets: set[Pump] = set()
        # Also those that wait for a token.
        self.idle = asyncio.Event()
        self.idle.set()
        # While no socket is open.

    def judge(self, provider: Provider, asked: Asked) -> Outcome | Answered:
        """What becomes of this upgrade."""
        most = self._config.settings.limits.sessions
        if len(self._sockets) >= most:
            text = f"{most} sessions are open, the most allowed here (limits.sessions)"
            return Answered(503, {"error": text}, {"Retry-After": "5"})
        return provider.admit(asked, self._desk, asyncio.get_running_loop().time())

    async def hold(
        self, provider: Provider, outcome: Outcome, asked: Asked, request: web.Request
    ) -> web.WebSocketResponse:
        """Upgrades and holds the call until it is over."""
        limits = self._config.settings.limits
        ws = web.WebSocketResponse(
            autoping=False, heartbeat=None, compress=False, max_msg_size=limits.message
        )
        await ws.prepare(request)
        call = _Call(self, provider, asked, self._timing.clock())
        engine = call.engine(outcome)
        pump = Pump(
            AiohttpSocket(ws, request.transport),
            call.codec,
            engine,
            clock=call.clock,
            full="pause",
            limits=PumpLimits(limits.outbox, limits.stall, limits.ping, still=limits.still),
            on_still=call.stands_still,
        )
        self._sockets.add(pump)
        self.idle.clear()
        call.pump = pump
        closed = Closed(1011, "internal error", "provider")
        settling = asyncio.create_task(call.settle())
        try:
            closed = await pump.run()
        except asyncio.CancelledError:
            closed = Closed(1006, "the server was stopped", "provider")
            raise
        except Exception:
            log.exception("a session of %s broke; the others go on", provider.id)
        finally:
            settling.cancel()
            self._sockets.discard(pump)
            call.over(closed)
            if not self._sockets:
                self.idle.set()
        return ws

    def shut_down(self) -> None:
        """Tells every live session, in its provider's own way."""
        for pump in list(self._sockets):
            pump.tell(EndAsked("shutdown", "the server is shutting down"))

    # --- for one call -----------------------------------------------------------------------------------

    def begin(self, provider: Provider, admission: Admission, clock: Clock) -> Record:
        """Raises Refused ("setup") where the agent or its greeting cannot be made."""
        effective = self._config.effective(provider.id, admission.agent, admission.key)
        try:
            agent = greeted(make_agent(self._config.agent_behind(admission.agent)), effective.dialogue)
        except VoxemuError as error:
            log.error("a session of %s could not be set up: %s", provider.id, error)
            raise Refused("setup", str(error)) from error
        session = Session(provider, effective.dialogue, agent, session_id=admission.session_id)
        clock.begin(effective.dialogue.input_rate or provider.format.rate)
        record = Record(admission, session, effective, self._timing.date(), clock)
        self._registry.add(record)
        return record

    def codec(self, provider: Provider, settings: Any) -> Codec:
        return provider.codec(Role.PROVIDER, settings, self._chance.dice())

    def taps(self, provider: Provider, record: Record, asked: Asked, token: str | None) -> list[Tap]:
        return self._taps.of(provider, record, asked, token)

    def nobodys_settings(self, provider: Provider) -> Any:
        return self._desk.settings(provider.settings_type, "", Key())

    def present(self, provider: Provider, token: str, now: float) -> Admission:
        return provider.present(token, self._desk, now)

    def ended(self, record: Record, closed: Closed) -> None:
        self._taps.over(record, closed, record.clock.now())
        self._registry.ended(record)
        self._news.ended(record)

    def never_began(self, provider: Provider, closed: Closed) -> None:
        if closed.by == "provider":
            self._news.turned_away(provider.id, "socket", closed.code, closed.reason)

    def settle(self, record: Record) -> None:
        self._taps.settle(record, record.clock.now())

    def stands_still(self, record: Record, seconds: float) -> None:
        seen = f"no audio for {seconds:g} s, so time stood still"
        found = finding("F-TIME-STOPPED", seen, record.admission.provider)
        if not any(each["code"] == found.code for each in record.findings):
            self._taps.remark(record, found, record.clock.now())


class _Call:
    """One connection, before and after it is a session."""

    def __init__(self, calls: Calls, provider: Provider, asked: Asked, clock: Clock) -> None:
        self._calls = calls
        self._provider = provider
        self._asked = asked
        self.clock = clock
        self._record: Record | None = None
        self.codec: Codec = calls.codec(provider, calls.nobodys_settings(provider))
        self.pump: Pump | None = None

    def engine(self, outcome: Outcome) -> Engine:
        match outcome:
            case Admission():
                try:
                    return self._session(outcome, None)
                except Refused:
                    return Rebuff(NOT_SET_UP)
            case TokenAwaited(seconds=seconds):
                # One codec reads throughout; whose settings it writes with is known with the token.
                self.codec = Respelled(self.codec)
                return Doorkeeper(self._provider, seconds, self._begin)
            case _:
                return Rebuff(outcome)

    def _begin(self, token: str, now: float) -> Engine:
        return self._session(self._calls.present(self._provider, token, now), token)

    def _session(self, admission: Admission, token: str | None) -> Engine:
        record = self._calls.begin(self._provider, admission, self.clock)
        self._record = record
        codec = self._calls.codec(self._provider, record.effective.wire)
        if isinstance(self.codec, Respelled):
            self.codec.writer = codec
        else:
            self.codec = codec
        return Tapped(record.session, self._calls.taps(self._provider, record, self._asked, token))

    async def settle(self) -> None:
        """Lets what is recorded reach the disk while no event comes."""
        while True:
            await asyncio.sleep(1.0)
            if self._record is not None:
                self._calls.settle(self._record)

    def stands_still(self, seconds: float) -> None:
        """The clock waits for audio that does not come."""
        if self._record is not None:
            self._calls.stands_still(self._record, seconds)

    def over(self, closed: Closed) -> None:
        if self._record is None:
            self._calls.never_began(self._provider, closed)
        else:
            self._calls.ended(self._record, closed)


class Rebuff:
    """The engine of a connection that is opened only to be told these events."""

    deadline: float | None = None

    def __init__(self, events: tuple[Event, ...]) -> None:
        self._events = list(events)

    def receive(self, event: Event, now: float) -> list[Event]:
        if not isinstance(event, Opened):
            return []
        events, self._events = self._events, []
        return events

    def advance(self, now: float) -> list[Event]:
        return []


class Respelled:
    """A codec that reads as ``reader`` and writes as ``writer``: the same protocol with other settings."""

    def __init__(self, codec: Codec) -> None:
        self.reader = codec
        self.writer = codec

    def encode(self, event: Event) -> list[Message]:
        return self.writer.encode(event)

    def decode(self, message: Message) -> list[Event]:
        return self.reader.decode(message)
