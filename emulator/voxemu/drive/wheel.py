"""The deadlines of everybody on one event loop, behind a single timer of the loop's.

A timer of the loop's own for each session is made, sorted in by calls to Python and thrown away for every
frame; a task that sleeps is that and two switches more. Here a deadline is a number in a heap. Deadlines are
absolute, so that a late one moves no other; with nobody there the loop has no timer at all.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from itertools import count

NEVER = float("inf")
NOW = -NEVER
# Of the loop's timer, while it is being answered: nothing could come before it.
INSTANT = 1e-6
# Seconds; what lies closer together is due together.
TO_THE_NEXT = 0.0005
# Seconds: uvloop rounds to the nearest millisecond, and half a one makes that the next.
LITTER = 64
# Alarms that were called off and still lie in the heap, before it is looked through.


class Alarm:
    """Rings once, at ``due``; ``cancel`` calls it off."""

    __slots__ = ("_act", "_wheel", "due")

    def __init__(self, wheel: Wheel, due: float, act: Callable[[], None]) -> None:
        self.due = due
        self._wheel = wheel
        self._act: Callable[[], None] | None = act

    @property
    def pending(self) -> bool:
        return self._act is not None

    def cancel(self) -> None:
        if self._act is not None:
            self._act = None
            self._wheel.called_off()

    def ring(self) -> None:
        act, self._act = self._act, None
        if act is not None:
            act()


class Wheel:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._heap: list[tuple[float, int, Alarm]] = []
        self._count = count()
        # Of two alarms at the same time the older one rings first.
        self._litter = 0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = NEVER
        self._slack = 0.0 if isinstance(loop, asyncio.BaseEventLoop) else TO_THE_NEXT

    def __len__(self) -> int:
        """What lies in the heap, called off or not."""
        return len(self._heap)

    def at(self, due: float, act: Callable[[], None]) -> Alarm:
        """Calls ``act`` when the loop's time is ``due``, at the next turn of the loop where that is past."""
        alarm = Alarm(self, due, act)
        heapq.heappush(self._heap, (due, next(self._count), alarm))
        if due < self._timer_due:
            self._arm()
        return alarm

    def called_off(self) -> None:
        self._litter += 1
        if self._litter > LITTER and self._litter > len(self._heap) // 2:
            self._heap = [entry for entry in self._heap if entry[2].pending]
            heapq.heapify(self._heap)
            self._litter = 0

    def _turn(self) -> None:
        self._timer, self._timer_due = None, NOW
        due, now = [], self._loop.time() + INSTANT
        while self._heap and self._heap[0][0] <= now:
            due.append(heapq.heappop(self._heap)[2])
        for alarm in due:
            self._litter -= not alarm.pending
            try:
                alarm.ring()
            except Exception as error:
                # The others are due all the same.
                self._loop.call_exception_handler({"message": "an alarm failed", "exception": error})
        self._timer_due = NEVER
        self._arm()

    def _arm(self) -> None:
        """Has the loop wake us for the first of them; a timer that is too early stays."""
        if not self._heap or self._heap[0][0] >= self._timer_due:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_due = self._heap[0][0]
        self._timer = self._loop.call_at(self._timer_due + self._slack, self._turn)
