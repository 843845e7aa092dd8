"""An engine on a live connection: the only asyncio below the shells.

One task reads. What is to be said goes out where it is said, as long as the line takes it at once; from the
first message that it does not, all wait in a bounded outbox, and one task writes them until it is empty. What
a full outbox does depends on the end: a provider stops listening and speaking until the line takes messages
again (``pause``), a caller is told and drops microphone audio (``tell``). A line that takes nothing for
``stall`` seconds is dropped.

What time it is in the call is the ``clock``'s to say. Where that one stands while no audio comes, the pump
looks at the loop's for its own protection: ``on_still`` is told of a peer that sends none, and one that goes
on like that is sent away.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from voxemu.drive.clock import Clock
from voxemu.drive.crank import INSTANT, LINGER, NEVER, Crank
from voxemu.drive.vigil import LOOK, STILL, Vigil
from voxemu.drive.websocket import BROKEN, NO_STATUS, PromptSocket, Socket
from voxemu.drive.wheel import Alarm, Wheel
from voxemu.engine import Engine
from voxemu.events import (
    Cleared,
    Closed,
    Congested,
    EndAsked,
    Event,
    LimitReached,
    Opened,
    ReadingSlowed,
    SessionEnded,
    UserAudioSent,
)
from voxemu.provider import Codec, Message

NORMAL = 1000


@dataclass(frozen=True, slots=True)
class PumpLimits:
    outbox: int = 64
    # Messages.
    stall: float = 10.0
    ping: float | None = 20.0
    # Seconds between pings; None sends none.
    goodbye: float = 2.0
    # Seconds that a close may take.
    linger: float = LINGER
    still: float | None = 300.0
    # Seconds of the loop's time that a peer may send nothing while the call's clock waits for its audio.
    ahead: float | None = None
    # Seconds of audio that a peer may send faster than they pass; then it is read no faster than they do.


class Pump:
    """``wheel``: the one that its loop's other pumps have too; without one it has its own."""

    def __init__(
        self,
        socket: Socket,
        codec: Codec,
        engine: Engine,
        *,
        clock: Clock,
        full: Literal["pause", "tell"],
        limits: PumpLimits = PumpLimits(),
        on_still: Callable[[float], None] | None = None,
        wheel: Wheel | None = None,
    ) -> None:
        self._socket = socket
        self._offer = socket.offer if isinstance(socket, PromptSocket) else _not_at_once
        self._codec = codec
        self._crank = Crank(engine)
        self._clock = clock
        self._on_still = on_still
        self._pauses = full == "pause"
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._wheel = wheel or Wheel(self._loop)
        self._outbox: deque[Message] = deque()
        self._writing: asyncio.Task[None] | None = None
        # While the outbox is being emptied.
        self._took = 0.0
        # When the line took the last message, on the loop's clock; kept while it is congested.
        self._congested = False
        self._room = asyncio.Event()
        self._room.set()
        # Not congested.
        self._closed: Closed | None = None
        self._over = asyncio.Event()
        self._gone = asyncio.Event()
        # The line itself is closed.
        self._told_of_end = False
        self._alarm: Alarm | None = None
        # For the engine's deadline, or for an earlier one that it had.
        self._alarm_due = NEVER
        # By the call's clock.
        self._next_ping: Alarm | None = None
        self._pinging: asyncio.Task[None] | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._failure: BaseException | None = None
        self._vigil = Vigil() if clock.may_stand else None
        self._slow: float | None = 0.0
        # Seconds before each message that is read, on purpose; None: nothing is read any more.
        self._lead = 0.0
        # Seconds of the user's audio that came faster than they passed.
        self._met: set[str] = set()
        # Limits that were told.

    async def run(self) -> Closed:
        """Holds the call until it is over, and says how it ended.

        An exception of the engine or the codec is a bug of ours: the connection is closed with 1011 and the
        exception goes on to the caller.
        """
        tasks = [asyncio.create_task(self._read())]
        if self._vigil is not None and self._on_still is not None:
            tasks.append(asyncio.create_task(self._watch_over(self._vigil, self._on_still)))
        self._await_ping()
        self.tell(Opened())
        try:
            await self._over.wait()
            await self._say_goodbye(tasks)
        finally:
            self._disarm()
            await _ended([*tasks, self._writing, self._pinging])
        if self._failure is not None:
            raise self._failure
        assert self._closed is not None
        return self._closed

    def tell(self, event: Event) -> None:
        """Gives the engine an event from this side of the line: a microphone's audio, a shutdown."""
        if self._closed is None:
            self._give(event)

    # --- in ------------------------------------------------------------

    async def _read(self) -> None:
        clock = self._clock
        most = NEVER if self._limits.ahead is None else self._limits.ahead
        while True:
            if self._congested and self._pauses:
                await self._room.wait()
            if self._slow is None:
                await self._over.wait()
                return
            if self._slow:
                await asyncio.sleep(self._slow)
            try:
                got = await self._socket.receive()
            except OSError as error:
                got = Closed(BROKEN, str(error), "line")
            if isinstance(got, Message):
                events = self._decoded(got)
            elif isinstance(got, Closed):
                self._gone.set()
                self._hang_up(got)
                return
            elif isinstance(got, LimitReached):
                self._tell(got)
                continue
            else:
                events = [got]
            for event in events:
                # Time that passes by itself comes in whole events.
                for part in (event,) if clock.running else clock.cut(event):
                    if self._congested and self._pauses:
                        await self._room.wait()
                    self._give(part)
            if self._lead > most:
                # What a peer sends faster than real time waits at its end of the line.
                self._meet_once(LimitReached("ahead", most))
                await asyncio.sleep(self._lead - most)

    def _meet_once(self, limit: LimitReached) -> None:
        """A limit that is back-pressure, met again and again, is told when it is met first."""
        if limit.limit not in self._met:
            self._met.add(limit.limit)
            self._tell(limit)

    def _tell(self, event: Event) -> None:
        self._guarded(self._given, event, self._clock.now())

    def _decoded(self, got: Message) -> list[Event]:
        try:
            events = self._codec.decode(got)
        except Exception as error:
            self._fail(error)
            return []
        if self._vigil is not None:
            self._vigil.messages += 1
            self._vigil.audio += sum(isinstance(event, UserAudioSent) for event in events)
        return events

    def _give(self, event: Event) -> None:
        now = self._clock.now()
        if self._crank.due <= now + INSTANT:
            self._guarded(self._crank.meet, now)
        if self._closed is None or self._crank.hears(now):
            self._guarded(self._given, event, now)

    def _given(self, event: Event, now: float) -> list[Event]:
        said = self._crank.give(event, now)
        self._lead = self._clock.heard(event, now)
        if not self._clock.running:
            said += self._crank.pass_time(self._clock.now())
        return said

    def _advanced(self, due: float) -> list[Event]:
        return self._crank.meet(max(due, self._clock.now()))

    def _hang_up(self, closed: Closed) -> None:
        """The line is gone: the engine accounts for what is open."""
        for part in self._clock.cut(closed) if self._closed is None else ():
            if part is not closed:
                self._give(part)
        self._guarded(self._crank.meet, self._clock.now())
        if self._closed is None:
            # Nobody is there any more to be sent an answer.
            self._closed = closed
            self._tell(closed)
            self._crank.hang_up(self._clock.now(), in_words=False)
        self._over.set()

    # --- the engine ------------------------------------------------------------

    def _guarded(self, act: Callable[..., list[Event]], *given: Any) -> None:
        if self._failure is not None:
            return
        try:
            said = act(*given)
            if said:
                self._post(said)
            if self._crank.due < self._alarm_due:
                self._arm()
        except Exception as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        """The engine's or the codec's own fault; run() raises it."""
        self._failure = error
        self._closed = Closed(1011, "internal error", "provider")
        self._over.set()

    def _post(self, events: Iterable[Event]) -> None:
        for event in events:
            if self._closed is not None:
                return
            if type(event) is Closed:
                self._closed = event
                self._crank.hang_up(self._clock.now(), in_words=self._told_of_end, linger=self._limits.linger)
                self._over.set()
            elif type(event) is ReadingSlowed:
                self._slow = event.seconds
            else:
                messages = self._codec.encode(event)
                for message in messages:
                    self._send(message)
                self._told_of_end = self._told_of_end or bool(messages and type(event) is SessionEnded)
        if len(self._outbox) >= self._limits.outbox and not self._congested:
            self._congest()

    def _arm(self) -> None:
        """Wakes the engine at its deadline; not while it is paused, nor where audio brings the time.

        An alarm that is too early stays: most deadlines move with every frame, and it asks again.
        """
        due = self._crank.due
        if due >= self._alarm_due or self._rests:
            return
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_due = due
        # The call's clock agrees with the loop's on how long a second is.
        wait = max(0.0, due - self._clock.now())
        self._alarm = self._wheel.at(self._loop.time() + wait, self._on_time)

    @property
    def _rests(self) -> bool:
        """Whether no deadline is kept now."""
        return self._closed is not None or (self._congested and self._pauses) or not self._clock.running

    def _on_time(self) -> None:
        due, self._alarm_due, self._alarm = self._alarm_due, NEVER, None
        if not self._rests:
            self._guarded(self._advanced, due)

    def _disarm(self) -> None:
        for handle in (self._alarm, self._next_ping, self._watch):
            if handle is not None:
                handle.cancel()

    # --- out ------------------------------------------------------------

    def _send(self, message: Message) -> None:
        if self._writing is None:
            if self._offer(message):
                return
            self._writing = asyncio.create_task(self._write())
        self._outbox.append(message)

    async def _write(self) -> None:
        while self._outbox:
            message = self._outbox.popleft()
            try:
                await self._socket.send(message)
            except ConnectionError as error:
                self._hang_up(Closed(BROKEN, str(error), "line"))
                break
            if self._congested:
                self._took = self._loop.time()
                if len(self._outbox) <= self._limits.outbox // 2:
                    self._clear()
        self._writing = None

    def _congest(self) -> None:
        self._congested = True
        self._room.clear()
        self._took = self._loop.time()
        self._watch = self._loop.call_at(self._took + self._limits.stall, self._judge_stall)
        if not self._pauses:
            self._tell(Congested())
        elif self._clock.running:
            # On the media clock this is how fast clients are slowed down.
            self._meet_once(LimitReached("outbox", self._limits.outbox))

    def _clear(self) -> None:
        self._congested = False
        self._room.set()
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        if self._pauses:
            self._arm()
        else:
            self._tell(Cleared())

    def _judge_stall(self) -> None:
        due = self._took + self._limits.stall
        if self._loop.time() < due:
            self._watch = self._loop.call_at(due, self._judge_stall)
            return
        text = f"the peer took no message for {self._limits.stall:g} s"
        self._tell(LimitReached("stall", self._limits.stall))
        self._hang_up(Closed(BROKEN, text, "line"))
        self._outbox.clear()
        self._socket.abort()

    def _await_ping(self) -> None:
        if self._limits.ping is not None:
            self._next_ping = self._wheel.at(self._loop.time() + self._limits.ping, self._ping)

    def _ping(self) -> None:
        # One that the line has not taken yet is ping enough.
        if self._pinging is None:
            self._pinging = asyncio.create_task(self._send_ping())
        self._await_ping()

    async def _send_ping(self) -> None:
        try:
            await self._socket.ping()
        except ConnectionError as error:
            self._hang_up(Closed(BROKEN, str(error), "line"))
        self._pinging = None

    async def _watch_over(self, vigil: Vigil, on_still: Callable[[float], None]) -> None:
        """Where time waits for audio: is there any? What we do not read ourselves is not missed."""
        limit = self._limits.still
        while not self._over.is_set():
            await asyncio.sleep(LOOK)
            if self._clock.running or self._congested:
                continue
            vigil.look()
            if vigil.stops_here:
                on_still(STILL)
            if limit is not None and vigil.silent_for >= limit:
                self.tell(LimitReached("still", limit))
                self.tell(EndAsked("closed", f"nothing came for {limit:g} s"))

    async def _linger(self) -> None:
        try:
            async with asyncio.timeout(self._limits.linger):
                await self._gone.wait()
        except TimeoutError:
            return  # It waits for our close, as it may.

    async def _say_goodbye(self, tasks: list[asyncio.Task[None]]) -> None:
        """What is queued still goes out, then the close; neither may take for ever."""
        assert self._closed is not None
        try:
            async with asyncio.timeout(self._limits.goodbye):
                if self._closed.by != "line" and self._writing is not None:
                    await asyncio.wait([self._writing])
                if self._told_of_end:
                    await self._linger()
                await _ended([*tasks, self._writing, self._pinging])
                code = self._closed.code
                if self._closed.by == "line" and code in (NO_STATUS, BROKEN):
                    # The peer's close is answered, if anybody is there.
                    code = NORMAL
                await self._socket.close(code, self._closed.reason)
        except (TimeoutError, ConnectionError):
            self._socket.abort()


def _not_at_once(message: Message) -> bool:
    """Of a line that does not know: it is waited for."""
    return False


async def _ended(tasks: Iterable[asyncio.Task[None] | None]) -> None:
    running = [task for task in tasks if task is not None]
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
