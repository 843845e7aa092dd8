"""The user's samples on the call's axis, and where they are missing.

Samples lie where they arrived, and after that one behind the other without a hole, however the network or the
client chunked them; the clock is looked at for one thing only, to notice that none came for longer than the
patience. So jitter cannot change what was said, and silence by not sending is still silence.
"""

from __future__ import annotations

import math

from voxemu.events import InputGapped, InputStarted, Note


class Intake:
    """``opened`` and every ``now`` in seconds; positions in samples at ``rate``."""

    def __init__(self, rate: int, opened: float, patience: float) -> None:
        self._rate = rate
        self._opened = opened
        self._patience = patience
        self._started = False
        self._gap: int | None = None
        self.position = 0
        # Where the next sample lies.
        self.deadline: float | None = None
        # When missing audio becomes a gap.

    def at(self, now: float) -> int:
        return round((now - self._opened) * self._rate)

    def arrived(self, samples: int, now: float) -> list[Note]:
        """Lays ``samples`` down; what is to be said of their place before they are."""
        said = [] if self._started and self._gap is None else self._began(now)
        self.position += samples
        self.deadline = self._opened + self.position / self._rate + self._patience
        return said

    def _began(self, now: float) -> list[Note]:
        if self._started:
            return self._resumed(self.at(now))
        self._started = True
        self.position = self.at(now)
        return [InputStarted(self.position)]

    def _resumed(self, here: int) -> list[Note]:
        assert self._gap is not None
        gap, self._gap = self._gap, None
        self.position = max(here, gap)
        return [InputGapped(gap, self.position - gap, open=False)]

    def missed(self, now: float) -> InputGapped:
        """The deadline has passed: a gap is open from the end of what came."""
        self._gap, self.deadline = self.position, None
        # Rounded up: a gap noticed at its deadline is never shorter than the patience.
        return InputGapped(
            self._gap, max(0, math.ceil((now - self._opened) * self._rate) - self._gap), open=True
        )

    def ended(self, now: float) -> list[Note]:
        """The call is over; an open gap gets its length."""
        return self._resumed(self.at(now)) if self._gap is not None else []
