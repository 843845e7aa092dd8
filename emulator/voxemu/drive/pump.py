"""An engine on a live connection: the only asyncio below the shells.

One writer a connection, with a bounded outbox. What a full outbox does depends on the end: a provider stops
listening and speaking until the line takes messages again (``pause``), a caller is told and drops microphone
audio (``tell``). A line that takes nothing for ``stall`` seconds is dropped.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, TypeVar

from voxemu.drive.websocket import BROKEN, Socket
from voxemu.engine import Engine
from voxemu.events import Cleared, Closed, Congested, Event, LimitReached, Opened, Ponged, SessionEnded
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
    linger: float = 0.7
    # Seconds that a peer which was told of the session's end has to hang up itself: whether its microphone
    # goes on sending can only be seen while somebody listens.


class Pump:
    def __init__(
        self,
        socket: Socket,
        codec: Codec,
        engine: Engine,
        *,
        clock: Callable[[], float],
        full: Literal["pause", "tell"],
        limits: PumpLimits = PumpLimits(),
    ) -> None:
        self._socket = socket
        self._codec = codec
        self._engine = engine
        self._clock = clock
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
        self._timer_due: float | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._failure: BaseException | None = None

    async def run(self) -> Closed:
        """Holds the call until it is over, and says how it ended.

        An exception of the engine or the codec is a bug of ours: the connection is closed with 1011 and the
        exception goes on to the caller.
        """
        tasks = [asyncio.create_task(part) for part in (self._read(), self._write(), self._ping())]
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
        self._guarded(self._told, event)

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
            self._guarded(self._heard, got)

    def _heard(self, got: Message | Ponged) -> list[Event]:
        events = [got] if isinstance(got, Ponged) else self._codec.decode(got)
        said: list[Event] = []
        for event in events:
            said += self._engine.receive(event, self._clock())
        return said

    def _told(self, event: Event) -> list[Event]:
        return self._engine.receive(event, self._clock())

    def _advanced(self, due: float) -> list[Event]:
        return self._engine.advance(max(due, self._clock()))

    def _hang_up(self, closed: Closed) -> None:
        """The line is gone: the engine accounts for what is open."""
        if self._closed is None:
            self._closed = closed
            self._guarded(self._told, closed)
            self._over.set()

    # --- the engine ------------------------------------------------------------

    def _guarded(self, act: Callable[[A], Iterable[Event]], given: A) -> None:
        if self._failure is not None:
            return
        try:
            self._post(act(given))
            self._arm()
        except Exception as error:  # the engine's or the codec's own fault; run() raises it
            self._failure = error
            self._closed = Closed(1011, "internal error", "provider")
            self._over.set()

    def _post(self, events: Iterable[Event]) -> None:
        for event in events:
            if self._closed is not None:
                return
            if isinstance(event, Closed):
                self._closed = event
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
        """Wakes the engine at its deadline; not while it is paused."""
        due = self._engine.deadline
        held = self._full == "pause" and not self._room.is_set()
        if self._closed is not None or held:
            due = None
        if self._timer is not None:
            if due == self._timer_due:
                return
            self._timer.cancel()
            self._timer = None
        if due is not None:
            self._timer_due = due
            # The engine's clock is the loop's, or one that agrees with it on how long a second is.
            wait = due - self._clock()
            self._timer = self._loop.call_at(self._loop.time() + wait, self._on_time, due)

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
            self._guarded(self._told, Congested())

    def _clear(self) -> None:
        self._room.set()
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        if self._full == "tell":
            self._guarded(self._told, Cleared())
        else:
            self._arm()

    def _judge_stall(self, sent: int) -> None:
        if self._sent > sent:
            self._watch = self._loop.call_later(self._limits.stall, self._judge_stall, self._sent)
            return
        text = f"the peer took no message for {self._limits.stall:g} s"
        self._guarded(self._told, LimitReached("stall", self._limits.stall))
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
