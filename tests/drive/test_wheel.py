"""The deadlines of many behind one timer, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from voxemu.drive.wheel import LITTER, Wheel
from voxemu.testing.virtual_loop import run_virtual


def virtual(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    def run() -> None:
        run_virtual(test(), limit=10_000)

    run.__name__ = test.__name__
    return run


class Rung:
    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.wheel = Wheel(self.loop)
        self.at: list[tuple[str, float]] = []

    def bell(self, name: str) -> Callable[[], None]:
        return lambda: self.at.append((name, self.loop.time()))


@virtual
async def test_each_rings_at_its_own_time_whatever_the_order_they_were_asked_in() -> None:
    rung = Rung()
    for name, due in (("c", 3.0), ("a", 1.0), ("b", 2.0)):
        rung.wheel.at(due, rung.bell(name))
    await asyncio.sleep(5)
    assert rung.at == [("a", 1.0), ("b", 2.0), ("c", 3.0)]


@virtual
async def test_of_two_at_the_same_time_the_older_rings_first() -> None:
    rung = Rung()
    rung.wheel.at(1.0, rung.bell("older"))
    rung.wheel.at(1.0, rung.bell("younger"))
    await asyncio.sleep(2)
    assert [name for name, _ in rung.at] == ["older", "younger"]


@virtual
async def test_what_is_past_rings_at_once() -> None:
    rung = Rung()
    await asyncio.sleep(4)
    rung.wheel.at(1.0, rung.bell("late"))
    await asyncio.sleep(0.001)
    assert rung.at == [("late", 4.0)]


@virtual
async def test_what_was_called_off_does_not_ring() -> None:
    rung = Rung()
    alarm = rung.wheel.at(1.0, rung.bell("never"))
    rung.wheel.at(2.0, rung.bell("other"))
    alarm.cancel()
    await asyncio.sleep(3)
    assert rung.at == [("other", 2.0)]


@virtual
async def test_one_that_rings_may_call_another_off_that_is_due_too() -> None:
    rung = Rung()
    rung.wheel.at(1.0, lambda: other.cancel())
    other = rung.wheel.at(1.0, rung.bell("never"))
    await asyncio.sleep(2)
    assert rung.at == []


@virtual
async def test_one_that_rings_may_ask_to_be_rung_again() -> None:
    rung = Rung()

    def again() -> None:
        rung.bell("again")()
        if len(rung.at) < 3:
            rung.wheel.at(rung.loop.time() + 1, again)

    rung.wheel.at(1.0, again)
    await asyncio.sleep(9)
    assert [at for _, at in rung.at] == [1.0, 2.0, 3.0]


@virtual
async def test_one_that_fails_keeps_nobody_from_ringing_and_is_told() -> None:
    rung, told = Rung(), []
    rung.loop.set_exception_handler(lambda _, context: told.append(context["exception"]))

    def fail() -> None:
        raise ZeroDivisionError

    rung.wheel.at(1.0, fail)
    rung.wheel.at(1.0, rung.bell("same"))
    rung.wheel.at(2.0, rung.bell("later"))
    await asyncio.sleep(3)
    assert rung.at == [("same", 1.0), ("later", 2.0)]
    assert [type(error) for error in told] == [ZeroDivisionError]


@virtual
async def test_what_was_called_off_is_swept_out() -> None:
    rung = Rung()
    for _ in range(10 * LITTER):
        rung.wheel.at(1e6, rung.bell("never")).cancel()
    assert len(rung.wheel) <= 2 * LITTER


def test_with_nothing_due_the_loop_has_no_timer() -> None:
    async def wait() -> None:
        rung = Rung()
        rung.wheel.at(1.0, rung.bell("once"))
        rung.wheel.at(2.0, rung.bell("never")).cancel()
        await asyncio.sleep(3)
        assert len(rung.loop._scheduled) == 1  # type: ignore[attr-defined]  # the limit of this run

    run_virtual(wait())
