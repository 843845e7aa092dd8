"""An engine, and the one way in which whoever drives it turns it.

Two ends of a call, timers and a network bring about many things at the same instant, and which of them a loop
comes to first is luck. So the order is a rule, and it is kept here for every driver: what an end is to do by
itself at an instant comes before what reaches it at that instant. With it neither end can tell whether the
other, or the network, was a little earlier.

For the same reason an end that has hung up hears nothing more, though something may be on its way. Only one
that has said so in its protocol's words listens on, from the next instant, to see whether the peer goes on.
"""

from __future__ import annotations

from voxemu.engine import Engine
from voxemu.events import Event

INSTANT = 1e-6
# Seconds. What lies closer together than this is at the same time: 0.3 s after 1.58 s is 1.88 s, whatever
# the last bit of a float says.
LINGER = 0.7
# Seconds that a peer which was told of the session's end has to hang up itself.
NEVER = float("inf")
NANO = 1e9
# Times that drivers give are whole nanoseconds: a clock that began at another second reads the same.


def canonical(seconds: float) -> float:
    return round(seconds * NANO) / NANO


class Crank:
    """Turns ``engine``; ``due`` is the engine's deadline, as it was after the last turn, or NEVER."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._last = float("-inf")
        self._listens_from = float("-inf")
        self._listens_to = NEVER
        self.due = NEVER if engine.deadline is None else engine.deadline

    def give(self, event: Event, now: float) -> list[Event]:
        """The answer to ``event``. What is due by then is to be met first: it may be the end of the call."""
        if now < self._last:
            now = self._last
        self._last = now
        said = self._engine.receive(event, now)
        deadline = self._engine.deadline
        self.due = NEVER if deadline is None else deadline
        return said

    def meet(self, now: float) -> list[Event]:
        """What is due by ``now``, this instant included."""
        if self.due > now + INSTANT:
            return []
        now = self.due if self.due > now else now
        self._last = now = now if now > self._last else self._last
        said = self._engine.advance(now)
        deadline = self._engine.deadline
        self.due = NEVER if deadline is None else deadline
        return said

    def hang_up(self, now: float, *, in_words: bool, linger: float = LINGER) -> None:
        """The call is over at this end; ``in_words`` when the peer was told by a message."""
        self._listens_from = now + INSTANT
        self._listens_to = now + linger if in_words else now

    def lose_line(self) -> None:
        """Nothing comes any more."""
        self._listens_to = float("-inf")

    def hears(self, now: float) -> bool:
        """Whether what comes now is still given to the engine."""
        return self._listens_from < now <= self._listens_to

    def is_deaf(self, now: float) -> bool:
        """Whether nothing that comes from now on is."""
        return now > self._listens_to

    def pass_time(self, until: float) -> list[Event]:
        """What is due by ``until``, each at its own time: for a driver whose clock was not running."""
        said: list[Event] = []
        while self.due <= until + INSTANT:
            said += self.meet(self.due)
        return said
