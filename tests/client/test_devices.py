"""Microphone and loudspeaker, with a sounddevice that is only pretended."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from voxemu.audio import AudioFormat
from voxemu.errors import UsageError
from voxemu.events import AgentAudioSent, Interrupted, PlaybackFlushed
from voxemu_client import devices

AXIS = AudioFormat(16_000)


class PortAudioError(Exception):
    pass


class Stream:
    def __init__(self, library: Any, **how: Any) -> None:
        if how["samplerate"] not in library.rates:
            raise PortAudioError("Invalid sample rate")
        self.how = how
        self.running = False
        library.streams.append(self)

    def start(self) -> None:
        self.running = True

    def close(self) -> None:
        self.running = False


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A machine with one device each way, at 16 and 48 kHz."""
    made = SimpleNamespace(PortAudioError=PortAudioError, streams=[], rates=(16_000, 48_000))
    made.query_devices = lambda kind: {"default_samplerate": 48_000.0}
    made.RawInputStream = made.RawOutputStream = lambda **how: Stream(made, **how)
    monkeypatch.setitem(sys.modules, "sounddevice", made)
    return made


def test_a_microphone_gives_20_ms_at_a_time(library: Any) -> None:
    heard: list[bytes] = []
    microphone = devices.MicrophoneDevice(16_000, heard.append)
    microphone.start()
    (stream,) = library.streams
    stream.how["callback"](memoryview(bytes(640)), 320, None, None)
    assert (stream.how["samplerate"], stream.how["blocksize"], heard) == (16_000, 320, [bytes(640)])
    microphone.stop()
    assert not stream.running


def test_a_device_that_does_not_take_the_rate_is_opened_at_its_own(library: Any) -> None:
    heard: list[bytes] = []
    devices.MicrophoneDevice(24_000, heard.append)
    (stream,) = library.streams
    assert stream.how["samplerate"] == 48_000
    for _ in range(50):
        stream.how["callback"](memoryview(bytes(1920)), 960, None, None)
    assert sum(map(len, heard)) == pytest.approx(2 * 24_000, rel=0.05)


def test_a_loudspeaker_plays_what_came_and_silence_after_it(library: Any) -> None:
    speaker = devices.LoudspeakerDevice(AXIS, 0.0)
    speaker.saw(AgentAudioSent(b"\1\0" * 500), 0.0)
    assert played(library, 320) == b"\1\0" * 320
    assert played(library, 320) == b"\1\0" * 180 + bytes(280)


def test_a_loudspeaker_waits_as_long_as_the_jitter_buffer(library: Any) -> None:
    speaker = devices.LoudspeakerDevice(AXIS, 0.01)
    speaker.saw(AgentAudioSent(b"\1\0" * 160), 0.0)
    assert played(library, 320) == bytes(320) + b"\1\0" * 160


def test_an_interruption_silences_the_loudspeaker_at_once(library: Any) -> None:
    speaker = devices.LoudspeakerDevice(AXIS, 0.0)
    speaker.saw(AgentAudioSent(b"\1\0" * 5000), 0.0)
    speaker.saw(Interrupted(), 0.1)
    assert played(library, 320) == bytes(640)


def test_what_never_sounds_is_taken_back_from_the_end(library: Any) -> None:
    speaker = devices.LoudspeakerDevice(AXIS, 0.0)
    speaker.saw(AgentAudioSent(b"\1\0" * 100), 0.0)
    speaker.saw(AgentAudioSent(b"\2\0" * 100), 0.0)
    speaker.saw(PlaybackFlushed(150, 50), 0.0)
    assert speaker.queued == 150


def test_without_a_device_there_is_a_sentence(library: Any) -> None:
    def none(kind: str) -> Any:
        raise PortAudioError("Error querying device -1")

    library.query_devices = none
    with pytest.raises(
        UsageError, match=r"no microphone is found .*; plug one in, or speak a file: --say FILE"
    ):
        devices.MicrophoneDevice(16_000, lambda pcm: None)
    with pytest.raises(UsageError, match=r"no loudspeaker is found .*, or leave --play out"):
        devices.LoudspeakerDevice(AXIS, 0.0)


def test_a_device_that_cannot_be_opened_is_named(library: Any) -> None:
    library.rates = ()
    with pytest.raises(UsageError, match="the loudspeaker cannot be opened at 16000 or 48000 Hz"):
        devices.LoudspeakerDevice(AXIS, 0.0)


def test_a_device_that_does_not_start_is_named(library: Any) -> None:
    microphone = devices.MicrophoneDevice(16_000, lambda pcm: None)

    def fail() -> None:
        raise PortAudioError("Device busy")

    library.streams[0].start = fail
    with pytest.raises(UsageError, match="the microphone does not start: Device busy"):
        microphone.start()


def test_without_sounddevice_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(UsageError, match=r"voxemu\[devices\]"):
        devices.sound_library()


def test_without_portaudio_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    class Finder:
        def find_spec(self, name: str, path: Any, target: Any = None) -> None:
            if name == "sounddevice":
                raise OSError("PortAudio library not found")

    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    with pytest.raises(UsageError, match="libportaudio2"):
        devices.sound_library()


def played(library: Any, frames: int) -> bytes:
    out = bytearray(2 * frames)
    library.streams[-1].how["callback"](memoryview(out), frames, None, None)
    return bytes(out)
