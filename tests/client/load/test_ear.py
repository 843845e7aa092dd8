"""What is measured of a call as it goes by."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from tests.client.calls import LOKUTOR, LYZR, WORKBUDDY
from voxemu.events import (
    AgentAudioSent,
    Cleared,
    Congested,
    ErrorReported,
    Event,
    InputGapped,
    InputStarted,
    Opened,
    SessionStarted,
    SpeakingStarted,
    TurnEnded,
    UserAudioSent,
)
from voxemu.provider import Provider
from voxemu_client.load.ear import Ear, Window
from voxemu_client.load.tally import Tally

FRAME = UserAudioSent(b"\0\0")
OVER = TurnEnded(1, 0, 0, 0, 0.0, "silence")


def told(provider: Provider, events: Iterable[tuple[float, Event]], *, open: bool = True) -> Tally:
    """The tally of a call of which these are seen, with their seconds."""
    tally, window = Tally(), Window()
    window.open = open
    ear = Ear(provider, tally, window, lambda: tally.counts.update(let_in=1))
    for now, event in events:
        ear.saw(event, now)
    ear.close()
    return tally


def late(tally: Tally, name: str) -> list[float]:
    """In milliseconds."""
    return sorted(grain / 10 for grain, times in tally.spreads[name].counts.items() for _ in range(times))


def half_a_second(provider: Provider) -> AgentAudioSent:
    return AgentAudioSent(bytes(provider.format.rate))


def test_our_own_frames_are_held_against_their_grid() -> None:
    started = InputStarted(LYZR.format.rate)
    tally = told(LYZR, [(5.0, Opened()), (6.0, started), (6.0, FRAME), (6.025, FRAME), (6.04, FRAME)])
    assert late(tally, "sending") == [0, 0, 5]


def test_after_a_gap_the_grid_begins_anew() -> None:
    rate = LYZR.format.rate
    before = [(0.0, Opened()), (0.0, InputStarted(0)), (0.0, FRAME)]
    tally = told(LYZR, [*before, (9.0, InputGapped(rate // 50, 9 * rate, open=False)), (9.023, FRAME)])
    assert late(tally, "sending") == [0, 3]


def test_what_a_server_kept_waiting_is_not_our_lateness() -> None:
    begun = [(0.0, Opened()), (0.0, InputStarted(0)), (0.0, FRAME), (0.01, Congested())]
    tally = told(LYZR, [*begun, (3.0, Cleared()), (3.0, FRAME), (3.0, FRAME), (3.0, FRAME)])
    assert late(tally, "sending") == [0]


def test_pacing_is_measured_only_while_all_are_to_be_up() -> None:
    events = [(0.0, Opened()), (0.0, InputStarted(0)), (0.0, FRAME), (0.0, half_a_second(LYZR))]
    tally = told(LYZR, events, open=False)
    assert (late(tally, "sending"), late(tally, "agent")) == ([], [])
    assert (tally.counts["frames_sent"], tally.counts["frames_received"]) == (1, 1)


def test_a_reply_begins_where_the_provider_says_so() -> None:
    audio = half_a_second(LOKUTOR)
    tally = told(LOKUTOR, [(0.0, Opened()), (1.0, audio), (1.8, SpeakingStarted(2)), (1.9, audio)])
    assert late(tally, "agent") == [0, 0]


def test_audio_that_a_stall_held_back_is_late_though_the_user_spoke_meanwhile() -> None:
    audio = half_a_second(LOKUTOR)
    tally = told(LOKUTOR, [(0.0, Opened()), (1.0, audio), (2.0, OVER), (2.2, audio)])
    assert late(tally, "agent") == [0, 700]


@pytest.mark.parametrize("provider", [LYZR, WORKBUDDY], ids=lambda provider: provider.id)
def test_without_a_word_for_it_a_reply_begins_after_the_users_turn(provider: Provider) -> None:
    audio = half_a_second(provider)
    tally = told(provider, [(0.0, Opened()), (1.0, audio), (2.0, OVER), (2.2, audio)])
    assert late(tally, "agent") == [0, 0]


@pytest.mark.parametrize(
    ("provider", "events", "expected"),
    [
        (LYZR, [Opened()], 1),
        (WORKBUDDY, [Opened()], 0),
        (WORKBUDDY, [Opened(), SessionStarted("s")], 1),
    ],
)
def test_a_call_is_let_in_when_its_provider_takes_audio(
    provider: Provider, events: list[Event], expected: int
) -> None:
    assert told(provider, [(0.0, event) for event in events]).counts["let_in"] == expected


def test_errors_that_a_provider_reports_are_counted_by_their_code() -> None:
    tally = told(LOKUTOR, [(0.0, ErrorReported("no", "RATE_LIMIT")), (0.0, ErrorReported("no"))])
    assert dict(tally.reported) == {"RATE_LIMIT": 1, "without a code": 1}
