"""One websocket, from the upgrade to the close: the handshake's outcome becomes an engine on a pump.

What a session is made of is imported where it is made; see ``warming``.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from aiohttp import web

from voxemu import lint
from voxemu.drive.clock import Clock
from voxemu.drive.wheel import Wheel
from voxemu.engine import Engine, Tap
from voxemu.errors import Refused, VoxemuError
from voxemu.events import Closed, EndAsked, LimitReached
from voxemu.fault import Fault
from voxemu.provider import Admission, Answered, Asked, Codec, Key, Provider, Role
from voxemu.server.answers import RETRY_AFTER
from voxemu.server.config import Config, Effective
from voxemu.server.connection import Connection, Outcome
from voxemu.server.hits import Hits
from voxemu.server.issuing import Chance, Started, WatchedDesk
from voxemu.server.labels import label_in
from voxemu.server.news import News
from voxemu.server.registry import Past, Record, Registry
from voxemu.server.rounds import Rounds
from voxemu.server.taps import Taps
from voxemu.server.tcp import expendable, needed
from voxemu.server.timing import Timing

if TYPE_CHECKING:
    from voxemu.drive.websocket import Socket
    from voxemu.spoiler import Spoiler

log = logging.getLogger("voxemu")

NO_END_CALL = "F-NO-END-CALL"


NO_TOKEN = {
    "invalid": "the first message on the socket was something else",
    "timeout": "no message came in time",
}


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
        hits: Hits,
    ) -> None:
        self._hits = hits
        self._config = config
        self._desk = desk
        self._chance = chance
        self._registry = registry
        self._news = news
        self._taps = taps
        self._timing = timing
        self._holders: set[object] = set()
        # Whoever has a place: sessions on sockets, and rooms. A socket that waits for a token has none, and
        # is as idle as a connection that asks nothing.
        self._connections: set[Connection] = set()
        # Those that a pump runs on, also while they wait for a token.
        self._wheel = Wheel(asyncio.get_running_loop())
        self._rounds = Rounds(self._wheel)
        self.idle = asyncio.Event()
        self.idle.set()
        # While nobody has a place, and no pump runs.

    # --- places -----------------------------------------------------------------------------------------

    def full(self) -> str | None:
        """Why nobody else is let in; None while there are places."""
        most = self._config.settings.limits.sessions
        if len(self._holders) < most:
            return None
        self._hits.hit("sessions", most, "a session was turned away: so many are open")
        return f"{most} sessions are open, the most allowed here (limits.sessions)"

    def take_place(self, holder: object) -> None:
        self._holders.add(holder)
        self.idle.clear()

    def leave_place(self, holder: object) -> None:
        self._holders.discard(holder)
        self._look_whether_idle()

    def _look_whether_idle(self) -> None:
        if not self._holders and not self._connections:
            self.idle.set()

    @property
    def places_taken(self) -> int:
        return len(self._holders)

    def seat(self, request: web.Request) -> None:
        """The socket that this request became is a session from now on."""
        self.take_place(id(request))
        needed(request)

    # --- a websocket, from the upgrade to the close -----------------------------------------------------

    def judge(self, provider: Provider, asked: Asked) -> Outcome | Answered:
        """What becomes of this upgrade."""
        if (full := self.full()) is not None:
            return Answered(503, {"error": full}, {"Retry-After": RETRY_AFTER})
        return provider.admit(asked, self._desk, asyncio.get_running_loop().time())

    async def hold(
        self,
        provider: Provider,
        outcome: Outcome,
        asked: Asked,
        request: web.Request,
        struck: tuple[Fault, ...] = (),
    ) -> web.WebSocketResponse:
        """Upgrades and holds the call until it is over."""
        if isinstance(outcome, Admission):
            # By its number: a request is a mapping, which no set takes.
            self.take_place(id(request))
        else:
            expendable(request)
        try:
            return await self._held(provider, outcome, asked, request, struck)
        finally:
            self.leave_place(id(request))

    async def _held(
        self,
        provider: Provider,
        outcome: Outcome,
        asked: Asked,
        request: web.Request,
        struck: tuple[Fault, ...],
    ) -> web.WebSocketResponse:
        from voxemu.drive.websocket import AiohttpSocket

        longest = self._config.settings.limits.message
        ws = web.WebSocketResponse(autoping=False, heartbeat=None, compress=False, max_msg_size=longest)
        await ws.prepare(request)
        connection = Connection(self, provider, asked, self._timing.clock(), request, struck)
        socket = AiohttpSocket(ws, request.transport, longest)
        await self.run(connection, socket, connection.engine(outcome), provider)
        return ws

    # --- any socket -------------------------------------------------------------------------------------

    async def run(self, connection: Connection, socket: Socket, engine: Engine, provider: Provider) -> None:
        """Holds the call until it is over, and tells everybody of its end."""
        from voxemu.drive.pump import Pump, PumpLimits

        limits = self._config.settings.limits
        pump = Pump(
            socket,
            connection.codec,
            engine,
            clock=connection.clock,
            full="pause",
            limits=PumpLimits(
                limits.outbox, limits.stall, limits.ping, still=limits.still, ahead=limits.ahead
            ),
            on_still=connection.stands_still,
            wheel=self._wheel,
        )
        connection.pump = pump
        self._connections.add(connection)
        self.idle.clear()
        closed = Closed(1011, "internal error", "provider")
        try:
            closed = await pump.run()
        except asyncio.CancelledError:
            closed = Closed(1006, "the server was stopped", "provider")
            raise
        except Exception:
            log.exception("a session of %s broke; the others go on", provider.id)
        finally:
            self._rounds.leave(connection)
            self._connections.discard(connection)
            connection.over(closed)
            self._look_whether_idle()

    def shut_down(self) -> None:
        """Tells every live session, in its provider's own way."""
        for connection in list(self._connections):
            assert connection.pump is not None
            connection.pump.tell(EndAsked("shutdown", "the server is shutting down"))

    # --- for one call -----------------------------------------------------------------------------------

    def effective(self, provider: Provider, admission: Admission) -> Effective:
        return self._config.effective(provider.id, admission.agent, admission.key)

    def begin(
        self,
        provider: Provider,
        admission: Admission,
        clock: Clock,
        asked: Asked,
        effective: Effective | None = None,
    ) -> Record:
        """``effective``: where the call has settings of its own.

        Raises Refused ("setup") where the agent or its greeting cannot be made.
        """
        from voxemu.casting import cast
        from voxemu.dialogue.session import Session

        effective = effective or self.effective(provider, admission)
        try:
            played = cast(self._config.agent_behind(admission.agent), provider, effective.dialogue)
        except VoxemuError as error:
            log.error("a session of %s could not be set up: %s", provider.id, error)
            raise Refused("setup", str(error)) from error
        session = Session(provider, effective.dialogue, played.agent, session_id=admission.session_id)
        clock.begin(effective.dialogue.input_rate or provider.format.rate)
        record = Record(admission, session, effective, self._timing.date(), clock)
        record.clock_time = asyncio.get_running_loop().time()
        record.label = self._desk.start_of(admission).label or label_in(asked) or admission.key.label
        record.scripted_faults = played.faults
        self._registry.add(record)
        return record

    def began(self, record: Record, peer: str) -> None:
        self._desk.remarks.opened(record, peer)

    def spoiled(self, provider: Provider, record: Record, struck: tuple[Fault, ...]) -> Spoiler:
        """The session with what is to go wrong of it."""
        from voxemu.spoiler import Spoiler

        admission = record.admission
        start = self._desk.start_of(admission)
        self._desk.began(admission)
        faults = self._desk.book.of_session(provider, admission.key, record.label, record.scripted_faults)
        dice = self._chance.fault_dice(record.id)
        assert not isinstance(record.session, Past)
        return Spoiler(record.session, provider, faults, dice, (*start.faults, *struck))

    def codec(self, provider: Provider, settings: Any) -> Codec:
        return provider.codec(Role.PROVIDER, settings, self._chance.dice())

    def taps(self, provider: Provider, record: Record, asked: Asked, token: str | None) -> list[Tap]:
        return self._taps.of(provider, record, asked, token)

    def nobodys_settings(self, provider: Provider) -> Any:
        return self._desk.settings(provider.settings_type, "", Key())

    def asks(self, provider: Provider, label: str) -> None:
        """Whose token is about to be presented."""
        self._desk.asking = Started(label, (), provider.id)

    def present(self, provider: Provider, token: str) -> Admission:
        # Tokens live by the server's clock; a call's own begins with its connection, or with its audio.
        return provider.present(token, self._desk, asyncio.get_running_loop().time())

    def ended(self, record: Record, closed: Closed) -> None:
        provider = record.admission.provider
        if closed.by == "caller" and record.counters["opened"] and lint.applies(NO_END_CALL, provider):
            seen = "the user left the room, stayed away, and nobody asked for the session's end"
            self._taps.remark(record, lint.finding(NO_END_CALL, seen, provider), record.clock.now())
        self._taps.over(record, closed, record.clock.now())
        record.ended = asyncio.get_running_loop().time()
        self._registry.ended(record)
        self._news.ended(record)

    def met(self, reached: LimitReached) -> None:
        """By a socket that is no session yet."""
        self._hits.hit(reached.limit, reached.value, "by a socket that is no session yet")

    def never_began(self, provider: Provider, closed: Closed, label: str = "") -> None:
        if closed.by == "provider":
            for why, seen in NO_TOKEN.items():
                if Closed(closed.code, closed.reason, "provider") in provider.refusal(why):
                    self._desk.remarks.beside("F-NO-TOKEN", seen, provider.id, label)
            self._news.turned_away(provider.id, "socket", closed.code, closed.reason)

    def settle(self, record: Record) -> None:
        self._taps.settle(record, record.clock.now())

    def follow(self, connection: Connection, record: Record) -> None:
        if record.recording is not None:
            self._rounds.enter(connection)

    def stands_still(self, record: Record, seconds: float) -> None:
        seen = f"no audio for {seconds:g} s, so time stood still"
        if not any(each["code"] == "F-TIME-STOPPED" for each in record.findings):
            self.remark(record, "F-TIME-STOPPED", seen)

    def remark(self, record: Record, code: str, seen: str) -> None:
        """A finding that its engine cannot see."""
        found = lint.finding(code, seen, record.admission.provider)
        self._taps.remark(record, found, record.clock.now())
