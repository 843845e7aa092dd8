"""Everybody's turn comes once in a period, a few at a time."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from voxemu.drive.wheel import Wheel
from voxemu.server.rounds import FEW, PERIOD, Rounds
from voxemu.testing.virtual_loop import run_virtual


class Member:
    def __init__(self, turns: list[tuple[float, Member]]) -> None:
        self._turns = turns

    def keep_up(self) -> None:
        self._turns.append((asyncio.get_running_loop().time(), self))


async def turns_of(count: int, seconds: float, leave_at: float = 1e9) -> list[tuple[float, Member]]:
    turns: list[tuple[float, Member]] = []
    rounds = Rounds(Wheel(asyncio.get_running_loop()))
    members = [Member(turns) for _ in range(count)]
    for member in members:
        rounds.enter(member)
    if leave_at < seconds:
        await asyncio.sleep(leave_at)
        for member in members:
            rounds.leave(member)
        seconds -= leave_at
    await asyncio.sleep(seconds)
    return turns


@pytest.mark.parametrize("count", [1, 5, FEW, 25, 400])
def test_nobody_waits_longer_than_a_period(count: int) -> None:
    turns = run_virtual(turns_of(count, 10 * PERIOD + 0.001))
    times = Counter(member for _, member in turns)
    assert len(times) == count
    assert set(times.values()) <= {9, 10, 11}


@pytest.mark.parametrize("count", [25, 400])
def test_no_tick_is_for_more_than_a_few(count: int) -> None:
    ticks = Counter(at for at, _ in run_virtual(turns_of(count, 1.0)))
    assert max(ticks.values()) <= FEW


def test_whoever_has_left_has_no_turn() -> None:
    turns = run_virtual(turns_of(25, 2.0, leave_at=0.5))
    assert max(at for at, _ in turns) <= 0.5


def test_with_nobody_there_nothing_is_armed() -> None:
    async def wait() -> None:
        await turns_of(3, 2.0, leave_at=1.0)
        assert len(asyncio.get_running_loop()._scheduled) == 1  # type: ignore[attr-defined]  # the limit

    run_virtual(wait())
