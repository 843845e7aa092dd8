"""Audio too early or too late, and messages that nobody could read."""

from __future__ import annotations

import pytest

from tests.lint.calls import FIFTH, LIVEKIT, LOKUTOR, LYZR, NOTHING, VENDORS, WORKBUDDY, Vendor, codes, only
from voxemu.events import (
    AgentAudioSent,
    AgentReadied,
    Closed,
    Event,
    FindingMade,
    Opened,
    Ponged,
    SessionEnded,
    SessionStarted,
    StopSent,
    Unrecognised,
    UserAudioSent,
)
from voxemu.lint import Linter

every_vendor = pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.id)


def audio(vendor: Vendor) -> UserAudioSent:
    return UserAudioSent(b"\1\0" * vendor.frame)


def remarks(vendor: Vendor, *events: tuple[float, Event]) -> list[tuple[str, str]]:
    linter = Linter(vendor)
    notes = [note for now, event in events for note in linter.saw(event, now)]
    assert all(isinstance(note, FindingMade) for note in notes)
    return [(note.code, note.seen) for note in notes if isinstance(note, FindingMade)]


def test_audio_before_connected_is_too_early_on_workbuddy() -> None:
    said = audio(WORKBUDDY)
    assert remarks(WORKBUDDY, (0.0, Opened()), (0.1, said), (0.12, said), (0.2, SessionStarted("s"))) == [
        ("F-BEFORE-READY", "audio came before the provider said that the session is there")
    ]


def test_audio_between_connected_and_agent_ready_is_in_order_on_workbuddy() -> None:
    said = audio(WORKBUDDY)
    assert (
        remarks(WORKBUDDY, (0.0, Opened()), (0.1, SessionStarted("s")), (0.2, said), (0.3, AgentReadied()))
        == []
    )


@pytest.mark.parametrize("vendor", [LYZR, LOKUTOR, FIFTH], ids=lambda vendor: vendor.id)
def test_where_nothing_is_to_be_waited_for_audio_may_come_at_once(vendor: Vendor) -> None:
    assert remarks(vendor, (0.0, Opened()), (0.1, audio(vendor))) == []


def test_a_new_protocol_with_a_ready_message_has_the_rule_too() -> None:
    vendor = Vendor("fifth", FIFTH.format, FIFTH.frame, AgentReadied)
    assert remarks(vendor, (0.0, SessionStarted("s")), (0.1, audio(vendor)))[0][0] == "F-BEFORE-READY"


@every_vendor
def test_a_microphone_that_goes_on_after_the_stop_is_found(vendor: Vendor) -> None:
    opening: list[tuple[float, Event]] = [(0.0, SessionStarted("s")), (1.0, audio(vendor)), (2.0, StopSent())]
    found = remarks(vendor, *opening, (2.25, audio(vendor)), (2.5, audio(vendor)))
    # The others have no word for it.
    assert found == (
        [("F-AFTER-HANGUP", "audio 250 ms after the client's stop")] if vendor in (LYZR, FIFTH) else []
    )


@every_vendor
@pytest.mark.parametrize(
    "end", [SessionEnded("closed"), Closed(1000, by="provider")], ids=["ended", "closed"]
)
def test_audio_long_after_the_providers_end_is_found(vendor: Vendor, end: Event) -> None:
    codes_ = [
        code for code, _ in remarks(vendor, (0.0, SessionStarted("s")), (2.0, end), (2.8, audio(vendor)))
    ]
    # A room's microphone is the media stack's, which goes on until the room is gone.
    assert codes_ == ([] if vendor is LIVEKIT else ["F-AFTER-END"])


@every_vendor
def test_audio_that_was_on_its_way_when_the_provider_ended_is_in_order(vendor: Vendor) -> None:
    ending: list[tuple[float, Event]] = [(2.0, SessionEnded("shutdown")), (2.0, Closed(1000, by="provider"))]
    assert remarks(vendor, (0.0, SessionStarted("s")), *ending, (2.2, audio(vendor))) == []


@pytest.mark.parametrize(
    ("problem", "code"),
    [
        ("not_json", "F-BAD-JSON"),
        ("not_object", "F-BAD-JSON"),
        ("bad_field", "F-BAD-FIELD"),
        ("unknown_type", "F-UNKNOWN-TYPE"),
        ("binary_frame", "F-FRAME-KIND"),
        ("text_frame", "F-FRAME-KIND"),
        ("not_base64", "F-NOT-BASE64"),
        ("odd_bytes", "F-ODD-BYTES"),
        ("empty_audio", "F-EMPTY-AUDIO"),
        ("some_later_word", "F-BAD-FIELD"),
    ],
)
def test_what_the_codec_could_not_read_is_a_finding_with_its_words(problem: str, code: str) -> None:
    sent = Unrecognised(problem, "what was wrong with it")
    assert remarks(LYZR, (1.0, sent), (2.0, sent)) == [(code, "what was wrong with it")]


def test_unread_messages_are_counted() -> None:
    linter = Linter(WORKBUDDY)
    for _ in range(3):
        list(linter.saw(Unrecognised("odd_bytes", "641 bytes"), 1.0))
    assert linter.summary() == {"F-ODD-BYTES": 3}


@every_vendor
def test_what_the_agent_says_is_nobodys_fault(vendor: Vendor) -> None:
    assert remarks(vendor, (0.0, SessionStarted("s")), (1.0, AgentAudioSent(b"RIFF\0\0\0\0WAVE"))) == []


@every_vendor
def test_other_events_are_in_order(vendor: Vendor) -> None:
    assert (
        remarks(vendor, (0.0, Opened()), (0.1, SessionStarted("s")), (5.0, Ponged()), (6.0, StopSent())) == []
    )


def test_a_bare_close_by_the_client_is_in_order() -> None:
    assert codes(WORKBUDDY, [(1.0, audio(WORKBUDDY)), (1.1, Closed(1005, by="caller"))]) == NOTHING


def test_two_faults_are_two_findings() -> None:
    odd, text = Unrecognised("odd_bytes", "3 bytes"), Unrecognised("text_frame", "text")
    assert codes(WORKBUDDY, [(1.0, odd), (1.1, text)]) == only("F-ODD-BYTES") + only("F-FRAME-KIND")
