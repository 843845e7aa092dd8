"""Two engines joined by a pretend network, in virtual time: no socket, no event loop, no clock.

The next thing to happen is always the earliest of what is on the wire, what is told from outside, and the two
deadlines; of those that fall together, in this order and the provider's deadline first, with the rules of
``Crank`` at either end. So the same engines, dice and links give the same call, message by message.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from voxemu.drive.crank import Crank, canonical
from voxemu.drive.link import Link
from voxemu.engine import Engine
from voxemu.events import Closed, Event, Opened, SessionEnded
from voxemu.provider import Message, Provider, Role

if TYPE_CHECKING:
    from random import Random

BROKEN = 1006
NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Told:
    """An event from one end's own side of the line: a microphone's audio, an end that is asked for."""

    at: float
    end: Literal["caller", "provider"]
    event: Event


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """How a rehearsal ended: the virtual second, and the close as each end has it."""

    seconds: float
    caller: Closed | None
    provider: Closed | None


class _End:
    """One engine and its codec; ``up`` is the link that its messages take."""

    def __init__(self, engine: Engine, codec: Any, out: Link) -> None:
        self.crank = Crank(engine)
        self.codec = codec
        self.out = out
        self.closed: Closed | None = None
        self.told_of_end = False
        self.gone = False
        # The line itself is closed.

    @property
    def due(self) -> float:
        deadline = self.crank.deadline
        return NEVER if deadline is None or self.closed is not None else deadline

    def hears(self, now: float) -> bool:
        return not self.gone and self.crank.hears(now)

    def is_over(self, now: float) -> bool:
        return self.gone or self.crank.is_deaf(now)


class Rehearsal:
    """Runs a call to its end. ``limit`` is the virtual second at which it is broken off."""

    def __init__(
        self,
        caller: Engine,
        session: Engine,
        provider: Provider,
        *,
        rng: Random,
        settings: Any = None,
        up: Link | None = None,
        down: Link | None = None,
        told: Iterable[Told] = (),
        limit: float = 600.0,
    ) -> None:
        settings = provider.settings_type() if settings is None else settings
        self._caller = _End(caller, provider.codec(Role.CALLER, settings, rng), up or Link())
        self._session = _End(session, provider.codec(Role.PROVIDER, settings, rng), down or Link())
        self._ends = {"caller": self._caller, "provider": self._session}
        self._limit = limit
        self._now = 0.0
        self._count = 0
        self._wire: list[tuple[float, int, int, _End, Message | Event]] = []
        for each in told:
            self._put(each.at, 1, self._ends[each.end], each.event)
        for cut in {link.cut for link in (self._caller.out, self._session.out)} - {None}:
            for end in self._ends.values():
                assert cut is not None
                self._put(cut, 2, end, Closed(BROKEN, "the line was cut", "line"))

    def run(self) -> Rehearsed:
        # The provider accepts before the caller knows of it.
        for end in (self._session, self._caller):
            self._receive(end, Opened())
        while self._step():
            pass
        return Rehearsed(self._now, self._caller.closed, self._session.closed)

    def _step(self) -> bool:
        session, caller = self._session, self._caller
        first, due = (session, session.due) if session.due <= caller.due else (caller, caller.due)
        due = max(self._now, due)
        arrives = self._wire[0][0] if self._wire else NEVER
        at = min(due, arrives)
        if at > self._limit or (self._hung_up and session.is_over(at) and caller.is_over(at)):
            return False
        now = canonical(at)
        self._now = max(self._now, now)
        if arrives <= at:
            *_, end, what = heapq.heappop(self._wire)
            self._deliver(end, what)
        else:
            self._post(first, first.crank.meet(self._now))
        return True

    @property
    def _hung_up(self) -> bool:
        return self._caller.closed is not None and self._session.closed is not None

    def _deliver(self, end: _End, what: Message | Event) -> None:
        if not end.hears(self._now):
            return
        for event in [what] if isinstance(what, Event) else end.codec.decode(what):
            self._receive(end, event)

    def _receive(self, end: _End, event: Event) -> None:
        self._post(end, end.crank.meet(self._now))
        if isinstance(event, Closed):
            self._line_closed(end, event)
        elif end.hears(self._now):
            self._post(end, end.crank.give(event, self._now))

    def _line_closed(self, end: _End, closed: Closed) -> None:
        end.gone = True
        if end.closed is None:
            # Nobody is there any more to be sent an answer.
            end.closed = closed
            end.crank.give(closed, self._now)

    def _post(self, end: _End, events: Iterable[Event]) -> None:
        for event in events:
            if end.closed:
                return
            if isinstance(event, Closed):
                end.closed = event
                end.crank.hang_up(self._now, in_words=end.told_of_end)
                self._send(end, Closed(event.code, event.reason, "line"))
                continue
            messages = end.codec.encode(event)
            end.told_of_end = end.told_of_end or bool(messages and isinstance(event, SessionEnded))
            for message in messages:
                self._send(end, message)

    def _send(self, end: _End, what: Message | Event) -> None:
        arrival = end.out.carry(self._now)
        if arrival is not None:
            other = self._session if end is self._caller else self._caller
            self._put(arrival, 0, other, what)

    def _put(self, at: float, rank: int, end: _End, what: Message | Event) -> None:
        self._count += 1
        heapq.heappush(self._wire, (at, rank, self._count, end, what))


def rehearse(caller: Engine, session: Engine, provider: Provider, **how: Any) -> Rehearsed:
    """A whole call between two engines; ``how`` is as for ``Rehearsal``."""
    return Rehearsal(caller, session, provider, **how).run()
