"""How late agent audio is: paced, early, stalled, pausing."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from voxemu_client.load.pace import LONGEST, Pace
from voxemu_client.load.spread import Spread

FRAME = 0.02


def paced(count: int, start: float = 0.0) -> list[float]:
    return [start + n * FRAME for n in range(count)]


def measured(*replies: Iterable[float]) -> tuple[list[float], Pace]:
    """The lateness of replies whose frames come at these seconds, in milliseconds, sorted."""
    spread = Spread()
    pace = Pace(spread)
    for reply in replies:
        for at in reply:
            pace.frame(at, FRAME)
        pace.end()
    late = [grain / 10 for grain, times in sorted(spread.counts.items()) for _ in range(times)]
    return late, pace


@pytest.mark.parametrize(
    ("came", "expected"),
    [
        (paced(4), [0, 0, 0, 0]),
        ([0.0, 0.025, 0.04, 0.06], [0, 0, 0, 5]),
        # A timer was late with the first frame: the others tell.
        ([0.01, 0.02, 0.04, 0.06, 0.09], [0, 0, 0, 0, 10]),
        # A burst is early, however long it is; the frame that came 30 ms after it was due is late.
        ([0.0, 0.0, 0.0, 0.0], [0, 0, 0, 0]),
        ([0.0, 0.0, 0.0, 0.09], [0, 0, 0, 50]),
        # A stall of half a second, and what it delayed.
        ([0.0, 0.52, 0.53, 0.54, 0.55], [0, 470, 480, 490, 500]),
    ],
)
def test_a_frame_is_late_by_when_those_before_it_have_sounded(
    came: list[float], expected: list[float]
) -> None:
    assert measured(came)[0] == pytest.approx(expected, abs=0.11)


def test_every_frame_that_a_stall_held_back_is_late() -> None:
    # Fifty frames on time, nothing for two seconds, then all that were due meanwhile at once.
    came = [*paced(50), *[3.0] * 100, *paced(10, 3.0)]
    late, pace = measured(came)
    assert (len([ms for ms in late if ms > 1000]), pace.pauses) == (50, 0)
    assert late[-1] == pytest.approx(2000, abs=0.2)


def test_an_agent_that_pauses_is_not_late() -> None:
    late, pace = measured([*paced(50), *paced(50, 4.0)])
    assert (late, pace.pauses, round(pace.longest_pause, 3)) == ([0.0] * 100, 1, 3.0)


def test_lateness_after_a_pause_is_against_where_the_pause_ended() -> None:
    late, _ = measured([*paced(50), *paced(50, 4.0), 5.05])
    assert late[-1] == pytest.approx(50, abs=0.2)


def test_two_pauses_are_two() -> None:
    late, pace = measured([*paced(10), *paced(10, 2.0), *paced(10, 5.0)])
    assert (late, pace.pauses) == ([0.0] * 30, 2)


def test_a_pause_is_settled_while_the_reply_goes_on() -> None:
    late, pace = measured([*paced(10), *paced(LONGEST + 10, 3.0)])
    assert (late, pace.pauses) == ([0.0] * (LONGEST + 20), 1)


def test_replies_are_not_late_against_each_other() -> None:
    assert measured(paced(5), paced(5, 60.0))[0] == [0.0] * 10


def test_what_is_not_to_be_measured_is_not() -> None:
    spread = Spread()
    pace = Pace(spread)
    pace.frame(0.0, FRAME, counts=False)
    pace.frame(0.5, FRAME, counts=False)
    assert len(spread) == 0
