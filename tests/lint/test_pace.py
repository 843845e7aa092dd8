"""Pace, bursts, and the sample rate that the pace gives away."""

from __future__ import annotations

import pytest

from tests.lint.calls import (
    FIFTH,
    LIVEKIT,
    LOKUTOR,
    LYZR,
    NOTHING,
    SOCKETS,
    WORKBUDDY,
    Timed,
    Vendor,
    at_once,
    call,
    codes,
    delayed,
    in_callbacks,
    in_real_time,
    integers,
    only,
    speech,
)
from voxemu.events import RatesAnnounced, UserAudioSent

every_socket = pytest.mark.parametrize("vendor", [*SOCKETS, FIFTH], ids=lambda vendor: vendor.id)


def microphone(vendor: Vendor, true_rate: int, seconds: float = 16.0, start: float = 1.0) -> list[Timed]:
    """Audio of one rate, sent in messages cut for another."""
    return list(in_real_time(integers(speech(true_rate, seconds)), true_rate, vendor.frame, start=start))


@every_socket
def test_a_file_sent_at_once_is_a_burst(vendor: Vendor) -> None:
    stream = at_once(integers(speech(vendor.format.rate, 5)), vendor.frame)
    assert codes(vendor, stream) == only("F-PACE-BURST")


@every_socket
def test_a_file_sent_in_one_message_is_a_burst(vendor: Vendor) -> None:
    stream = [(1.0, UserAudioSent(integers(speech(vendor.format.rate, 5))))]
    assert codes(vendor, stream) == only("F-PACE-BURST")


@every_socket
def test_every_turn_sent_at_once_is_one_finding_and_counted(vendor: Vendor) -> None:
    clip = integers(speech(vendor.format.rate, 3))
    stream = [timed for turn in range(4) for timed in at_once(clip, vendor.frame, start=1 + 6 * turn)]
    found, linter = call(vendor, stream)
    assert [note.code for note in found] == ["F-PACE-BURST"]
    assert linter.summary() == {"F-PACE-BURST": 4}


@pytest.mark.parametrize(
    ("vendor", "true_rate"),
    [
        (WORKBUDDY, 48_000),
        (WORKBUDDY, 44_100),
        (WORKBUDDY, 24_000),
        (WORKBUDDY, 8000),
        (LYZR, 48_000),
        (LYZR, 44_100),
        (LYZR, 16_000),
        (LYZR, 8000),
        (LOKUTOR, 48_000),
        (LOKUTOR, 24_000),
        (LOKUTOR, 16_000),
        (FIFTH, 16_000),
        (FIFTH, 48_000),
    ],
    ids=lambda value: value.id if isinstance(value, Vendor) else str(value),
)
@pytest.mark.parametrize("jitter", [0.0, 0.05])
def test_audio_of_another_rate_is_found_and_named(vendor: Vendor, true_rate: int, jitter: float) -> None:
    stream = microphone(vendor, true_rate)
    found, _ = call(vendor, delayed(stream, [jitter * (n % 7) / 7 for n in range(len(stream))]))
    assert [note.code for note in found] == ["F-RATE-APPARENT"]
    assert f"audio of {true_rate} Hz" in found[0].seen


@pytest.mark.parametrize("callback", [1024, 4096, 8192, 16_384])
def test_48_khz_from_a_browser_callback_is_found_on_workbuddy(callback: int) -> None:
    stream = in_callbacks(integers(speech(48_000, 20)), 48_000, 320, callback=callback)
    found, _ = call(WORKBUDDY, stream)
    assert [note.code for note in found] == ["F-RATE-APPARENT"]
    assert "audio of 48000 Hz" in found[0].seen


def test_16_khz_from_a_browser_callback_is_found_on_lyzr() -> None:
    stream = in_callbacks(integers(speech(16_000, 20)), 16_000, 480)
    found, _ = call(LYZR, stream)
    assert [note.code for note in found] == ["F-RATE-APPARENT"]


def test_a_wrong_rate_is_found_within_three_seconds() -> None:
    assert codes(WORKBUDDY, microphone(WORKBUDDY, 48_000, seconds=3)) == only("F-RATE-APPARENT")


def test_16_khz_is_found_in_turns_with_nothing_between_them() -> None:
    stream = [timed for turn in range(3) for timed in microphone(LYZR, 16_000, 7, start=1 + 12.0 * turn)]
    assert codes(LYZR, stream) == only("F-RATE-APPARENT")


@pytest.mark.parametrize(("speed", "code"), [(1.25, "F-PACE-FAST"), (0.8, "F-PACE-SLOW")])
@every_socket
def test_a_pace_off_real_time_that_is_no_usual_rate_is_a_matter_of_pace(
    vendor: Vendor, speed: float, code: str
) -> None:
    if vendor is LOKUTOR:
        speed = {1.25: 1.5, 0.8: 0.8}[
            speed
        ]  # 44.1 kHz and a quarter would be nearly no rate, but 55 kHz is none
    stream = in_real_time(
        integers(speech(vendor.format.rate, 20)), vendor.format.rate, vendor.frame, speed=speed
    )
    assert codes(vendor, stream) == only(code)


@pytest.mark.parametrize("speed", [0.97, 1.03])
@every_socket
def test_a_clock_a_little_off_is_no_finding(vendor: Vendor, speed: float) -> None:
    stream = in_real_time(
        integers(speech(vendor.format.rate, 30)), vendor.format.rate, vendor.frame, speed=speed
    )
    assert codes(vendor, stream) == NOTHING


def test_a_rate_announced_later_begins_the_measurement_anew() -> None:
    early = microphone(LOKUTOR, 16_000, seconds=1.5)
    late = microphone(LOKUTOR, 16_000, seconds=10, start=2.6)
    assert codes(LOKUTOR, [*early, (2.6, RatesAnnounced(44_100, 16_000)), *late]) == NOTHING


def test_webrtc_paces_by_itself() -> None:
    assert codes(LIVEKIT, at_once(integers(speech(48_000, 5)), 480)) == NOTHING


def test_what_was_seen_is_said_in_figures() -> None:
    found, _ = call(WORKBUDDY, [(1.0, UserAudioSent(integers(speech(16_000, 5))))])
    assert found[0].seen == "5.0 s of audio within 0.00 s"
