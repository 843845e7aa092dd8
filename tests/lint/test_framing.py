"""Message sizes, declared rates, and silence that goes on and on."""

from __future__ import annotations

import numpy as np
import pytest

from tests.lint.calls import (
    FIFTH,
    LIVEKIT,
    LOKUTOR,
    LYZR,
    NOTHING,
    WORKBUDDY,
    Vendor,
    call,
    codes,
    in_callbacks,
    in_real_time,
    integers,
    only,
    speech,
)
from voxemu.events import RatesAnnounced, Unrecognised, UserAudioSent


@pytest.mark.parametrize("samples", [480, 720, 1200, 2400])
def test_messages_of_20_to_100_ms_are_as_lyzrs_page_advises(samples: int) -> None:
    assert codes(LYZR, in_real_time(integers(speech(24_000, 5)), 24_000, samples)) == NOTHING


@pytest.mark.parametrize("samples", [128, 240, 4096, 24_000])
def test_other_messages_are_off_lyzrs_advice(samples: int) -> None:
    assert codes(LYZR, in_real_time(integers(speech(24_000, 8)), 24_000, samples)) == only("F-FRAME-SIZE")


def test_the_length_that_was_seen_is_said() -> None:
    found, _ = call(LYZR, in_real_time(integers(speech(24_000, 5)), 24_000, 4096))
    assert found[0].seen == "messages of 170.7 ms; the page advises 20–100 ms"
    assert found[0].page == "lyzr-voice-sip page, Audio Pacing & Backpressure"


@pytest.mark.parametrize("samples", [160, 160 + 320, 4096])
def test_other_frames_than_640_bytes_are_off_workbuddys_page(samples: int) -> None:
    assert codes(WORKBUDDY, in_real_time(integers(speech(16_000, 5)), 16_000, samples)) == only(
        "F-FRAME-SIZE"
    )


def test_a_rest_of_4096_sent_with_every_callback_is_off_workbuddys_page() -> None:
    """12 frames of 640 bytes and one of 512: the rest was not kept for the next callback."""
    pcm, stream = integers(speech(16_000, 8)), []
    for now, sent in in_callbacks(pcm, 16_000, 4096):
        assert isinstance(sent, UserAudioSent)
        stream += [(now, UserAudioSent(sent.pcm[at : at + 640])) for at in range(0, 8192, 640)]
    assert codes(WORKBUDDY, stream) == only("F-FRAME-SIZE")


@pytest.mark.parametrize("vendor", [LOKUTOR, LIVEKIT, FIFTH], ids=lambda vendor: vendor.id)
@pytest.mark.parametrize("samples", [64, 441, 4096])
def test_where_the_page_gives_no_size_any_is_right(vendor: Vendor, samples: int) -> None:
    rate = vendor.format.rate
    assert codes(vendor, in_real_time(integers(speech(rate, 3)), rate, samples)) == NOTHING


def test_a_size_is_counted_for_the_whole_session() -> None:
    _, linter = call(WORKBUDDY, in_real_time(bytes(2 * 16_000 * 4), 16_000, 640))
    assert linter.summary() == {"F-FRAME-SIZE": 100}


def test_another_declared_rate_than_the_sessions_is_found() -> None:
    found, linter = call(LYZR, in_real_time(integers(speech(48_000, 4)), 48_000, 960, declares=48_000))
    assert [note.code for note in found] == ["F-RATE-DECLARED"]
    assert found[0].seen == "sampleRate 48000 in a session of 24000 Hz"
    assert linter.summary() == {"F-RATE-DECLARED": 200}


def test_the_sessions_own_declared_rate_is_right() -> None:
    assert codes(LYZR, in_real_time(integers(speech(24_000, 4)), 24_000, 480, declares=24_000)) == NOTHING


@pytest.mark.parametrize("declared", [0, -1, 1, 7999, 10**9])
def test_a_declared_rate_that_none_can_be_is_found_and_not_reckoned_with(declared: int) -> None:
    stream = in_real_time(integers(speech(24_000, 4)), 24_000, 480, declares=declared)
    assert codes(LYZR, stream) == only("F-RATE-DECLARED")


@pytest.mark.parametrize("announced", [None, 0, -1, 1, 10**9])
def test_an_announced_rate_that_none_can_be_changes_nothing(announced: int | None) -> None:
    audio = in_real_time(integers(speech(44_100, 4)), 44_100, 882)
    assert codes(LOKUTOR, [(0.5, RatesAnnounced(44_100, announced)), *audio]) == NOTHING


def test_a_message_refused_for_its_rate_is_the_same_finding() -> None:
    assert codes(LYZR, [(1.0, Unrecognised("wrong_rate", "sampleRate must be 24000"))]) == only(
        "F-RATE-DECLARED"
    )


def test_zeros_all_the_time_flood_lokutor() -> None:
    found, _ = call(LOKUTOR, in_real_time(bytes(2 * 44_100 * 12), 44_100, 882))
    assert [note.code for note in found] == ["F-SILENCE-FLOOD"]
    assert found[0].seen == "10.0 s of nothing but zeros, without a pause"


def test_every_flood_of_zeros_is_counted() -> None:
    silence = np.zeros(44_100 * 12)
    sound = np.concatenate([silence, speech(44_100, 1), silence])
    _, linter = call(LOKUTOR, in_real_time(integers(sound), 44_100, 882))
    assert linter.summary() == {"F-SILENCE-FLOOD": 2}


def test_silence_with_pauses_in_it_is_no_flood() -> None:
    stream = [(1 + n * 0.1, UserAudioSent(bytes(2 * 882))) for n in range(1200)]
    assert codes(LOKUTOR, stream) == NOTHING
