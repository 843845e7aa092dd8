"""The processes of a load: started together, added up, ended together."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Callable
from time import monotonic
from typing import Any

from voxemu_client.load.kinds import LOST_PROCESS
from voxemu_client.load.machine import cores, make_room
from voxemu_client.load.order import Order
from voxemu_client.load.tally import Tally

AHEAD = 0.1
# Seconds from when all processes are ready until the load begins.
LINE = 1 << 26
# Bytes, at most, of one report.

Told = Callable[[float, int, Tally], None]
# Seconds since the load began, sessions held, what is known so far.


class Fleet:
    """``watch`` is told how things stand, about once a second."""

    def __init__(self, order: Order, watch: Told | None = None) -> None:
        self.order = order
        self.size = order.shared_by(cores())
        self._watch = watch
        self._ships = [_Ship(order, number, self.size, self._news) for number in range(self.size)]
        self._began: float | None = None
        self._told = float("-inf")

    def stop(self) -> None:
        """Ends all calls in their protocol's way."""
        for ship in self._ships:
            ship.stop()

    def abort(self) -> None:
        """Drops everything at once; what was measured is kept."""
        for ship in self._ships:
            ship.abort()

    async def run(self) -> Tally:
        """What all came to. Raises UsageError for an order that cannot be carried out."""
        make_room(-(-self.order.sessions // self.size))
        try:
            async with asyncio.TaskGroup() as launch:
                for ship in self._ships:
                    launch.create_task(ship.launch())
            self._began = monotonic() + AHEAD
            for ship in self._ships:
                ship.begin(self._began)
            await asyncio.gather(*(ship.arrive() for ship in self._ships))
        finally:
            for ship in self._ships:
                await ship.scuttle()
        return self._sum()

    def _sum(self) -> Tally:
        whole = Tally()
        for ship in self._ships:
            whole.merge(ship.tally)
        return whole

    def _news(self) -> None:
        if self._watch is None or self._began is None:
            return
        at = monotonic() - self._began
        # Each process reports by itself; together they are one picture.
        if at - self._told >= 0.9:
            self._told = at
            self._watch(at, sum(ship.held for ship in self._ships), self._sum())


class _Ship:
    """One process, with every ``step``-th session from ``first`` on."""

    def __init__(self, order: Order, first: int, step: int, news: Callable[[], None]) -> None:
        self.tally = Tally()
        self.held = 0
        self._order = order
        self._numbers = (first, step)
        self._news = news
        self._child: asyncio.subprocess.Process | None = None

    async def launch(self) -> None:
        self._child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "voxemu_client.load.worker"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LINE,
            start_new_session=True,
            # Ctrl-C reaches us alone: the calls end in order.
        )
        self._tell({"order": self._order.packed(), "numbers": self._numbers})
        assert self._child.stdout is not None
        await self._child.stdout.readline()

    def begin(self, when: float) -> None:
        self._tell({"begin": when})

    async def arrive(self) -> None:
        assert self._child is not None
        assert self._child.stdout is not None
        async for line in self._child.stdout:
            said = json.loads(line)
            self.tally, self.held = Tally.unpacked(said.get("over") or said["so_far"]), said.get("held", 0)
            self._news()
            if "over" in said:
                return
        mine = len(range(self._numbers[0], self._order.sessions, self._numbers[1]))
        lost = mine - self.tally.counts["failed"]
        self.tally.counts["failed"] += lost
        self.tally.errors[LOST_PROCESS] += lost
        self.tally.examples[LOST_PROCESS] = "a process of the generator ended in mid-load; see stderr"

    def stop(self) -> None:
        self._tell({"stop": True})

    def abort(self) -> None:
        if self._child is not None and self._child.stdin is not None:
            self._child.stdin.close()

    def _tell(self, what: dict[str, Any]) -> None:
        if self._child is None or self._child.stdin is None or self._child.stdin.is_closing():
            return
        with contextlib.suppress(ConnectionError):
            self._child.stdin.write(json.dumps(what).encode() + b"\n")

    async def scuttle(self) -> None:
        """It is over by itself, or is ended now."""
        if self._child is None:
            return
        self.abort()
        try:
            await asyncio.wait_for(self._child.wait(), 2.0)
        except TimeoutError:
            self._child.kill()
            await self._child.wait()
