"""RTP (RFC 3550): the header, the stream we send, and the microphone put back in order."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct

from voxemu.rooms.port import FRAME_SAMPLES

HEADER = Struct("!BBHII")
LONGEST_FILL = 48_000
# Samples of silence put where nothing was sent; longer than that is a gap, which the session's clock notices.
PATIENCE = 2
# Packets that may overtake a missing one before it is given up.


@dataclass(frozen=True, slots=True)
class RtpPacket:
    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


def parse(datagram: bytes) -> RtpPacket | None:
    """None for what is no RTP."""
    if len(datagram) < HEADER.size:
        return None
    first, second, sequence, timestamp, ssrc = HEADER.unpack_from(datagram)
    at = HEADER.size + 4 * (first & 0x0F)
    if first & 0x10:
        if len(datagram) < at + 4:
            return None
        at += 4 + 4 * int.from_bytes(datagram[at + 2 : at + 4])
    end = len(datagram) - (datagram[-1] if first & 0x20 else 0)
    if first >> 6 != 2 or at > end:
        return None
    return RtpPacket(second & 0x7F, sequence, timestamp, ssrc, datagram[at:end])


def is_rtcp(datagram: bytes) -> bool:
    return len(datagram) > 1 and 192 <= datagram[1] <= 223


class Outgoing:
    """One stream of ours: numbers packets of 20 ms. ``frame`` counts frames of the room's clock."""

    def __init__(self, payload_type: int) -> None:
        self.payload_type = payload_type
        self.ssrc = secrets.randbits(32)
        self.packets = self.octets = 0
        self._sequence = secrets.randbits(15)
        # The lower half: libsrtp and libwebrtc guess wrongly about a first packet near the wrap.
        self._origin = secrets.randbits(32)
        self.timestamp = self._origin

    def packet(self, payload: bytes, frame: int, *, first: bool = False) -> bytes:
        """``first``: of a talk spurt."""
        self._sequence = (self._sequence + 1) & 0xFFFF
        self.timestamp = (self._origin + frame * FRAME_SAMPLES) & 0xFFFFFFFF
        self.packets += 1
        self.octets += len(payload)
        marked = self.payload_type | (0x80 if first else 0)
        return HEADER.pack(0x80, marked, self._sequence, self.timestamp, self.ssrc) + payload


@dataclass(frozen=True, slots=True)
class Ordered:
    """What to do next: silence first, then this packet."""

    silence: int
    # Samples.
    payload: bytes


class Reordering:
    """Packets of one source in the order they were sent, each at once when nothing is missing before it.

    What was lost, and what the sender left out (DTX), comes out as silence of the same length.
    """

    def __init__(self) -> None:
        self._source: int | None = None
        self._next = 0
        self._due = 0
        # Timestamp of the next packet if nothing is left out.
        self._early: dict[int, RtpPacket] = {}

    def take(self, packet: RtpPacket) -> Iterator[Ordered]:
        """To be read to its end, each with ``played`` before the next."""
        if packet.ssrc != self._source:
            # The first, or a track that was published anew.
            self._source, self._next, self._due = packet.ssrc, packet.sequence, packet.timestamp
            self._early.clear()
        ahead = (packet.sequence - self._next) & 0xFFFF
        if ahead >= 0x8000:
            return  # Too late, or twice.
        self._early[packet.sequence] = packet
        if ahead > PATIENCE or len(self._early) > PATIENCE:
            self._next = min(self._early, key=lambda sequence: (sequence - self._next) & 0xFFFF)
        while (found := self._early.pop(self._next, None)) is not None:
            skipped = (found.timestamp - self._due) & 0xFFFFFFFF
            self._next = (self._next + 1) & 0xFFFF
            self._due = found.timestamp
            yield Ordered(skipped if skipped <= LONGEST_FILL else 0, found.payload)

    def played(self, samples: int) -> None:
        """The packet handed out last held so many samples."""
        self._due = (self._due + samples) & 0xFFFFFFFF
