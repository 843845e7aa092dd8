"""What only the whole of a call shows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from tests.lint.calls import LOKUTOR, LYZR, WORKBUDDY, Timed, Vendor, tone
from voxemu.audio import pcm16
from voxemu.events import (
    Closed,
    ErrorReported,
    FaultInjected,
    FindingMade,
    LimitReached,
    Opened,
    ReadingSlowed,
    SessionStarted,
    UserAudioSent,
)
from voxemu.lint import Linter
from voxemu.spoiler.frames import mark

BEGINNING: list[Timed] = [(0.0, Opened()), (0.1, SessionStarted("s"))]


def codes(vendor: Vendor, *events: Timed) -> list[str]:
    linter = Linter(vendor)
    notes = [note for now, event in events for note in linter.saw(event, now)]
    return [note.code for note in notes if isinstance(note, FindingMade)]


def audio(vendor: Vendor, seconds: float, start: float, pcm: bytes | None = None) -> Iterator[Timed]:
    """In messages of an ordinary size, in time; a tone unless said otherwise."""
    whole = pcm16(tone(vendor.format.rate, seconds).astype(np.float32)) if pcm is None else pcm
    for at in range(0, len(whole), 2 * vendor.frame):
        yield start + at / 2 / vendor.format.rate, UserAudioSent(whole[at : at + 2 * vendor.frame])


# --- was anything heard --------------------------------------------------------------------------------


def test_a_session_without_any_audio_is_found() -> None:
    assert codes(WORKBUDDY, *BEGINNING, (20.0, Closed(1000))) == ["F-NO-AUDIO"]


def test_a_session_with_audio_is_not() -> None:
    assert codes(WORKBUDDY, *BEGINNING, *audio(WORKBUDDY, 1.0, 0.2), (20.0, Closed(1000))) == []


def test_a_session_that_was_soon_over_is_not() -> None:
    assert codes(WORKBUDDY, *BEGINNING, (5.0, Closed(1000))) == []


def silence(vendor: Vendor, seconds: float) -> Iterator[Timed]:
    return audio(vendor, seconds, 0.2, vendor.format.silence(vendor.format.samples(seconds)))


def test_a_microphone_that_gives_nothing_but_zeros_is_found() -> None:
    assert codes(WORKBUDDY, *BEGINNING, *silence(WORKBUDDY, 20.0), (20.3, Closed(1000))) == ["F-ONLY-SILENCE"]


def test_zeros_and_a_word_are_a_quiet_user() -> None:
    spoken = audio(WORKBUDDY, 0.5, 20.3)
    assert codes(WORKBUDDY, *BEGINNING, *silence(WORKBUDDY, 20.0), *spoken, (21.0, Closed(1000))) == []


def test_zeros_keep_a_lyzr_session_alive() -> None:
    assert codes(LYZR, *BEGINNING, *silence(LYZR, 20.0), (20.3, Closed(1000))) == []


def test_a_session_that_idled_to_its_end_is_found() -> None:
    assert codes(LYZR, *BEGINNING, *audio(LYZR, 0.5, 0.2), (61.0, LimitReached("idle", 60.0))) == ["F-IDLE"]


@pytest.mark.parametrize(
    ("limit", "code"),
    [("message", "F-MESSAGE-SIZE"), ("stall", "F-NOT-READING"), ("outbox", "F-NOT-READING")],
)
def test_limits_that_a_client_runs_into_are_found(limit: str, code: str) -> None:
    assert codes(LYZR, *BEGINNING, (2.0, LimitReached(limit, 10.0))) == [code]


def test_another_limit_is_no_idling() -> None:
    assert codes(LYZR, *BEGINNING, (61.0, LimitReached("session", 60.0))) == []


# --- settings ------------------------------------------------------------------------------------------


def test_a_setting_that_cannot_be_is_found() -> None:
    error = ErrorReported("max_context_messages must be a whole number", "INVALID_SETTING")
    assert codes(LOKUTOR, *BEGINNING, (1.0, error)) == ["F-BAD-SETTING"]


def test_an_error_of_the_agents_is_not_the_clients() -> None:
    assert codes(LOKUTOR, *BEGINNING, (1.0, ErrorReported("the agent failed"))) == []


# --- a slow line ---------------------------------------------------------------------------------------


def slow_line(sent: float) -> list[Timed]:
    """Nothing was read for 12 s; then all that was sent comes at once."""
    backlog = [(14.2, event) for _, event in audio(LYZR, sent, 0.0)]
    slowed: list[Timed] = [(2.0, ReadingSlowed(12.0)), (14.1, ReadingSlowed(0.0))]
    return [*BEGINNING, *audio(LYZR, 1.5, 0.2), *slowed, *backlog, *audio(LYZR, 2.0, 16.0)]


def test_a_client_that_lets_audio_pile_up_is_found() -> None:
    assert codes(LYZR, *slow_line(12.0)) == ["F-NO-BACKPRESSURE"]


def test_a_client_that_drops_audio_while_the_line_is_slow_is_not() -> None:
    assert codes(LYZR, *slow_line(2.0)) == []


# --- flushing ------------------------------------------------------------------------------------------

MARKED: Timed = (2.0, FaultInjected("late_audio", "ms=600.0 text=mark"))


@pytest.mark.parametrize("vendor", [LYZR, LOKUTOR], ids=lambda vendor: vendor.id)
@pytest.mark.parametrize("level", [1.0, 0.05])
def test_marked_audio_in_the_microphone_was_not_flushed(vendor: Vendor, level: float) -> None:
    heard = np.frombuffer(mark(vendor.format, 0.5), "<i2") * level
    sent = audio(vendor, 0.5, 2.1, heard.astype("<i2").tobytes())
    assert codes(vendor, *BEGINNING, MARKED, *sent) == ["F-NOT-FLUSHED"]


def test_a_voice_in_the_microphone_is_no_mark() -> None:
    assert codes(LYZR, *BEGINNING, MARKED, *audio(LYZR, 2.0, 2.1)) == []


def test_nobody_listens_for_a_mark_that_was_not_sent() -> None:
    sent = audio(LYZR, 0.5, 2.1, mark(LYZR.format, 0.5))
    assert codes(LYZR, *BEGINNING, *sent) == []
