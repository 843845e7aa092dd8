"""Clipped, wrapped and offset samples."""

from __future__ import annotations

import numpy as np
import pytest

from tests.lint.calls import (
    VENDORS,
    WORKBUDDY,
    Floats,
    Vendor,
    call,
    in_real_time,
    integers,
    normal,
    prompt,
    prompts,
    speech,
    tone,
)

every_vendor = pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.id)
every_prompt = pytest.mark.parametrize("name", ["", *prompts()])


def voice(name: str, rate: int) -> Floats:
    """At full scale."""
    said = prompt(name, rate) if name else speech(rate, 6)
    return normal(said)


def sent(vendor: Vendor, pcm: bytes) -> list[str]:
    return [note.code for note in call(vendor, in_real_time(pcm, vendor.format.rate, vendor.frame))[0]]


def overflowing(sound: Floats, scale: float = 32767.0) -> bytes:
    return ((sound * scale).astype(np.int64) & 0xFFFF).astype("<u2").tobytes()


@every_vendor
@every_prompt
def test_a_voice_that_just_reaches_full_scale_is_in_order(vendor: Vendor, name: str) -> None:
    assert sent(vendor, integers(voice(name, vendor.format.rate))) == []


@every_vendor
@every_prompt
def test_a_gain_far_too_high_clips(vendor: Vendor, name: str) -> None:
    if name != "yes":  # too short to be sure of
        assert sent(vendor, integers(4 * voice(name, vendor.format.rate))) == ["F-CLIPPED"]


def test_clamping_to_a_symmetric_range_clips_too() -> None:
    clamped = np.clip(4 * voice("", 16_000), -1, 1) * 32767
    assert sent(WORKBUDDY, clamped.astype("<i2").tobytes()) == ["F-CLIPPED"]


def test_a_flat_top_now_and_then_is_in_order() -> None:
    loud = speech(16_000, 60, 0.9).copy()
    for at in range(0, loud.size - 8, 16_000 * 6):
        loud[at : at + 8] = 1.0
    assert sent(WORKBUDDY, integers(loud)) == []


@every_vendor
@every_prompt
@pytest.mark.parametrize("gain", [1.5, 2.0])
def test_samples_that_overflow_are_found(vendor: Vendor, name: str, gain: float) -> None:
    if name != "yes":
        assert "F-WRAPPED" in sent(vendor, overflowing(gain * voice(name, vendor.format.rate)))


def test_a_tone_that_overflows_is_found() -> None:
    assert "F-WRAPPED" in sent(WORKBUDDY, overflowing(tone(16_000, 3, 440, 1.3)))


def test_noise_at_full_volume_is_not_taken_for_wrapped_samples() -> None:
    noise = np.random.default_rng(2).integers(-32_768, 32_768, 16_000 * 5).astype("<i2")
    assert "F-WRAPPED" not in sent(WORKBUDDY, noise.tobytes())


def test_clipped_from_rail_to_rail_is_not_wrapped() -> None:
    assert sent(WORKBUDDY, integers(100 * speech(16_000, 5))) == ["F-CLIPPED"]


def test_jumps_are_shown() -> None:
    found, _ = call(WORKBUDDY, in_real_time(overflowing(tone(16_000, 3, 440, 1.3)), 16_000, 320))
    assert "jumps over nearly the whole range" in found[0].seen


@every_vendor
@pytest.mark.parametrize("offset", [0.1, -0.2])
def test_a_large_offset_is_found(vendor: Vendor, offset: float) -> None:
    assert sent(vendor, integers(speech(vendor.format.rate, 8, 0.3) + offset)) == ["F-DC-OFFSET"]


@every_vendor
def test_a_small_offset_is_in_order(vendor: Vendor) -> None:
    assert sent(vendor, integers(speech(vendor.format.rate, 8, 0.3) + 0.01)) == []


@every_vendor
@pytest.mark.parametrize("hz", [3.0, 16.7, 50.0, 100.0])
def test_a_rumble_is_no_offset(vendor: Vendor, hz: float) -> None:
    assert sent(vendor, integers(tone(vendor.format.rate, 12, hz, 0.4))) == []
