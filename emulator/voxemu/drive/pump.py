"""An engine on a live connection: the only asyncio below the shells.

One writer a connection, with a bounded outbox. What a full outbox does depends on the end: a provider stops
listening and speaking until the line takes messages again (``pause``), a caller is told and drops microphone
audio (``tell``). A line that takes nothing for ``stall`` seconds is dropped.

What time it is in the call is the ``clock``'s to say. Where that one stands while no audio comes, the pump
looks at the loop's for its own protection: ``on_still`` is told of a peer that sends none, and one that goes
on like that is sent away.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, TypeVar

from voxemu.drive.clock import Clock
from voxemu.drive.crank import LINGER, Crank
from voxemu.drive.vigil import LOOK, STILL, Vigil
from voxemu.drive.websocket import BROKEN, Socket
from voxemu.engine import Engine
from voxemu.events import (
    Cleared,
    Closed,
    Congested,
    EndAsked,
    Event,
    LimitReached,
    Opened,
    Ponged,
    SessionEnded,
    UserAudioSent,
)
from voxemu.provider import Codec, Message

A = TypeVar("A")


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


class Pump:
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
    ) -> None:
        self._socket = socket
        self._codec = codec
        self._crank = Crank(engine)
        self._clock = clock
        self._on_still = on_still
        self._full: Literal["pause", "tell"] = full
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._outbox: deque[Message] = deque()
        self._sent = 0
        self._waiting = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._closed: Closed | None = None
        self._over = asyncio.Event()
        self._gone = asyncio.Event()
        # The line itself is closed.
        self._told_of_end = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0
        self._watch: asyncio.TimerHandle | None = None
        self._failure: BaseException | None = None
        self._vigil = Vigil()

    async def run(self) -> Closed:
        """Holds the call until it is over, and says how it ended.

        An exception of the engine or the codec is a bug of ours: the connection is closed with 1011 and the
        exception goes on to the caller.
        """
        parts = (self._read(), self._write(), self._ping(), self._watch_over())
        tasks = [asyncio.create_task(part) for part in parts]
        self.tell(Opened())
        try:
            await self._over.wait()
            await self._say_goodbye(tasks)
        finally:
            self._disarm()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
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
        while True:
            if self._full == "pause":
                await self._room.wait()
            try:
                got = await self._socket.receive()
            except (ConnectionError, OSError) as error:
                got = Closed(BROKEN, str(error), "line")
            if isinstance(got, Closed):
                self._gone.set()
                self._hang_up(got)
                return
            await self._take(got)

    async def _take(self, got: Message | Ponged) -> None:
        """Gives the engine what came, as the clock cuts it."""
        self._vigil.messages += not isinstance(got, Ponged)
        for event in self._decoded(got):
            self._vigil.audio += isinstance(event, UserAudioSent)
            for part in self._clock.cut(event):
                if self._full == "pause" and not self._room.is_set():
                    await self._room.wait()
                self._give(part)

    def _decoded(self, got: Message | Ponged) -> list[Event]:
        if isinstance(got, Ponged):
            return [got]
        try:
            return self._codec.decode(got)
        except Exception as error:
            self._fail(error)
            return []

    def _give(self, event: Event) -> None:
        self._guarded(self._crank.meet, self._clock.now())
        if self._crank.hears(self._clock.now()):
            self._guarded(self._given, event)

    def _given(self, event: Event) -> list[Event]:
        said = self._crank.give(event, self._clock.now())
        self._clock.heard(event)
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
            self._guarded(self._given, closed)
            self._crank.hang_up(self._clock.now(), in_words=False)
        self._over.set()

    # --- the engine ------------------------------------------------------------

    def _guarded(self, act: Callable[[A], Iterable[Event]], given: A) -> None:
        if self._failure is not None:
            return
        try:
            self._post(act(given))
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
            if isinstance(event, Closed):
                self._closed = event
                self._crank.hang_up(self._clock.now(), in_words=self._told_of_end, linger=self._limits.linger)
                self._over.set()
            else:
                messages = self._codec.encode(event)
                self._outbox.extend(messages)
                self._told_of_end = self._told_of_end or bool(messages and isinstance(event, SessionEnded))
        if self._outbox:
            self._waiting.set()
        if len(self._outbox) >= self._limits.outbox and self._room.is_set():
            self._congest()

    def _arm(self) -> None:
        """Wakes the engine at its deadline; not while it is paused, nor where audio brings the time.

        A timer that is too early stays: most deadlines move with every frame, and it asks again.
        """
        due = self._crank.deadline
        held = self._full == "pause" and not self._room.is_set()
        if self._closed is not None or held or not self._clock.running:
            due = None
        if self._timer is not None:
            if due is not None and self._timer_due <= due:
                return
            self._timer.cancel()
            self._timer = None
        if due is not None:
            self._timer_due = due
            # The call's clock agrees with the loop's on how long a second is.
            wait = max(0.0, due - self._clock.now())
            self._timer = self._loop.call_later(wait, self._on_time, due)

    def _on_time(self, due: float) -> None:
        self._timer = None
        self._guarded(self._advanced, due)

    def _disarm(self) -> None:
        for handle in (self._timer, self._watch):
            if handle is not None:
                handle.cancel()

    # --- out ------------------------------------------------------------

    async def _write(self) -> None:
        while True:
            await self._waiting.wait()
            self._waiting.clear()
            while self._outbox:
                message = self._outbox.popleft()
                try:
                    await self._socket.send(message)
                except ConnectionError as error:
                    self._hang_up(Closed(BROKEN, str(error), "line"))
                    return
                self._sent += 1
                if not self._room.is_set() and len(self._outbox) <= self._limits.outbox // 2:
                    self._clear()
            if self._over.is_set():
                return

    def _congest(self) -> None:
        self._room.clear()
        self._watch = self._loop.call_later(self._limits.stall, self._judge_stall, self._sent)
        if self._full == "tell":
            self._guarded(self._given, Congested())

    def _clear(self) -> None:
        self._room.set()
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        if self._full == "tell":
            self._guarded(self._given, Cleared())
        else:
            self._arm()

    def _judge_stall(self, sent: int) -> None:
        if self._sent > sent:
            self._watch = self._loop.call_later(self._limits.stall, self._judge_stall, self._sent)
            return
        text = f"the peer took no message for {self._limits.stall:g} s"
        self._guarded(self._given, LimitReached("stall", self._limits.stall))
        self._hang_up(Closed(BROKEN, text, "line"))
        self._outbox.clear()
        self._socket.abort()

    async def _ping(self) -> None:
        if self._limits.ping is None:
            return
        while True:
            await asyncio.sleep(self._limits.ping)
            try:
                await self._socket.ping()
            except ConnectionError as error:
                self._hang_up(Closed(BROKEN, str(error), "line"))
                return

    async def _watch_over(self) -> None:
        """Where time waits for audio: is there any? What we do not read ourselves is not missed."""
        limit = self._limits.still
        while self._on_still is not None and not self._over.is_set():
            await asyncio.sleep(LOOK)
            if self._clock.running or not self._room.is_set():
                continue
            self._vigil.look()
            if self._vigil.stops_here:
                self._on_still(STILL)
            if limit is not None and self._vigil.silent_for >= limit:
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
        writer = tasks[1]
        try:
            async with asyncio.timeout(self._limits.goodbye):
                if self._closed.by != "line":
                    self._waiting.set()
                    await asyncio.wait([writer])
                if self._told_of_end:
                    await self._linger()
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await self._socket.close(self._closed.code, self._closed.reason)
        except (TimeoutError, ConnectionError):
            self._socket.abort()
