"""Two engines joined by a pretend network, in virtual time: no socket, no event loop, no clock.

The next thing to happen is always the earliest of what is on the wire, what is told from outside, and the two
deadlines; of those that fall together, in this order and the provider's deadline first, with the rules of
``Crank`` at either end. So the same engines, dice and links give the same call, message by message.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any, Literal

from voxemu.drive.crank import INSTANT, NEVER, Crank, canonical
from voxemu.drive.link import Link
from voxemu.engine import Engine
from voxemu.events import Closed, Event, Opened, ReadingSlowed, SessionEnded
from voxemu.provider import Codec, Message, Provider, Role

if TYPE_CHECKING:
    from random import Random

BROKEN = 1006


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
    """One engine and its codec; ``out`` is the link that its messages take."""

    def __init__(self, engine: Engine, codec: Any, out: Link) -> None:
        self.crank = Crank(engine)
        self.codec = codec
        self.out = out
        self.closed: Closed | None = None
        self.told_of_end = False
        self.slow: float | None = 0.0
        # Seconds before each message that is read, on purpose; None: nothing is read any more.
        self.inbox: deque[Message | Event] = deque()
        # What has arrived and is still to be read.


class Rehearsal:
    """Runs a call to its end. ``limit`` is the virtual second at which it is broken off; ``words`` makes the
    codec that speaks at the provider's end of its own."""

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
        words: Callable[[Codec], Codec] = lambda codec: codec,
    ) -> None:
        settings = provider.settings_type() if settings is None else settings
        self._caller = _End(caller, provider.codec(Role.CALLER, settings, rng), up or Link())
        self._session = _End(session, words(provider.codec(Role.PROVIDER, settings, rng)), down or Link())
        self._ends = {"caller": self._caller, "provider": self._session}
        self._limit = limit
        self._now = 0.0
        self._count = 0
        self._wire: list[tuple[float, int, int, _End, Message | Event | None]] = []
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
        first = session if session.crank.due <= caller.crank.due else caller
        due = first.crank.due
        arrives = self._wire[0][0] if self._wire else NEVER
        at = arrives if arrives < due else due
        if at > self._now:
            if at > self._limit or (caller.closed is not None and self._is_over(at)):
                return False
            self._now = canonical(at)
        if arrives <= due or arrives <= self._now:
            _, _, _, end, what = heappop(self._wire)
            self._deliver(end, what)
        else:
            self._post(first, first.crank.meet(self._now))
        return True

    def _is_over(self, at: float) -> bool:
        """Both have hung up, and neither will hear anything more."""
        if self._caller.closed is None or self._session.closed is None:
            return False
        return self._session.crank.is_deaf(at) and self._caller.crank.is_deaf(at)

    def _deliver(self, end: _End, what: Message | Event | None) -> None:
        """``None`` wakes an end that reads slowly."""
        if end.slow != 0 or end.inbox or what is None:
            what = self._read(end, what)
        if what is not None and end.crank.hears(self._now):
            for event in [what] if isinstance(what, Event) else end.codec.decode(what):
                self._receive(end, event)

    def _read(self, end: _End, what: Message | Event | None) -> Message | Event | None:
        """What an end that reads slowly reads now, if anything."""
        if isinstance(what, Event) and not isinstance(what, Closed):
            # From its own side of the line.
            return what
        if what is not None:
            end.inbox.append(what)
            if end.slow is not None and len(end.inbox) == 1:
                self._put(self._now + end.slow, 0, end, None)
            return None
        if end.slow is None:
            return None
        read = end.inbox.popleft()
        if end.inbox:
            self._put(self._now + end.slow, 0, end, None)
        return read

    def _receive(self, end: _End, event: Event) -> None:
        crank, now = end.crank, self._now
        if crank.due <= now + INSTANT:
            self._post(end, crank.meet(now))
        if type(event) is Closed:
            self._line_closed(end, event)
        elif crank.hears(now) and (said := crank.give(event, now)):
            self._post(end, said)

    def _line_closed(self, end: _End, closed: Closed) -> None:
        end.crank.lose_line()
        if end.closed is None:
            # Nobody is there any more to be sent an answer.
            end.closed = closed
            end.crank.give(closed, self._now)

    def _post(self, end: _End, events: Iterable[Event]) -> None:
        for event in events:
            if end.closed is not None:
                return
            if type(event) is Closed:
                end.closed = event
                end.crank.hang_up(self._now, in_words=end.told_of_end)
                self._send(end, Closed(event.code, event.reason, "line"))
                continue
            if type(event) is ReadingSlowed:
                end.slow = event.seconds
                continue
            for message in end.codec.encode(event):
                self._send(end, message)
                end.told_of_end |= type(event) is SessionEnded

    def _send(self, end: _End, what: Message | Event) -> None:
        arrival = end.out.carry(self._now)
        if arrival is not None:
            other = self._session if end is self._caller else self._caller
            self._put(arrival, 0, other, what)

    def _put(self, at: float, rank: int, end: _End, what: Message | Event | None) -> None:
        self._count += 1
        heappush(self._wire, (at, rank, self._count, end, what))


def rehearse(caller: Engine, session: Engine, provider: Provider, **how: Any) -> Rehearsed:
    """A whole call between two engines; ``how`` is as for ``Rehearsal``."""
    return Rehearsal(caller, session, provider, **how).run()
