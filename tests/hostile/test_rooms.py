"""Rooms of the server itself, and those who come to them without manners: signalling, media, RoomService."""

from __future__ import annotations

import json
import os
import re
import socket
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from typing import Any

import jwt
import pytest

from tests.hostile.conftest import House
from tests.hostile.lines import (
    BINARY,
    BROKEN,
    END,
    KEY,
    PING,
    ROOM,
    UPGRADE,
    RoomLine,
    Target,
    closing,
    frame,
    request,
)
from tests.hostile.test_manners import until
from tests.hostile.test_websockets import FRAMES

pytest.importorskip("livekit.protocol")
pytestmark = pytest.mark.sockets

PUT_OUT = r"emu: user-[\w-]+: .*"
# What the log says of somebody who is put out of a room for what they sent: a line.


def rtc() -> Any:
    from livekit.protocol import rtc

    return rtc


# --- who is let in ------------------------------------------------------------------------------------------


def resigned(token: str, **claims: Any) -> str:
    """The same claims but for these, signed by somebody else."""
    said = jwt.decode(token, options={"verify_signature": False})
    return jwt.encode({**said, **claims}, "another-secret-of-thirty-two-bytes!", "HS256")


def unsigned(token: str) -> str:
    said = jwt.decode(token, options={"verify_signature": False})
    return jwt.encode(said, "", algorithm="none")


def another_room(token: str) -> str:
    """The body of another token under this one's signature."""
    head, body, signature = token.split(".")
    said = json.loads(urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    said["video"]["room"] = "somebody-elses"
    forged = urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip("=")
    return ".".join((head, forged, signature))


TOKENS: dict[str, Callable[[str], str]] = {
    "none": lambda token: "",
    "spaces": lambda token: "   ",
    "no token": lambda token: "x.y.z",
    "zeros": lambda token: "\0" * 100,
    "six kilobytes of dots": lambda token: "." * 6000,
    "a head five thousand deep": lambda token: urlsafe_b64encode(b"[" * 5000).decode() + ".e30.x",
    "cut": lambda token: token[:-1],
    "flipped": lambda token: token[:-2] + ("A" if token[-2] != "A" else "B") + token[-1],
    "alg none": unsigned,
    "another key": resigned,
    "expired and of another key": lambda token: resigned(token, exp=1),
    "claims that are none": lambda token: resigned(token, video="all", exp=[], sub={}),
    "another room": another_room,
    "a key of ours in its place": lambda token: KEY,
}


@pytest.mark.parametrize("path", ["/rtc", "/rtc/v1", "/rtc/validate", "/rtc/v1/validate"])
@pytest.mark.parametrize("forge", TOKENS.values(), ids=TOKENS.keys())
def test_a_token_that_was_not_issued_lets_nobody_in(
    rooms: Target, path: str, forge: Callable[[str], str]
) -> None:
    room = rooms.room()
    lines = [*UPGRADE, f"Authorization: Bearer {forge(room.token)}"]
    if "\0" in lines[-1]:
        query = "?access_token=" + "%00" * 100
        answer = rooms.asked(request("GET", path + query, UPGRADE))
    else:
        answer = rooms.asked(request("GET", path, lines))
    assert answer is not None
    assert answer.status == 401
    # The one that was issued is good.
    room.join()
    room.leave()
    rooms.end(room.name)


def test_the_token_of_a_room_that_is_over_is_good_for_nothing(rooms: Target) -> None:
    room = rooms.room()
    rooms.end(room.name)
    answer = rooms.asked(request("GET", f"/rtc?access_token={room.token}", UPGRADE))
    assert answer is not None
    assert (answer.status, answer.body) == (404, b"requested room does not exist")


def test_twenty_with_one_token_are_one_user(rooms: Target) -> None:
    room = rooms.room()
    lines = [room.connect() for _ in range(20)]
    for line in lines[:-1]:
        assert line.close_code() in (1000, BROKEN)
    room.hear("join")
    rooms.end(room.name)


JOINS = {
    "no base64": "!",
    "no protobuf": "AAAA",
    "a megabyte that is not there": urlsafe_b64encode(b"\x0a\xff\xff\x3f" + bytes(20)).decode(),
    "gzip that is none": urlsafe_b64encode(b"\x08\x01\x12\x04abcd").decode(),
    "seven kilobytes": "A" * 7000,
}


@pytest.mark.parametrize("asked", JOINS.values(), ids=JOINS.keys())
def test_a_join_request_that_is_none_is_400(rooms: Target, asked: str) -> None:
    room = rooms.room()
    path = f"/rtc/v1?access_token={room.token}&join_request={asked}"
    answer = rooms.asked(request("GET", path, UPGRADE))
    assert answer is not None
    assert answer.status == 400
    rooms.end(room.name)


# --- signalling ---------------------------------------------------------------------------------------------


def joined(rooms: Target, path: str = "/rtc") -> RoomLine:
    room = rooms.room()
    room.join(path)
    return room


# An unfinished message larger than what websockets of sessions take is no frame that is wrong here.
OURS = {name: each for name, each in FRAMES.items() if "70 kilobytes" not in name}
OURS["300 kilobytes"] = (frame(b"x" * 300_000, BINARY), {1009})


@pytest.mark.parametrize(("sent", "codes"), OURS.values(), ids=OURS.keys())
def test_a_frame_that_is_none_ends_that_connection(
    rooms: Target, sent: bytes, codes: set[int], house: House
) -> None:
    house.told = PUT_OUT
    room = joined(rooms)
    room.line.send(sent)
    # aiohttp answers some of them by closing alone; what matters is that it is over.
    assert room.line.close_code() in codes | {1000, BROKEN}
    again = room.join()
    assert again.participant.identity
    rooms.end(room.name)


SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=fingerprint:sha-256 AA:BB\r\na=setup:actpass\r\n"
AUDIO = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:{mid}\r\na=rtpmap:{kind} opus/48000/2\r\na=sendonly\r\n"


def offer(sdp: str) -> dict[str, Any]:
    return {"offer": rtc().SessionDescription(type="offer", sdp=sdp)}


def answer(sdp: str) -> dict[str, Any]:
    return {"answer": rtc().SessionDescription(type="answer", sdp=sdp)}


def track(**about: Any) -> dict[str, Any]:
    return {"add_track": rtc().AddTrackRequest(**about)}


# Name: what is said; whoever says it is put out.
WRONG: dict[str, Callable[[], list[dict[str, Any]]]] = {
    "an offer of nothing": lambda: [offer("")],
    "an offer of noise": lambda: [offer("\0\x1b[2J\r\n" * 1000)],
    "an offer without sections": lambda: [offer("v=0\r\n")],
    "an offer without a fingerprint": lambda: [offer("v=0\r\n" + AUDIO.format(mid="0", kind=111))],
    "an offer of a section without a name": lambda: [offer(SDP + "m=audio 9 X 111\r\n")],
    "an offer of ten thousand sections": lambda: [offer(SDP + "m=audio 9 X 0\r\na=mid:0\r\n" * 10_000)],
    "an answer of nothing": lambda: [answer("")],
    "an answer of noise": lambda: [answer("m=" * 50_000)],
    "a hundred tracks": lambda: [track(cid=str(n)) for n in range(100)],
    "a track of a kilobyte's name": lambda: [track(cid="c", name="n" * 2000)],
}


@pytest.mark.parametrize("name", WRONG)
def test_whoever_says_what_cannot_be_is_put_out(rooms: Target, name: str, house: House) -> None:
    from livekit.protocol import models

    house.told = PUT_OUT
    room = joined(rooms)
    for each in WRONG[name]():
        room.say(**each)
    assert room.hear("leave").reason == models.STATE_MISMATCH
    again = room.join()
    assert again.participant.identity
    rooms.end(room.name)


def test_whoever_gives_tracks_up_and_takes_them_again_for_ever_is_put_out(
    rooms: Target, house: House
) -> None:
    """Each time there is one section more in all descriptions."""
    house.told = PUT_OUT
    room = rooms.room()
    sids = [each.sid for who in room.join().other_participants for each in who.tracks]
    for number in range(1000):
        wanted = rtc().UpdateSubscription(track_sids=sids, subscribe=bool(number % 2))
        room.say(subscription=wanted)
        if not room.hears("offer"):
            break
    assert 100 < number < 500
    rooms.end(room.name)


# Name: what is said; it is answered, or passed over.
STRANGE: dict[str, Callable[[], list[dict[str, Any]]]] = {
    "nothing": lambda: [{}] * 100,
    "a section of a number that is none": lambda: [offer(SDP + AUDIO.format(mid="0", kind=999))],
    "a source of five thousand digits": lambda: [
        offer(SDP + AUDIO.format(mid="0", kind=111) + "a=ssrc:" + "9" * 5000 + " cname:x\r\n")
    ],
    "a fingerprint of no kind": lambda: [
        offer(SDP.replace("sha-256", "md-1") + AUDIO.format(mid="0", kind=111))
    ],
    "two sections of one name": lambda: [offer(SDP + AUDIO.format(mid="0", kind=111) * 2)],
    "a candidate that is none": lambda: [{"trickle": rtc().TrickleRequest(candidateInit="{[")}],
    "a mute of nobody's track": lambda: [{"mute": rtc().MuteTrackRequest(sid="TR_x", muted=True)}],
    "a subscription to nothing": lambda: [
        {"subscription": rtc().UpdateSubscription(track_sids=["x"] * 1000, subscribe=True)}
    ],
    "settings of nobody's tracks": lambda: [
        {"track_setting": rtc().UpdateTrackSettings(track_sids=["x"] * 1000, disabled=True)}
    ],
    "attributes that it may not set": lambda: [
        {"update_metadata": rtc().UpdateParticipantMetadata(metadata="m" * 60_000)}
    ],
    "a scenario of LiveKit's tests": lambda: [{"simulate": rtc().SimulateScenario(node_failure=True)}],
    "one track a hundred times": lambda: [track(cid="c")] * 100,
}


@pytest.mark.parametrize("say", STRANGE.values(), ids=STRANGE.keys())
def test_what_is_only_strange_changes_nothing(rooms: Target, say: Callable[[], list[dict[str, Any]]]) -> None:
    room = joined(rooms)
    for each in say():
        room.say(**each)
    room.say(ping=1)
    assert room.hear("pong") > 0
    room.leave()
    rooms.end(room.name)


def test_protobuf_that_is_none_puts_its_sender_out(rooms: Target, house: House) -> None:
    house.told = PUT_OUT
    room = joined(rooms)
    room.line.send(frame(b"\xff" * 1000, BINARY))
    assert room.hear("leave") is not None
    rooms.end(room.name)


def test_text_where_protobuf_belongs_is_passed_over(rooms: Target) -> None:
    room = joined(rooms)
    room.line.send(frame(b'{"ping": 1}') * 100)
    room.say(ping=1)
    assert room.hear("pong") > 0
    rooms.end(room.name)


# --- manners ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/rtc", "/rtc/v1"])
def test_a_crowd_that_joins_and_vanishes(rooms: Target, path: str) -> None:
    room = rooms.room()
    for _ in range(30):
        room.connect(path).reset()
    room.join(path)
    rooms.end(room.name)


def test_rooms_that_nobody_comes_to_make_way(rooms: Target) -> None:
    names = [rooms.room().name for _ in range(10)]
    assert sessions(rooms) >= 10
    until(lambda: sessions(rooms) == 0)
    for name in names:
        answer = rooms.asked(
            request("POST", END, [f"x-api-key: {KEY}"], json.dumps({"roomName": name}).encode())
        )
        assert answer is not None
        assert answer.status == 204


def sessions(rooms: Target) -> int:
    answer = rooms.asked(request())
    assert answer is not None
    found: int = answer.json["sessions"]
    return found


def test_a_user_without_media_who_leaves_is_waited_for_no_longer_than_one_who_never_came(
    rooms: Target,
) -> None:
    room = joined(rooms)
    room.line.reset()
    until(lambda: sessions(rooms) == 0)


@pytest.mark.parametrize("kind", ["pings of the websocket", "pings of the room"])
def test_whoever_asks_and_reads_no_answer_is_dropped_or_held_back(
    rooms: Target, kind: str, house: House
) -> None:
    house.told = r"emu: user-[\w-]+ reads no signalling messages; the connection is dropped"
    room = joined(rooms)
    room.line.read_little()
    said = rtc().SignalRequest(ping=1).SerializeToString()
    asked = frame(b"x" * 100, PING) if kind == "pings of the websocket" else frame(said, BINARY)
    room.line.flood(asked * 500, 1.0)
    room.line.reset()
    room.join()
    rooms.end(room.name)


def test_a_close_is_answered(rooms: Target) -> None:
    room = joined(rooms)
    room.line.send(closing(1000, b"bye"))
    assert room.line.close_code() == 1000
    rooms.end(room.name)


def test_more_rooms_than_there_is_place_for_are_503(rooms: Target, refuses: Callable[[int], None]) -> None:
    refuses(503)
    names = [rooms.room().name for _ in range(24)]
    answer = rooms.asked(request("POST", ROOM, [f"x-api-key: {KEY}"], b"{}"))
    assert answer is not None
    assert (answer.status, int(answer.headers["retry-after"]) > 0) == (503, True)
    for name in names:
        rooms.end(name)


# --- media --------------------------------------------------------------------------------------------------


def media(rooms: Target) -> tuple[str, int]:
    """Where the server listens for it."""
    answer = rooms.asked(request())
    assert answer is not None
    host, _, port = answer.json["livekit"]["media"].removeprefix("udp ").rpartition(":")
    return host, int(port)


def check(name: str, password: str) -> bytes:
    """One of ICE's connectivity checks."""
    from aioice import stun

    asked = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    asked.attributes["USERNAME"] = f"{name}:theirs"
    asked.attributes["USE-CANDIDATE"] = None
    asked.add_message_integrity(password.encode())
    return bytes(asked)


def credentials(sdp: str) -> tuple[str, str]:
    """ICE's, as an offer of the server says them."""
    name, password = re.search(r"a=ice-ufrag:(\S+)", sdp), re.search(r"a=ice-pwd:(\S+)", sdp)
    assert name is not None
    assert password is not None
    return name[1], password[1]


DATAGRAMS: dict[str, bytes] = {
    "empty": b"",
    "one byte": b"\0",
    "a check that is cut": check("nobody", "x")[:21],
    "a check of nobody": check("nobody", "x"),
    "STUN of zeros": bytes(100),
    "STUN with a length that is not true": b"\0\1\xff\xff" + bytes(60),
    "DTLS of nobody": bytes([22]) + b"\xfe\xff" + bytes(200),
    "RTP of nobody": bytes([0x80, 111]) + bytes(100),
    "the largest": bytes(range(256)) * 255,
}


@pytest.mark.parametrize("sent", DATAGRAMS.values(), ids=DATAGRAMS.keys())
def test_a_datagram_of_nobody_is_passed_over(rooms: Target, sent: bytes) -> None:
    where = media(rooms)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        for _ in range(200):
            line.sendto(sent, where)
        line.settimeout(0.1)
        with pytest.raises(TimeoutError):
            line.recv(2000)


# Name: what follows a check that is good, and so comes from a known address.
FOLLOWING: dict[str, bytes] = {
    "noise": bytes(range(256)),
    "DTLS that is none": bytes([22]) + os.urandom(300),
    "a hello that is cut": bytes.fromhex("16feff0000000000000000003601000001000000000000") + bytes(10),
    "RTP without a key": bytes([0x80, 111]) + bytes(100),
    "RTCP without a key": bytes([0x80, 200]) + bytes(100),
    "data without a key": bytes([23]) + bytes(200),
}


def known(rooms: Target, sent: bytes) -> RoomLine:
    """A user whose address is known, and who sends this from it."""
    room = joined(rooms)
    name, password = credentials(room.hear("offer").sdp)
    room.say(**answer(SDP + "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:0\r\n"))
    where = media(rooms)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.settimeout(20)
        line.sendto(check(name, password), where)
        assert line.recv(2000)[:2] == b"\x01\x01"
        for _ in range(300):
            line.sendto(sent, where)
    return room


@pytest.mark.parametrize("sent", FOLLOWING.values(), ids=FOLLOWING.keys())
def test_media_that_is_none_from_somebody_who_is_known(rooms: Target, sent: bytes) -> None:
    room = known(rooms, sent)
    room.say(ping=1)
    assert room.hear("pong") > 0
    rooms.end(room.name)


def test_an_alert_in_place_of_media_ends_that_connection(rooms: Target) -> None:
    room = known(rooms, bytes.fromhex("15feff00000000000000000002022800"))
    assert room.line.close_code() == BROKEN
    room.join()
    rooms.end(room.name)


def test_a_user_who_checks_from_a_thousand_addresses(rooms: Target) -> None:
    room = joined(rooms)
    name, password = credentials(room.hear("offer").sdp)
    for _ in range(1000):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
            line.sendto(check(name, password), media(rooms))
    room.say(ping=1)
    assert room.hear("pong") > 0
    rooms.end(room.name)


# --- RoomService --------------------------------------------------------------------------------------------

SERVICE = "/twirp/livekit.RoomService/"
# Name: headers beside the token, body and status.
CALLS: dict[str, tuple[str, bytes, int]] = {
    "no protobuf": ("application/protobuf", b"\xff" * 100, 400),
    "no JSON": ("application/json", b"{", 400),
    "no UTF-8": ("application/json", b"\xff\xfe", 400),
    "deep nesting": ("application/json", b"[" * 10_000, 400),
    "a number of many digits": ("application/json", b'{"room":' + b"9" * 6000 + b"}", 400),
    "half a surrogate pair": ("application/json", b'{"room":"\\ud800"}', 400),
    "a room of somebody else": ("application/json", b'{"room":"another"}', 403),
    "too much": ("application/json", bytes(20_000), 413),
}


@pytest.mark.parametrize(("kind", "body", "status"), CALLS.values(), ids=CALLS.keys())
def test_a_call_of_room_service_that_cannot_be(rooms: Target, kind: str, body: bytes, status: int) -> None:
    room = rooms.room()
    lines = [f"Authorization: Bearer {room.token}", f"Content-Type: {kind}"]
    got = rooms.asked(request("POST", SERVICE + "ListParticipants", lines, body))
    assert got is not None
    assert got.status == status
    rooms.end(room.name)


def test_half_a_call_of_room_service_is_not_waited_for_long(rooms: Target) -> None:
    room = rooms.room()
    with rooms.line() as line:
        lines = [f"Authorization: Bearer {room.token}", "Content-Length: 100"]
        line.send(request("POST", SERVICE + "ListRooms", lines, b"{"))
        got = line.answer()
        assert got is not None
        assert got.status == 408
    rooms.end(room.name)


@pytest.mark.parametrize("method", ["CreateRoom", "ListRooms", "DeleteRoom", "RemoveParticipant", "Nothing"])
def test_a_users_token_rules_no_rooms(rooms: Target, method: str) -> None:
    room = rooms.room()
    lines = [f"Authorization: Bearer {room.token}", "Content-Type: application/json"]
    got = rooms.asked(request("POST", SERVICE + method, lines, b"{}"))
    assert got is not None
    assert got.status in (403, 404)
    rooms.end(room.name)
