"""Coordinated omission: what a stalled server keeps from being measured is counted all the same."""

from __future__ import annotations

import pytest

from voxemu.audio import AudioFormat
from voxemu.events import BargedIn
from voxemu_client.account import SpokenTurn
from voxemu_client.agenda import AT, Step, Taken
from voxemu_client.load.spread import Spread
from voxemu_client.load.waits import Wait, turn_waits, unheeded, unsaid, with_open
from voxemu_client.speech import Clip

AXIS = AudioFormat(16_000)
CLIP = Clip("stop", b"\0\0")


def turns(*ends_and_replies: tuple[float | None, float | None]) -> list[SpokenTurn]:
    """By where they ended and were answered, in seconds."""
    return [
        SpokenTurn(
            at,
            "hello",
            0,
            None if end is None else AXIS.samples(end),
            None if reply is None else AXIS.samples(reply),
        )
        for at, (end, reply) in enumerate(ends_and_replies, 1)
    ]


def yes(seconds: float) -> Wait:
    return Wait(pytest.approx(seconds))  # type: ignore[arg-type]


def no(seconds: float) -> Wait:
    return Wait(pytest.approx(seconds), answered=False)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("said", "until", "expected"),
    [
        # Each is answered.
        (turns((1, 1.5), (6, 6.3)), None, [yes(0.5), yes(0.3)]),
        # The first had no answer of its own: it waited for the second one's.
        (turns((1, None), (6, 6.3)), None, [yes(5.3), yes(0.3)]),
        (turns((1, None), (6, None), (11, 12)), None, [yes(11), yes(6), yes(1)]),
        # No answer yet: nothing is known.
        (turns((1, 1.5), (6, None)), None, [yes(0.5)]),
        (turns((1, None), (6, None)), None, []),
        # The call is over: they waited until then, at least.
        (turns((1, None), (6, None)), 10, [no(9), no(4)]),
        (turns((1, 1.5), (6, None)), 7, [yes(0.5), no(1)]),
        # One is being said, or was broken off before it was a turn.
        (turns((1, 1.5), (None, None)), None, [yes(0.5)]),
        (turns((1, 1.5), (None, None)), 5, [yes(0.5)]),
        (turns((None, None), (6, 6.5)), None, [yes(0.5)]),
        ([], 5, []),
    ],
)
def test_a_turn_waits_for_the_next_answer_or_for_the_end(
    said: list[SpokenTurn], until: float | None, expected: list[Wait]
) -> None:
    assert turn_waits(said, 0, AXIS, until)[0] == expected


def test_a_turn_is_counted_once_however_often_one_looks() -> None:
    said = turns((1, 1.5), (6, None))
    waits, first = turn_waits(said, 0, AXIS)
    said[1].reply = AXIS.samples(6.2)
    more, first = turn_waits(said, first, AXIS)
    assert [*waits, *more, *turn_waits(said, first, AXIS, until=20)[0]] == [yes(0.5), yes(0.2)]


def test_the_callers_jitter_buffer_is_not_the_servers_latency() -> None:
    said = turns((1, 1.5), (6, 6.02))
    assert turn_waits(said, 0, AXIS, buffer=0.06)[0] == [yes(0.44), yes(0.0)]


@pytest.mark.parametrize(
    ("waited", "expected"),
    [(0.01, []), (2.0, []), (3.0, [0.9]), (30.0, [27.9, 22.9, 20.0])],
)
def test_turns_that_were_due_before_their_call_was_let_in_waited_for_it(
    waited: float, expected: list[float]
) -> None:
    assert list(unsaid((2.1, 7.1, 10.0), waited)) == pytest.approx(expected)


def test_a_stall_shows_in_the_percentiles() -> None:
    # A hundred calls with a turn each 5 s; for 30 s the server answers nobody. Whoever counts answers alone
    # sees one slow turn in seven, and the other five of each call not at all.
    spread = Spread()
    for call in range(100):
        phase = call / 20
        ends = [phase + 5 * n for n in range(20)]
        said = turns(*((end, None if 40 <= end < 70 else end + 0.2) for end in ends))
        for wait in turn_waits(said, 0, AXIS, until=100.0)[0]:
            spread.add(wait.seconds)
    assert len(spread) == 2000
    assert spread.percentile(50) == 0.2
    assert spread.percentile(99) == pytest.approx(30, abs=2)


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        # Cut off 100 ms after it was said: that tells nothing.
        ([0.1], {10_000: 3}),
        ([1.0], {10_000: 3}),
        ([9.0], {10_000: 3, 90_000: 1}),
    ],
)
def test_what_was_never_answered_counts_where_it_waited_longer_than_most(
    left: list[float], expected: dict[int, int]
) -> None:
    assert with_open(Spread([1.0] * 3), Spread(left)).counts == expected


def test_where_nothing_was_answered_every_wait_counts() -> None:
    assert len(with_open(Spread(), Spread([0.1, 5.0]))) == 2


# --- barge-ins ----------------------------------------------------------------------------------------


def taken(at: float, *, barge_in: bool = True, over_agent: bool = True) -> Taken:
    return Taken(Step(CLIP, AT, at, barge_in), at, over_agent)


def barged(onset: float, stop: float) -> BargedIn:
    return BargedIn(1, AXIS.samples(onset), AXIS.samples(onset + stop), 0, 0, after=0, stop=stop)


@pytest.mark.parametrize(
    ("steps", "barge_ins", "expected"),
    [
        ([taken(8.0)], [barged(8.01, 0.1)], []),
        # The agent went on until the user's next word.
        ([taken(8.0), taken(14.0, barge_in=False)], [], [6.0]),
        # Or until the call was over.
        ([taken(8.0)], [], [12.0]),
        # Only the second was heeded.
        ([taken(8.0), taken(14.0)], [barged(14.0, 0.1)], [6.0]),
        # It was over nobody, or no barge-in.
        ([taken(8.0, over_agent=False), taken(9.0, barge_in=False)], [], []),
    ],
)
def test_a_barge_in_that_is_not_heeded_waits_for_the_next_thing_said(
    steps: list[Taken], barge_ins: list[BargedIn], expected: list[float]
) -> None:
    assert list(unheeded(steps, barge_ins, AXIS, 20.0)) == pytest.approx(expected)
