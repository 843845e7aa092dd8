"""After fifty sessions nothing is left of them: no room, task, thread, socket, file descriptor or process."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
from pathlib import Path

import pytest

from tests.needs import lack
from tests.rooms.contract.conftest import Storyteller
from tests.rooms.house_of_rooms import Held, HouseOfRooms
from tests.rooms.kinds import KINDS
from tests.rooms.visits import run

pytestmark = [pytest.mark.sockets, pytest.mark.xdist_group("crowds")]

SETTLE = 60.0
# Seconds that sockets and children may take to go, and
CALM, STEP = 1.0, 0.2
# seconds after which what has not changed is what there is; seconds between looks.
PATIENCE = 300.0
# Seconds for ten sessions.


def descriptors() -> list[str]:
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found.append(str(entry.readlink()))
        except FileNotFoundError:
            continue  # The one that lists the others.
    return sorted(found)


def processes() -> set[int]:
    """Children of this process, and theirs."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        parents[int(stat.parent.name)] = int(fields[1])
    ours, found = {os.getpid()}, set()
    while ours:
        ours = {child for child, parent in parents.items() if parent in ours}
        found |= ours
    return found


def counted() -> dict[str, int]:
    gc.collect()
    return {
        "descriptors": len(descriptors()),
        "threads": threading.active_count(),
        "tasks": len(asyncio.all_tasks()),
        "children": len(processes()),
    }


BATCH = 10
# Rooms that are open at once: an agent on a real server is a process.


async def sessions(house: HouseOfRooms, count: int, at_a_time: int) -> list[Held]:
    held: list[Held] = []
    while len(held) < count:
        held += await batch(house, min(BATCH, count - len(held)), at_a_time)
    return held


async def batch(house: HouseOfRooms, count: int, at_a_time: int) -> list[Held]:
    held = [
        await house.hold("echo", background="ambience", join_wait=120.0, rejoin_wait=0.2)
        for _ in range(count)
    ]
    tokens = [one.token for one in held]
    command = [sys.executable, "-m", "tests.rooms.sdk_crowd", str(at_a_time), house.url, *tokens]
    assert await run(command, PATIENCE) == {"heard": count}
    tasks = [one.task for one in held]
    _, late = await asyncio.wait(tasks, timeout=SETTLE)
    assert not late
    return held


async def calm() -> dict[str, int]:
    """What there is, once nothing of it comes or goes any more."""
    now, unchanged = counted(), 0
    while unchanged < CALM / STEP or _starting():
        await asyncio.sleep(STEP)
        before, now = now, counted()
        unchanged = unchanged + 1 if now == before else 0
    return now


def _starting() -> bool:
    """Whether a spare agent is on its way: on a real server one always is ready, or soon."""
    return any("Child.start" in repr(task.get_coro()) for task in asyncio.all_tasks())


def more(now: dict[str, int], before: dict[str, int]) -> dict[str, int]:
    return {name: count - before[name] for name, count in now.items() if count > before[name]}


async def left(before: dict[str, int]) -> dict[str, int]:
    """What there is more than before, once there is nothing, or when it has had its time to go."""
    for _ in range(round(SETTLE / STEP)):
        if not (found := more(counted(), before)):
            break
        await asyncio.sleep(STEP)
    return found


@pytest.fixture(autouse=True)
def nothing_else(storyteller: Storyteller) -> None:
    """Stories that are still being played would be counted."""
    storyteller.finish()


@pytest.mark.parametrize("at_a_time", [1, 10])
def test_fifty_sessions_leave_nothing_behind(backend: str, at_a_time: int) -> None:
    if not Path("/proc/self/fd").is_dir():
        lack("there is no /proc to count in")

    async def story() -> dict[str, int]:
        async with KINDS[backend]() as house:
            await sessions(house, 2, 2)  # Imports, caches, pools: what is there once and for all.
            house.held.clear()
            before = await calm()
            held = await sessions(house, 50, at_a_time)
            # On a busy machine a leaving user may be lost instead: that session is over all the same.
            assert [one for one in held if one.ended is None] == []
            house.held.clear()
            held.clear()
            assert house.backend.describe()["rooms"] == 0
            return await left(before)

    assert asyncio.run(story()) == {}


def test_a_house_that_is_closed_leaves_nothing_behind(backend: str) -> None:
    async def once() -> None:
        async with KINDS[backend]() as house:
            await sessions(house, 1, 1)

    async def stories() -> dict[str, int]:
        await once()
        before = await calm()
        await once()
        return await left(before)

    assert asyncio.run(stories()) == {}
