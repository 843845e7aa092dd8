"""The server on a core of its own: what passes there for time, and that its calls are those of the plan."""

from __future__ import annotations

import asyncio
import gc
from time import thread_time

import pytest

from benchmarks import alone
from benchmarks.alone import measured, speeds
from benchmarks.own_core import OwnLoop, OwnTime
from benchmarks.workload import Workload

QUICK = Workload(100)


def work_for(seconds: float) -> None:
    until = thread_time() + seconds
    while thread_time() < until:
        pass


def test_time_passes_with_work() -> None:
    clock = OwnTime(1.0)
    work_for(0.002)
    assert clock.time() >= 0.002


def test_on_a_core_twice_as_fast_work_takes_half_as_long() -> None:
    slow, fast = OwnTime(1.0), OwnTime(2.0)
    slow.work = fast.work = 3600.0
    assert slow.worked() / fast.worked() == pytest.approx(2.0, rel=0.01)


def test_what_does_not_count_takes_no_time() -> None:
    clock = OwnTime(1.0)
    with clock.stopped():
        work_for(0.05)
    assert clock.time() < 0.05


def test_waiting_takes_no_work() -> None:
    async def waited() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, OwnLoop)
        worked = loop.clock.worked()
        await asyncio.sleep(3600.0)
        return loop.time(), loop.clock.worked() - worked

    with asyncio.Runner(loop_factory=lambda: OwnLoop(1.0)) as runner:
        passed, worked = runner.run(waited())
    assert passed >= 3600.0
    assert worked < 60.0


@pytest.mark.parametrize("provider", ["workbuddy", "lokutor", "lyzr-sip"])
def test_every_session_is_interrupted_once_a_period_and_sends_what_the_plan_has(provider: str) -> None:
    # On a core so fast that nothing is late.
    found = measured(provider, 2, 2, work=QUICK, speed=1000.0)
    assert found["stops"] == 4
    assert found["received"] == pytest.approx(found["expected"], abs=2)
    assert found["stop_max"] == 0.0


def test_what_is_frozen_for_it_is_looked_through_again_afterwards() -> None:
    callbacks = gc.callbacks[:]
    measured("workbuddy", 1, 1, work=QUICK, speed=1000.0)
    assert gc.get_freeze_count() == 0
    assert gc.callbacks == callbacks


def test_a_core_is_made_just_so_fast_that_it_is_busy_for_as_much_as_was_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(alone, "measured", lambda *given: {"us_for_20_ms": 200.0})
    # A hundredth of a core each, so 200 sessions take two of them.
    assert list(speeds("workbuddy", 200, [50, 100])) == pytest.approx([4.0, 2.0])
