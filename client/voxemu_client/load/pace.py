"""How late an agent's audio comes, frame by frame."""

from __future__ import annotations

from voxemu_client.load.spread import Spread

LEAD = 0.02
# Seconds, at most, by which frames that come early move the line that later ones are held against: the first
# frame may itself have been late by a timer, and a reply that comes in a burst is early by design.
PAUSE = 1.0
# Seconds. A hole of at least so much is a stall or a pause of the agent's; what follows it tells.
LONGEST = 500
# Frames that may be waited for before that is settled.


class Pace:
    """Of one call. Each frame of a reply is due when those before it, from its first on, have sounded.

    After a hole of a second or more the frames of a server that stalled come faster than they last until
    they have caught up: the hole counts in full, and so do they, in proportion. Those of an agent that
    paused come at their pace: the pause is counted as one, and they are held against where it ended.
    """

    __slots__ = ("_due", "_held", "_slack", "_spread", "longest_pause", "pauses")

    def __init__(self, spread: Spread) -> None:
        self._spread = spread
        self._due: float | None = None
        self._slack = 0.0
        self._held: list[float] | None = None
        # Lateness since a hole.
        self.pauses = 0
        self.longest_pause = 0.0

    def frame(self, now: float, seconds: float, *, counts: bool = True) -> None:
        """One of ``seconds`` has come at ``now``; ``counts`` is whether it is to be measured."""
        due = self._due
        if due is None:
            due, self._slack = now, LEAD
        late = now - due
        if late < 0:
            ahead = min(-late, self._slack)
            self._slack -= ahead
            due -= ahead
            late = 0.0
        held = self._held
        if late >= PAUSE and late - (held[-1] if held else 0.0) >= PAUSE:
            due += self.settle()
            late = now - due
            held = self._held = [] if counts else None
        if held is not None:
            held.append(late)
        elif counts:
            self._spread.add(late)
        self._due = due + seconds
        if held is not None and len(held) >= LONGEST:
            self._due += self.settle()

    def end(self) -> None:
        """The reply is over; the next frame begins another."""
        self.settle()
        self._due = None

    def settle(self) -> float:
        """Judges the last hole, if there was one; the seconds of it that were a pause."""
        held, self._held = self._held, None
        if not held:
            return 0.0
        pause = min(held)
        if pause < PAUSE:
            pause = 0.0
        else:
            self.pauses += 1
            self.longest_pause = max(self.longest_pause, pause)
        for late in held:
            self._spread.add(late - pause)
        return pause
