"""Descriptions: what is read of a client's, what ours say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxemu.errors import RemoteProtocolError
from voxemu.rooms.embedded.sdp import Line, Scribe, Section, Sending, read

OFFER = """v=0\r
o=- 1 2 IN IP4 127.0.0.1\r
s=-\r
t=0 0\r
a=group:BUNDLE 0 1 2\r
m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9\r
c=IN IP4 0.0.0.0\r
a=ice-ufrag:abcd\r
a=ice-pwd:0123456789\r
a=fingerprint:sha-256 AA:BB\r
a=setup:actpass\r
a=mid:0\r
a=sendonly\r
a=msid:- cid-1\r
a=rtpmap:111 opus/48000/2\r
a=rtpmap:63 red/48000/2\r
a=ssrc:42 cname:x\r
m=video 9 UDP/TLS/RTP/SAVPF 96 97\r
a=mid:1\r
a=recvonly\r
a=rtpmap:96 VP8/90000\r
m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r
a=mid:2\r
a=sctp-port:5000\r
"""


def scribe() -> Scribe:
    return Scribe("name", "password", "sha-256 CC:DD", [("127.0.0.1", 4000)])


def test_the_sections_of_an_offer_are_read() -> None:
    audio, video, application = read(OFFER).sections
    assert audio == Section("audio", "0", "sendonly", 111, "111", "opus/48000/2", "cid-1", frozenset({42}))
    assert (video.kind, video.direction, video.opus, video.rtpmap) == ("video", "recvonly", None, "VP8/90000")
    assert (application.kind, application.mid) == ("application", "2")


def test_fingerprint_and_role_of_an_offer_are_read() -> None:
    assert (read(OFFER).fingerprints, read(OFFER).setup) == ((("sha-256", "AA:BB"),), "actpass")


def test_what_we_write_can_be_read() -> None:
    track = Sending("PA_1|TR_1 TR_1", 99)
    text = scribe().write(
        [Line("application", "0"), Line("audio", "1", "sendonly", track=track)], setup="actpass"
    )
    data, audio = read(text).sections
    assert (data.kind, data.mid) == ("application", "0")
    assert (audio.direction, audio.opus, audio.msid_track, audio.ssrcs) == (
        "sendonly",
        111,
        "TR_1",
        frozenset({99}),
    )


def test_silence_must_be_sent_too() -> None:
    assert "a=fmtp:111 minptime=10;useinbandfec=1;usedtx=0\r\n" in scribe().write(
        [Line("audio", "0", "recvonly")], setup="passive"
    )


def test_video_is_answered_with_its_own_codec_and_not_used() -> None:
    text = scribe().write([Line("video", "1", "inactive", "96", "VP8/90000")], setup="passive")
    assert "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n" in text
    assert "a=inactive\r\n" in text
    assert "a=rtpmap:96 VP8/90000\r\n" in text


def test_every_description_has_a_new_version() -> None:
    one = scribe()
    lines = [Line("application", "0")]
    assert one.write(lines, setup="actpass") != one.write(lines, setup="actpass")


def test_the_candidate_is_where_media_is_taken() -> None:
    assert "127.0.0.1 4000 typ host\r\n" in scribe().write([Line("application", "0")], setup="actpass")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "no media sections"),
        ("v=0\r\n", "no media sections"),
        (OFFER.replace("a=fingerprint:sha-256 AA:BB\r\n", ""), "no fingerprint"),
        (OFFER.replace("a=mid:1\r\n", ""), "cannot be read"),
    ],
)
def test_what_is_no_description_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(RemoteProtocolError, match=complaint):
        read(text)


@given(st.text())
def test_whatever_comes_is_read_or_refused(text: str) -> None:
    try:
        read(text)
    except RemoteProtocolError:
        return
