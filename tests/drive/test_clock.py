"""The clocks of a call on a socket, and the crank."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxemu.drive.clock import MediaClock, RunningClock
from voxemu.drive.crank import INSTANT, Crank
from voxemu.events import (
    AgentReadied,
    Closed,
    Event,
    InterruptSent,
    ListeningStarted,
    Ponged,
    RatesAnnounced,
    UserAudioSent,
)


def begun(rate: int = 16_000) -> MediaClock:
    clock = MediaClock()
    clock.begin(rate)
    return clock


def play(clock: MediaClock, *events: Event) -> list[tuple[float, Event]]:
    """What an engine is given, and when."""
    seen = []
    for event in events:
        for part in clock.cut(event):
            seen.append((clock.now(), part))
            clock.heard(part, clock.now())
    return seen


def audio(samples: int, rate: int | None = None) -> UserAudioSent:
    return UserAudioSent(bytes(2 * samples), rate)


def lengths(seen: list[tuple[float, Event]]) -> list[tuple[float, int]]:
    return [(at, len(event.pcm) // 2) for at, event in seen if isinstance(event, UserAudioSent)]


# --- the media clock ----------------------------------------------------------------------------------------


def test_time_is_the_audio_that_has_come() -> None:
    clock = begun()
    play(clock, audio(16_000 * 3))
    assert clock.now() == 3.0


def test_a_tick_is_heard_at_the_time_of_its_first_sample() -> None:
    assert lengths(play(begun(), audio(960))) == [(0.0, 320), (0.02, 320), (0.04, 320)]


def test_a_tick_that_is_not_full_waits_for_the_rest() -> None:
    clock = begun()
    assert lengths(play(clock, audio(100))) == []
    assert lengths(play(clock, audio(220))) == [(0.0, 320)]


@given(st.lists(st.integers(1, 2000), min_size=1, max_size=40), st.integers(0, 999))
def test_no_chunking_shows(sizes: list[int], seed: int) -> None:
    pcm = Random(seed).randbytes(2 * sum(sizes))
    chunks, at = [], 0
    for size in sizes:
        chunks.append(UserAudioSent(pcm[at : at + 2 * size]))
        at += 2 * size
    over = Closed(1000)
    assert play(begun(), *chunks, over) == play(begun(), UserAudioSent(pcm), over)


def test_what_comes_between_two_chunks_is_at_its_place_in_the_audio() -> None:
    seen = play(begun(), audio(400), InterruptSent(), audio(400))
    assert [(at, type(event).__name__) for at, event in seen] == [
        (0.0, "UserAudioSent"),
        (0.02, "UserAudioSent"),
        (0.025, "InterruptSent"),
        (0.025, "UserAudioSent"),
    ]


def test_the_rest_of_a_tick_is_heard_before_the_close() -> None:
    assert [type(event).__name__ for _, event in play(begun(), audio(10), Closed(1000))] == [
        "UserAudioSent",
        "Closed",
    ]


def test_a_pong_is_no_part_of_the_call() -> None:
    assert play(begun(), audio(10), Ponged()) == []


def test_after_a_change_of_rate_time_goes_on_where_it_was() -> None:
    clock = begun(16_000)
    seen = play(clock, audio(16_000), RatesAnnounced(None, 48_000), audio(960))
    assert lengths(seen)[-1] == (1.0, 960)
    assert clock.now() == 1.02


def test_a_rate_that_a_message_declares_holds_for_its_audio() -> None:
    clock = begun(16_000)
    play(clock, audio(16_000), audio(48_000, 48_000), audio(16_000))
    assert clock.now() == 3.0


@pytest.mark.parametrize("rate", [None, 7, 10**9])
def test_a_rate_that_cannot_be_is_not_believed(rate: int | None) -> None:
    clock = begun(16_000)
    play(clock, RatesAnnounced(None, rate), audio(16_000, rate))
    assert clock.now() == 1.0


def test_before_the_session_there_is_no_media_time() -> None:
    clock = MediaClock()
    assert (clock.running, clock.now()) == (True, 0.0)
    assert [part for _, part in play(clock, audio(7))] == [audio(7)]


def test_a_running_clock_reads_the_same_whenever_it_began() -> None:
    def reading(began: float) -> float:
        times = iter([began, began + 1.58 + 0.3])
        return RunningClock(lambda: next(times)).now()

    assert {reading(began) for began in (0.0, 0.1, 1234.567, 98_765.4321)} == {1.88}


# --- the crank ----------------------------------------------------------------------------------------------


class Due:
    """An engine with deadlines, which says what it did in which order."""

    def __init__(self, *deadlines: float) -> None:
        self._due = list(deadlines)
        self.did: list[tuple[str, float]] = []

    @property
    def deadline(self) -> float | None:
        return self._due[0] if self._due else None

    def receive(self, event: Event, now: float) -> list[Event]:
        self.did.append(("received", now))
        return [ListeningStarted()]

    def advance(self, now: float) -> list[Event]:
        self.did.append(("advanced", now))
        while self._due and self._due[0] <= now:
            self._due.pop(0)
        return [AgentReadied()]


def test_what_is_due_within_the_same_instant_is_met() -> None:
    late = 1.58 + 0.3
    assert late > 1.88
    engine = Due(late)
    assert Crank(engine).meet(1.88) == [AgentReadied()]
    assert engine.did == [("advanced", late)]


def test_what_is_due_later_is_not() -> None:
    assert Crank(Due(1.0)).meet(1.0 - 2 * INSTANT) == []


def test_time_does_not_go_back_when_a_deadline_was_met_ahead_of_an_event() -> None:
    engine = Due(1.58 + 0.3)
    crank = Crank(engine)
    crank.meet(1.88)
    crank.give(InterruptSent(), 1.88)
    assert engine.did[0][1] == engine.did[1][1]


def test_passing_time_meets_every_deadline_at_its_own() -> None:
    engine = Due(0.1, 0.2, 0.3, 0.9)
    Crank(engine).pass_time(0.5)
    assert engine.did == [("advanced", 0.1), ("advanced", 0.2), ("advanced", 0.3)]


def test_an_end_that_hung_up_hears_nothing_more() -> None:
    crank = Crank(Due())
    crank.hang_up(5.0, in_words=False)
    assert [crank.hears(at) for at in (5.0, 5.1)] == [False, False]
    assert [crank.is_deaf(at) for at in (5.0, 5.1)] == [False, True]


def test_an_end_that_said_so_in_words_listens_on_from_the_next_instant() -> None:
    crank = Crank(Due())
    crank.hang_up(5.0, in_words=True, linger=0.7)
    assert [crank.hears(at) for at in (5.0, 5.1, 5.7, 5.8)] == [False, True, True, False]
