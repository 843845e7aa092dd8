"""Whoever is looked in on again and again: recordings that are to reach the disk.

Each one's turn comes once in ``PERIOD``, and never that of more than ``FEW`` at once: however many sessions
were opened in the same instant and send in step, no tick of the loop writes for all of them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

from voxemu.drive.wheel import Alarm, Wheel

PERIOD = 0.09
# Seconds: a recording may lose 100 ms on a kill, and a tick may be late.
FEW = 8


class Member(Protocol):
    def keep_up(self) -> None: ...


class Rounds:
    """With nobody there nothing is armed."""

    def __init__(self, wheel: Wheel) -> None:
        self._wheel = wheel
        self._members: deque[Member] = deque()
        # Whose turn is next is first.
        self._alarm: Alarm | None = None
        self._due = 0.0

    def enter(self, member: Member) -> None:
        self._members.append(member)
        if self._alarm is None:
            self._due = asyncio.get_running_loop().time()
            self._wait()

    def leave(self, member: Member) -> None:
        """Also for whoever never came."""
        if member in self._members:
            self._members.remove(member)
        if not self._members and self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _wait(self) -> None:
        """Until the next few; by a grid, unless that lies in the past."""
        share = min(1.0, FEW / len(self._members))
        self._due = max(self._due + share * PERIOD, asyncio.get_running_loop().time())
        self._alarm = self._wheel.at(self._due, self._go)

    def _go(self) -> None:
        few = [self._members[at] for at in range(min(FEW, len(self._members)))]
        self._members.rotate(-len(few))
        for member in few:
            member.keep_up()
        if self._members:
            self._wait()
        else:
            self._alarm = None
