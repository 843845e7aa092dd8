"""RTP: what is read, what is written, and the microphone put back in order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from voxemu.rooms.embedded.rtp import HEADER, LONGEST_FILL, Outgoing, Reordering, RtpPacket, is_rtcp, parse

FRAME = 960


def packet(sequence: int, *, left_out: int = 0, ssrc: int = 7) -> RtpPacket:
    """The packet of that number, after so many samples that the sender left out."""
    timestamp = (sequence * FRAME + left_out) & 0xFFFFFFFF
    return RtpPacket(111, sequence & 0xFFFF, timestamp, ssrc, str(sequence).encode())


def play(*packets: RtpPacket) -> list[tuple[int, str]]:
    """(samples of silence before, payload), as they come out."""
    order = Reordering()
    heard = []
    for one in packets:
        for found in order.take(one):
            heard.append((found.silence, found.payload.decode()))
            order.played(FRAME)
    return heard


def test_packets_in_order_come_out_at_once() -> None:
    assert play(packet(1), packet(2)) == [(0, "1"), (0, "2")]


def test_a_packet_that_was_overtaken_comes_out_before_the_other() -> None:
    assert play(packet(1), packet(3), packet(2)) == [(0, "1"), (0, "2"), (0, "3")]


def test_a_lost_packet_becomes_silence_of_its_length() -> None:
    heard = play(packet(1), packet(3), packet(4), packet(5))
    assert heard == [(0, "1"), (FRAME, "3"), (0, "4"), (0, "5")]


def test_what_the_sender_left_out_becomes_silence() -> None:
    assert play(packet(1), packet(2, left_out=9600)) == [(0, "1"), (9600, "2")]


def test_a_gap_longer_than_the_limit_is_left_to_the_clock() -> None:
    assert play(packet(1), packet(2, left_out=LONGEST_FILL + 1)) == [(0, "1"), (0, "2")]


def test_a_packet_twice_or_too_late_is_dropped() -> None:
    assert play(packet(1), packet(2), packet(2), packet(1)) == [(0, "1"), (0, "2")]


def test_numbers_wrap_around() -> None:
    assert [text for _, text in play(packet(65_535), packet(65_536), packet(65_537))] == [
        "65535",
        "65536",
        "65537",
    ]


def test_a_new_source_begins_anew() -> None:
    assert play(packet(500), packet(3, ssrc=8)) == [(0, "500"), (0, "3")]


@given(st.permutations(range(8)))
def test_whatever_the_order_nothing_comes_out_twice_or_backwards(order: list[int]) -> None:
    out = [int(text) for _, text in play(*(packet(at) for at in order))]
    assert out == sorted(set(out))


@given(st.integers(0, 127), st.binary(max_size=200))
def test_what_is_written_is_read(payload_type: int, payload: bytes) -> None:
    stream = Outgoing(payload_type)
    found = parse(stream.packet(payload, 5))
    assert found is not None
    assert (found.payload_type, found.ssrc, found.payload) == (payload_type, stream.ssrc, payload)


def test_a_frame_is_as_far_on_as_its_number() -> None:
    stream = Outgoing(111)
    one, ten = parse(stream.packet(b"", 1)), parse(stream.packet(b"", 10))
    assert one is not None
    assert ten is not None
    assert (ten.timestamp - one.timestamp) & 0xFFFFFFFF == 9 * FRAME
    assert (ten.sequence - one.sequence) & 0xFFFF == 1


def test_an_extension_and_padding_are_left_out() -> None:
    extended = HEADER.pack(0xB0, 111, 1, 2, 3) + b"\xbe\xde\x00\x01" + b"exts" + b"payload" + b"\0\0\3"
    found = parse(extended)
    assert found is not None
    assert found.payload == b"payload"


@given(st.binary(max_size=60))
def test_whatever_comes_is_read_or_dropped(datagram: bytes) -> None:
    found = parse(datagram)
    assert found is None or isinstance(found.payload, bytes)


def test_reports_are_told_from_media() -> None:
    assert is_rtcp(b"\x80\xc8\0\0")
    assert not is_rtcp(b"\x80\x6f\0\0")
