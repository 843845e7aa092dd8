"""Opus, 20 ms mono at 48 kHz, through PyAV (libopus inside)."""

from __future__ import annotations

from fractions import Fraction

from av import AudioFrame, CodecContext, Packet
from av.audio.codeccontext import AudioCodecContext
from av.error import FFmpegError

from voxemu.rooms.port import FRAME_SAMPLES, RATE

BIT_RATE = 32_000
SILENCE = b"\xf8\xff\xfe"
# 20 ms of digital silence, mono full band: what every Opus decoder knows (RFC 6716 § 3).


class OpusEncoder:
    """``lowdelay`` leaves the speech model out: 2.5 ms of lookahead instead of 6.5."""

    def __init__(self) -> None:
        codec = CodecContext.create("libopus", "w")
        assert isinstance(codec, AudioCodecContext)
        codec.bit_rate = BIT_RATE
        codec.format = "s16"
        codec.layout = "mono"
        codec.sample_rate = RATE
        codec.time_base = Fraction(1, RATE)
        codec.options = {"application": "lowdelay", "compression_level": "5", "frame_duration": "20"}
        self._codec = codec
        self._frame = AudioFrame(format="s16", layout="mono", samples=FRAME_SAMPLES)
        self._frame.sample_rate = RATE
        self._frame.time_base = Fraction(1, RATE)
        self._at = 0

    def encode(self, pcm: bytes) -> bytes:
        """One frame of ``FRAME_SAMPLES`` as one packet."""
        frame = AudioFrame(format="s16", layout="mono", samples=FRAME_SAMPLES)
        frame.sample_rate = RATE
        frame.time_base = Fraction(1, RATE)
        frame.pts = self._at
        frame.planes[0].update(pcm)
        self._at += FRAME_SAMPLES
        return b"".join(bytes(packet) for packet in self._codec.encode(frame))


class OpusDecoder:
    def __init__(self) -> None:
        codec = CodecContext.create("libopus", "r")
        assert isinstance(codec, AudioCodecContext)
        codec.format = "s16"
        codec.layout = "mono"
        codec.sample_rate = RATE
        self._codec = codec

    def decode(self, payload: bytes) -> bytes:
        """PCM16 mono; b"" for a packet that is no Opus."""
        try:
            frames = self._codec.decode(Packet(payload))
        except FFmpegError:
            return b""
        return b"".join(bytes(frame.planes[0])[: 2 * frame.samples] for frame in frames)
