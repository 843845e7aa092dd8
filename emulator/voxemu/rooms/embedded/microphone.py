"""The user's microphone, from RTP to PCM16 at 48 kHz."""

from __future__ import annotations

from voxemu.audio import SAMPLE_BYTES, sample_count
from voxemu.rooms.embedded.opus import OpusDecoder
from voxemu.rooms.embedded.rtp import Reordering, RtpPacket


class Microphone:
    def __init__(self) -> None:
        self.filled = 0
        # Samples of silence put where nothing came.
        self.unreadable = 0
        # Packets that were no Opus.
        self._order = Reordering()
        self._decoder = OpusDecoder()
        self._source: int | None = None

    def hear(self, packet: RtpPacket) -> bytes:
        """What can be heard now; often b"" when packets come out of order."""
        if packet.ssrc != self._source:
            self._source, self._decoder = packet.ssrc, OpusDecoder()
        heard = []
        for found in self._order.take(packet):
            pcm = self._decoder.decode(found.payload)
            self.unreadable += not pcm
            self.filled += found.silence
            self._order.played(sample_count(pcm))
            heard += [bytes(found.silence * SAMPLE_BYTES), pcm]
        return b"".join(heard)
