"""What the user means to do in a call, step by step, each when its moment has come.

A step waits for the first moment of its name after the step before it began, and then for its delay. So the
steps of a call are a list and not a graph, and the same script does the same thing at every latency.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from voxemu.scenario.moments import TURN_OVER
from voxemu_client.speech import Clip

AT = "at"
# Not a moment: so many seconds after the connection opened.


@dataclass(frozen=True, slots=True)
class Step:
    """Says ``clip``, or hangs up where there is none."""

    clip: Clip | None
    after: str = TURN_OVER
    # A name of ``scenario.moments``, or AT.
    delay: float = 0.0
    # Seconds.
    barge_in: bool = False
    # It is to be spoken over the agent: that the agent sounds by then is part of what is expected.
    number: int = 0
    # Of the step in its scenario, counted from 1.


@dataclass(frozen=True, slots=True)
class Taken:
    """A step that was begun."""

    step: Step
    at: float
    # Seconds since the connection opened.
    over_agent: bool
    # The agent sounded at that moment.


class Agenda:
    """Times are seconds on the engine's clock."""

    def __init__(self, steps: Iterable[Step]) -> None:
        self._left = deque(steps)
        self._opened = 0.0
        self._due: float | None = None

    @property
    def left(self) -> tuple[Step, ...]:
        return tuple(self._left)

    @property
    def is_done(self) -> bool:
        return not self._left

    @property
    def due(self) -> float | None:
        """When the next step is to begin; None while its moment has not come."""
        return self._due

    def open(self, now: float) -> None:
        self._opened = now
        self._look()

    def happened(self, name: str, at: float) -> None:
        if self._due is None and self._left and self._left[0].after == name:
            self._due = at + self._left[0].delay

    def take(self) -> Step:
        """The next step, whatever it was waiting for."""
        step = self._left.popleft()
        self._due = None
        self._look()
        return step

    def _look(self) -> None:
        if self._left and self._left[0].after == AT:
            self._due = self._opened + self._left[0].delay
