"""Bytes that are no little-endian mono PCM16."""

from __future__ import annotations

import io
import struct
import wave

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.lint.calls import (
    NOTHING,
    SOCKETS,
    VENDORS,
    WORKBUDDY,
    Floats,
    Vendor,
    call,
    codes,
    in_real_time,
    integers,
    only,
    prompt,
    prompts,
    speech,
    tone,
)
from voxemu.events import UserAudioSent

every_vendor = pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.id)
every_socket = pytest.mark.parametrize("vendor", SOCKETS, ids=lambda vendor: vendor.id)
SOUNDS = ["speech", "faint speech", "tone", *prompts()]
every_sound = pytest.mark.parametrize("name", SOUNDS)


def sound(name: str, rate: int, seconds: float = 4.0) -> Floats:
    made = {
        "speech": lambda: speech(rate, seconds),
        "faint speech": lambda: speech(rate, seconds, 0.02),
        "tone": lambda: tone(rate, seconds, 441.3),
    }
    return made[name]() if name in made else prompt(name, rate)


def sent(vendor: Vendor, payload: bytes) -> list[str]:
    stream = in_real_time(payload, vendor.format.rate, vendor.frame)
    return [note.code for note in call(vendor, stream)[0]]


def as_wav(pcm: bytes, rate: int) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(pcm)
    return file.getvalue()


@every_socket
def test_a_wav_file_sent_header_and_all_is_found(vendor: Vendor) -> None:
    payload = as_wav(integers(speech(vendor.format.rate, 2)), vendor.format.rate)
    assert sent(vendor, payload) == ["F-CONTAINER"]


@pytest.mark.parametrize(
    ("beginning", "name"),
    [
        (b"OggS\0\2", "Ogg"),
        (b"fLaC\0\0", "FLAC"),
        (b"ID3\4\0\0", "MP3"),
        (b"\x1a\x45\xdf\xa3\1\0", "WebM"),
        (b"\0\0\0\x18ftypmp42", "MP4"),
    ],
)
def test_files_are_known_by_their_beginning(beginning: bytes, name: str) -> None:
    found, _ = call(WORKBUDDY, [(1.0, UserAudioSent(beginning.ljust(640, b"\x55")))])
    assert [note.code for note in found] == ["F-CONTAINER"]
    assert found[0].seen == f"a {name} file's beginning in an audio message of 640 bytes"


def test_a_wav_header_in_every_message_is_one_finding_and_counted() -> None:
    pcm = integers(speech(16_000, 2))
    stream = [
        (1 + at / 32_000, UserAudioSent(as_wav(pcm[at : at + 596], 16_000))) for at in range(0, len(pcm), 596)
    ]
    found, linter = call(WORKBUDDY, stream[:-1])
    assert [note.code for note in found] == ["F-CONTAINER"]
    assert linter.summary()["F-CONTAINER"] == len(stream) - 1


def test_mp3_without_a_tag_is_known_by_its_frames() -> None:
    frame = b"\xff\xfb\x90\xc4".ljust(417, b"\x5a")  # 128 kbit/s at 44.1 kHz
    assert sent(WORKBUDDY, frame * 20)[:1] == ["F-CONTAINER"]


def test_the_quietest_noise_is_no_mp3() -> None:
    """-1 is FF FF, which begins like an MP3 frame."""
    quiet = np.random.default_rng(5).integers(-1025, 1, 16_000)
    assert sent(WORKBUDDY, quiet.astype("<i2").tobytes()) == []


@every_vendor
@every_sound
def test_float32_is_found(vendor: Vendor, name: str) -> None:
    payload = sound(name, vendor.format.rate, 1.0).astype("<f4").tobytes()
    assert "F-FLOAT32" in sent(vendor, payload)


@every_sound
def test_float32_made_of_integers_is_found(name: str) -> None:
    ints = np.frombuffer(integers(sound(name, 16_000, 1.0)), "<i2")
    assert "F-FLOAT32" in sent(WORKBUDDY, (ints / 32768).astype("<f4").tobytes())


def test_float32_at_the_right_rate_is_no_matter_of_rate() -> None:
    floats = speech(16_000, 6).astype("<f4").tobytes()
    stream = [(1 + at / 64_000, UserAudioSent(floats[at : at + 1280])) for at in range(0, len(floats), 1280)]
    found, _ = call(WORKBUDDY, stream)
    assert sorted(note.code for note in found if note.code != "F-FRAME-SIZE") == ["F-FLOAT32"]


@every_vendor
@every_sound
def test_big_endian_samples_are_found(vendor: Vendor, name: str) -> None:
    ints = np.frombuffer(integers(sound(name, vendor.format.rate)), "<i2")
    assert "F-BYTE-ORDER" in sent(vendor, ints.astype(">i2").tobytes())


@every_vendor
@every_sound
def test_samples_made_of_8_bits_are_not_big_endian(vendor: Vendor, name: str) -> None:
    ints = np.frombuffer(integers(sound(name, vendor.format.rate)), "<i2")
    assert sent(vendor, (ints // 256 * 256).astype("<i2").tobytes()) == []


@every_vendor
@every_sound
def test_one_voice_on_two_channels_is_found(vendor: Vendor, name: str) -> None:
    ints = np.frombuffer(integers(sound(name, vendor.format.rate)), "<i2")
    assert sent(vendor, np.repeat(ints, 2).tobytes()) == ["F-STEREO"]


def test_a_voice_on_the_left_channel_alone_is_found() -> None:
    ints = np.frombuffer(integers(speech(16_000, 3)), "<i2")
    both = np.stack([ints, np.zeros_like(ints)], axis=1)
    assert sent(WORKBUDDY, both.tobytes()) == ["F-STEREO"]


def test_stereo_at_its_own_pace_is_no_matter_of_rate() -> None:
    ints = np.frombuffer(integers(speech(16_000, 6)), "<i2")
    stream = in_real_time(np.repeat(ints, 2).tobytes(), 32_000, 320)
    assert codes(WORKBUDDY, stream) == only("F-STEREO")


@every_vendor
@every_sound
def test_samples_as_they_should_be_are_none_of_these(vendor: Vendor, name: str) -> None:
    assert sent(vendor, integers(sound(name, vendor.format.rate))) == []


@every_vendor
@settings(max_examples=20, deadline=None)
@given(lengths=st.lists(st.integers(1, 4000), min_size=1, max_size=40))
def test_digital_silence_looks_like_nothing_else(vendor: Vendor, lengths: list[int]) -> None:
    stream, now = [], 1.0
    for length in lengths:
        now += length / vendor.format.rate
        stream.append((now, UserAudioSent(bytes(2 * length))))
    assert codes(vendor, stream) - only("F-FRAME-SIZE") == NOTHING


@settings(max_examples=20, deadline=None)
@given(
    level=st.floats(0.0001, 0.3),
    seed=st.integers(0, 1000),
    wide=st.booleans(),
)
def test_noise_of_any_level_is_nothing_else(level: float, seed: int, wide: bool) -> None:
    noise = np.random.default_rng(seed).normal(0, level, 16_000 * 2)
    if not wide:
        noise = np.convolve(noise, np.ones(8) / 8, "same")
    assert sent(WORKBUDDY, integers(noise)) == []


def test_a_steady_level_in_the_band_of_floats_is_no_float() -> None:
    assert "F-FLOAT32" not in sent(WORKBUDDY, struct.pack("<h", 15_000) * 16_000)
