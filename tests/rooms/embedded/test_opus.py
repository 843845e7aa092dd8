"""Opus there and back."""

from __future__ import annotations

from array import array

import pytest

from tests.calls import speech
from voxemu.audio import AudioFormat, floats
from voxemu.rooms.embedded.microphone import Microphone
from voxemu.rooms.embedded.opus import SILENCE, OpusDecoder, OpusEncoder
from voxemu.rooms.embedded.rtp import Outgoing, parse

FORMAT = AudioFormat(48_000)
FRAME = 2 * 960


def frames(pcm: bytes) -> list[bytes]:
    return [pcm[at : at + FRAME] for at in range(0, len(pcm), FRAME)]


def rms(pcm: bytes) -> float:
    return float((floats(pcm) ** 2).mean() ** 0.5)


def test_a_frame_is_one_packet_and_one_frame_again() -> None:
    encoder, decoder = OpusEncoder(), OpusDecoder()
    sizes = {len(decoder.decode(encoder.encode(frame))) for frame in frames(speech(FORMAT, 0.2))}
    assert sizes == {FRAME}


def test_speech_keeps_its_loudness() -> None:
    encoder, decoder = OpusEncoder(), OpusDecoder()
    said = speech(FORMAT, 1.0)
    heard = b"".join(decoder.decode(encoder.encode(frame)) for frame in frames(said))
    assert rms(heard[FRAME * 5 :]) == pytest.approx(rms(said), rel=0.1)


def test_the_packet_of_silence_is_silence() -> None:
    decoder = OpusDecoder()
    heard = b"".join(decoder.decode(SILENCE) for _ in range(5))
    assert len(heard) == 5 * FRAME
    assert max(array("h", heard), default=0) == 0


def test_what_is_no_opus_is_counted_and_not_heard() -> None:
    microphone, stream = Microphone(), Outgoing(111)
    packet = parse(stream.packet(b"", 0))
    assert packet is not None
    assert microphone.hear(packet) == b""
    assert microphone.unreadable == 1


def test_a_microphone_that_sends_nothing_in_silence_is_filled() -> None:
    encoder, microphone, stream = OpusEncoder(), Microphone(), Outgoing(111)
    heard = []
    for number, frame in ((0, bytes(FRAME)), (20, bytes(FRAME))):
        packet = parse(stream.packet(encoder.encode(frame), number))
        assert packet is not None
        heard.append(len(microphone.hear(packet)) // FRAME)
    assert heard == [1, 20]
    assert microphone.filled == 19 * 960
