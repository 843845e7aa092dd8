"""The engine in front of a session that makes things go wrong on the way to the line.

What the session says passes through here before the taps see it, so a recording has what went out. Audio
that a fault takes away or adds is accounted for at once: what comes next keeps its place in the recording,
and what came too much is told as never heard, as a caller that does it right has it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from voxemu.engine import Engine
from voxemu.events import (
    AgentAudioSent,
    Closed,
    Downlink,
    EndAsked,
    Event,
    FaultAsked,
    FaultInjected,
    Note,
    Opened,
    PlaybackFlushed,
    PlaybackStarted,
    ReadingSlowed,
    TellAsked,
    UserAudioSent,
)
from voxemu.fault import Fault
from voxemu.provider import Provider
from voxemu.spoiler.aim import Targets
from voxemu.spoiler.messages import note_of, spoiled
from voxemu.spoiler.moments import strike_of
from voxemu.spoiler.outlet import Outlet
from voxemu.spoiler.queue import NEVER
from voxemu.spoiler.sound import Sound
from voxemu.spoiler.support import supports

if TYPE_CHECKING:
    from random import Random

BROKEN = 1006
TURNS = (Opened, Closed, TellAsked, FaultAsked)
# What changes how things go here, coming in or going out.


class Spoiler:
    """``engine`` with ``faults``; see ``Engine`` for its laws. More faults come as ``FaultAsked``."""

    def __init__(
        self,
        engine: Engine,
        provider: Provider,
        faults: Iterable[Fault],
        rng: Random,
        struck: Iterable[Fault] = (),
    ) -> None:
        """``struck`` are faults that its start had: they are noted as it begins."""
        self._engine = engine
        self._provider = provider
        self._targets = Targets(rng)
        self._position = self._targets.position
        self._struck = tuple(struck)
        self._outlet = Outlet()
        self._late: deque[tuple[float, AgentAudioSent]] = deque()
        # Audio that is to come after its time.
        self._sound = Sound(provider, rng)
        self._slow: int | None = None
        # Messages that are still to be read slowly; None: all of them.
        self._closing = False
        # The engine is over; what is held back still goes.
        self._passing = False
        self._ending: Callable[[float], None] | None = None
        # What ends the call, once all that the engine said is out.
        self._calm = True
        # No fault has been asked for yet: nothing is held back, and what comes goes on as it is.
        for fault in faults:
            self._arm(fault)

    # --- the engine ------------------------------------------------------------

    @property
    def deadline(self) -> float | None:
        if self._calm:
            return self._engine.deadline
        due = min(self._dues(), default=NEVER)
        return None if due == NEVER else due

    def _dues(self) -> Iterator[float]:
        if self._outlet.over:
            return
        yield self._outlet.due
        if self._closing:
            return
        if (engine := self._engine.deadline) is not None:
            yield engine
        if self._late:
            yield self._late[0][0]
        yield self._sound.swap_due
        dead = self._outlet.dead_until
        yield self._targets.next_moment if dead is None else dead

    def receive(self, event: Event, now: float) -> list[Event]:
        if self._outlet.over:
            return []
        if self._calm and type(event) not in TURNS:
            self._position.passes(event)
            return self._let_by(self._engine.receive(event, now), now)
        self._run(now)
        if not self._closing:
            self._take(event, now)
        elif isinstance(event, Closed):
            self._outlet.over = True
        return self._outlet.said()

    def advance(self, now: float) -> list[Event]:
        if self._calm:
            return self._let_by(self._engine.advance(now), now)
        self._run(now)
        return self._outlet.said()

    def _let_by(self, events: list[Event], now: float) -> list[Event]:
        """While there is no fault: only what a later one would want to know is kept."""
        for number, event in enumerate(events):
            if isinstance(event, AgentAudioSent):
                self._position.sounds(event)
                self._sound.went_out(event)
                continue
            if type(event) in TURNS:
                self._outlet.remark(*events[:number])
                self._pass(events[number:], now)
                return self._outlet.said()
            if isinstance(event, PlaybackStarted | PlaybackFlushed):
                self._sound.noted(event)
            self._position.passes(event)
        return events

    def _run(self, now: float) -> None:
        """Does all that is due, each at its own time, however late the call comes."""
        while (due := self.deadline) is not None and due <= now:
            self._meet(due)

    def _meet(self, at: float) -> None:
        dead = self._outlet.dead_until
        if self._outlet.due <= at:
            self._outlet.leave(at)
        elif dead is not None and dead <= at:
            self._close(Closed(BROKEN, "the line was dead", "provider"), at)
        elif self._sound.swap_due <= at:
            self._send(self._sound.unswap(), at)
        elif self._late and self._late[0][0] <= at:
            self._send(self._sound.unheard(self._late.popleft()[1]), at)
        elif (due := self._engine.deadline) is not None and due <= at:
            self._pass(self._engine.advance(at), at)
        else:
            self._strike_moments(at)

    # --- in ------------------------------------------------------------

    def _take(self, event: Event, now: float) -> None:
        match event:
            case Opened() if not self._targets.is_open:
                self._targets.open(now)
                self._outlet.remark(*map(note_of, self._struck))
            case TellAsked(event=told):
                self._position.passes(told)
                self._send(self._spoiled(told, now), now)
                return
            case FaultAsked(fault=fault):
                self._arm(fault)
                self._strike_moments(now)
                return
        if self._outlet.dead_until is not None:
            self._ignore(event, now)
            return
        self._position.passes(event)
        self._pass(self._engine.receive(event, now), now)
        if isinstance(event, Closed):
            self._outlet.leave_remarks()
            self._calm = False
            return
        self._count_reading(event, now)
        self._strike_moments(now)

    def _ignore(self, event: Event, now: float) -> None:
        """On a dead line nothing is heard; whoever runs the emulator may end the session all the same."""
        if isinstance(event, EndAsked):
            self._close(Closed(BROKEN, event.reason, "provider"), now)
        elif isinstance(event, Closed):
            self._outlet.remark(*(e for e in self._engine.receive(event, now) if isinstance(e, Note)))
            self._outlet.over = True

    def _count_reading(self, event: Event, now: float) -> None:
        if self._slow is None or not isinstance(event, UserAudioSent):
            return
        self._slow -= 1
        if self._slow <= 0:
            self._slow = None
            self._send([ReadingSlowed(0.0)], now)

    def _arm(self, fault: Fault) -> None:
        if not supports(self._provider, fault.kind):
            said = f"{self._provider.id} cannot have it; nothing was done"
            self._outlet.remark(FaultInjected(fault.kind, said))
            return
        self._calm = False
        self._sound.keeps_all = self._sound.keeps_all or fault.kind == "late_audio"
        self._targets.add(fault)

    # --- out ------------------------------------------------------------

    def _pass(self, events: Iterable[Event], now: float) -> None:
        """What the engine said, message by message. What ends the call on purpose comes behind it."""
        self._passing = True
        for event in events:
            if isinstance(event, Note) or self._ending is None:
                self._pass_one(event, now)
        self._passing = False
        ending, self._ending = self._ending, None
        if ending is not None:
            ending(now)

    def _pass_one(self, event: Event, now: float) -> None:
        match event:
            case FaultAsked(fault=fault):
                self._arm(fault)
            case Closed():
                # A dead line takes no goodbye.
                dead = self._outlet.dead_until is not None
                said = event if not dead else Closed(BROKEN, event.reason, "provider")
                self._send([*self._sound.unswap(), said], now)
                self._closing = True
                self._calm = False
                return
            case AgentAudioSent():
                self._pass_audio(event, now)
            case _:
                if isinstance(event, PlaybackStarted | PlaybackFlushed):
                    self._sound.noted(event)
                self._position.passes(event)
                self._send(self._spoiled(event, now), now)
        self._strike_moments(now)

    def _send(self, events: Iterable[Event], now: float) -> None:
        """To the line, behind whatever is held back."""
        self._outlet.send(events, max(now, self._sound.held_until), now)

    def _pass_audio(self, event: AgentAudioSent, now: float) -> None:
        hits = list(self._targets.hit(event, now))
        self._position.sounds(event)
        notes = [note_of(aim.fault) for aim in hits if aim.is_told_each_time or aim.struck == 1]
        said = self._sound.passes(event, [aim.fault for aim in hits], now)
        self._send([*notes, *said], now)

    def _spoiled(self, event: Event, now: float) -> list[Event]:
        """Another message."""
        said: list[Event] = [event]
        if isinstance(event, Downlink):
            said = [*self._sound.unswap(), event]
        for aim in self._targets.hit(event, now):
            if aim.fault.kind == "late_audio":
                late = self._sound.late(aim.fault)
                self._late.extend((now + aim.fault.after_ms / 1000, each) for each in late)
            said = [note_of(aim.fault), *spoiled(aim.fault, event, said)]
        return said

    # --- moments ------------------------------------------------------------

    def _strike_moments(self, now: float) -> None:
        due = self._targets.due(now)
        while not self._closing and (fault := next(due, None)) is not None:
            self._strike(fault, now)
        self._targets.looked(now)

    def _strike(self, fault: Fault, now: float) -> None:
        strike = strike_of(fault, self._provider)
        if fault.kind == "slow_consumer":
            self._slow = strike.slow
        self._send(strike.said, now)
        if strike.dead is not None:
            self._outlet.dead_until = now + strike.dead
        match strike.ends:
            case Closed() as closed:
                self._close(closed, now)
            case EndAsked() as asked:
                self._end(lambda at: self._pass(self._engine.receive(asked, at), at), now)

    def _close(self, closed: Closed, now: float) -> None:
        self._end(lambda at: self._over_and_out(closed, at), now)

    def _end(self, act: Callable[[float], None], now: float) -> None:
        if not self._passing:
            act(now)
        elif self._ending is None:
            self._ending = act

    def _over_and_out(self, closed: Closed, now: float) -> None:
        """The engine accounts for what is open, and says nothing more to anybody."""
        self._outlet.dead_until = None
        gone = Closed(closed.code, closed.reason, "line")
        notes = [event for event in self._engine.receive(gone, now) if isinstance(event, Note)]
        self._send([*notes, closed], now)
        self._closing = True
