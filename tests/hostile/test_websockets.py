"""Websockets of all providers that are one: upgrades, frames and messages that no library would send."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable

import pytest

from tests.hostile.lines import (
    BINARY,
    CLOSE,
    CONTINUATION,
    KEY,
    PING,
    PONG,
    UPGRADE,
    Call,
    Target,
    closing,
    frame,
    request,
)
from tests.hostile.test_http import counted
from voxemu.events import AgentAudioSent, ErrorReported
from voxemu.wire import ON_SOCKETS

pytestmark = pytest.mark.sockets

every_provider = pytest.mark.parametrize("provider", ON_SOCKETS)
SOCKETS = {
    "lyzr-sip": "/session/stream/nobody?ticket=none",
    "workbuddy": "/api/v1/sdk/ws",
    "lokutor": f"/ws/agent?api_key={KEY}",
}
PROTOCOL_ERROR, BAD_TEXT, POLICY, TOO_BIG = 1002, 1007, 1008, 1009

# --- upgrades -----------------------------------------------------------------------------------------------


def without(name: str, *instead: str) -> list[str]:
    return [line for line in UPGRADE if not line.startswith(name)] + list(instead)


# Name: the header lines of the upgrade, and the status.
UPGRADES: dict[str, tuple[list[str], int]] = {
    "no version": (without("Sec-WebSocket-Version"), 426),
    "version 99": (without("Sec-WebSocket-Version", "Sec-WebSocket-Version: 99"), 426),
    "no key": (without("Sec-WebSocket-Key"), 426),
    "a key that is too short": (without("Sec-WebSocket-Key", "Sec-WebSocket-Key: AAAA"), 426),
    "a key that is no base64": (without("Sec-WebSocket-Key", "Sec-WebSocket-Key: !!!!"), 426),
    "no connection header": (without("Connection"), 426),
    "an upgrade to tea": (without("Upgrade", "Upgrade: tea"), 426),
    "a foreign origin": ([*UPGRADE, "Origin: https://evil.example"], 403),
    "a null origin": ([*UPGRADE, "Origin: null"], 403),
    "a rebound host": ([*UPGRADE, "Host: evil.example"], 403),
}


@every_provider
@pytest.mark.parametrize(("lines", "status"), UPGRADES.values(), ids=UPGRADES.keys())
def test_an_upgrade_that_is_none(target: Target, provider: str, lines: list[str], status: int) -> None:
    answer = target.asked(request("GET", SOCKETS[provider], lines))
    assert answer is not None
    assert (status, str) == (answer.status, type(answer.json["error"]))


@every_provider
def test_compression_is_not_agreed_to(target: Target, provider: str) -> None:
    with target.line() as line:
        offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
        line.send(request("GET", SOCKETS[provider], [*UPGRADE, offer]))
        answer = line.answer()
        assert answer is not None
        assert (answer.status, "sec-websocket-extensions" in answer.headers) == (101, False)


@every_provider
def test_what_comes_with_the_upgrade_is_read(target: Target, provider: str) -> None:
    with target.line() as line:
        line.send(request("GET", SOCKETS[provider], UPGRADE), frame(b"{") * 3, closing(1000))
        answer = line.answer()
        assert answer is not None
        assert answer.status == 101
        # Those of nobody are turned away before they are read.
        assert line.close_code() in (1000, POLICY, 4002)


# --- frames -------------------------------------------------------------------------------------------------

LONG = b"x" * 70_000

# Name: the frames, and the close codes that they may have.
FRAMES: dict[str, tuple[bytes, set[int]]] = {
    "a reserved bit, as of compression": (
        frame(b"\xaa\x56\x4a\x2d\x4a\x05\x00", reserved=4),
        {PROTOCOL_ERROR},
    ),
    "all reserved bits": (frame(b"{}", reserved=7), {PROTOCOL_ERROR}),
    "an unknown kind": (frame(b"{}", 3), {PROTOCOL_ERROR}),
    "an unknown control frame": (frame(b"", 11), {PROTOCOL_ERROR}),
    "half a ping": (frame(b"x", PING, fin=False), {PROTOCOL_ERROR}),
    "a ping of 200 bytes": (frame(b"x" * 200, PING), {PROTOCOL_ERROR}),
    "the end of nothing": (frame(b"{}", CONTINUATION), {PROTOCOL_ERROR}),
    "a text within a text": (frame(b"{", fin=False) + frame(b"}"), {PROTOCOL_ERROR}),
    "a close of one byte": (frame(b"\x03", CLOSE), {PROTOCOL_ERROR}),
    "a close with a code that is none": (closing(999), {PROTOCOL_ERROR}),
    "a close that says no status": (closing(1005), {PROTOCOL_ERROR}),
    "a close in no UTF-8": (closing(1000, b"\xff\xfe"), {PROTOCOL_ERROR, BAD_TEXT}),
    "a text in no UTF-8": (frame(b"\xff\xfe"), {BAD_TEXT}),
    "a surrogate in UTF-8": (frame(b"\xed\xa0\x80"), {BAD_TEXT}),
    "a text of 70 kilobytes": (frame(LONG), {TOO_BIG}),
    "a binary of 70 kilobytes": (frame(LONG, BINARY), {TOO_BIG}),
    "70 kilobytes in pieces": (
        frame(LONG[:7000], fin=False) + frame(LONG[:7000], CONTINUATION, fin=False) * 9,
        {TOO_BIG},
    ),
    "a length of eight exabytes": (frame(b"x", length=1 << 62), {TOO_BIG, PROTOCOL_ERROR}),
    "a length below zero": (b"\x81\xff" + b"\xff" * 8 + bytes(4), {TOO_BIG, PROTOCOL_ERROR}),
    "a request in place of a frame": (request(), {PROTOCOL_ERROR, TOO_BIG}),
}


@every_provider
@pytest.mark.parametrize(("sent", "codes"), FRAMES.values(), ids=FRAMES.keys())
def test_a_frame_that_is_none_ends_the_session(
    target: Target, provider: str, sent: bytes, codes: set[int]
) -> None:
    call = target.call(provider)
    call.line.send(sent)
    assert call.line.close_code() in codes
    call.line.socket.close()


@every_provider
def test_a_message_over_the_limit_is_in_the_timeline(target: Target, provider: str) -> None:
    call = target.call(provider)
    call.line.send(frame(LONG))
    assert call.line.close_code() == TOO_BIG
    call.line.socket.close()
    assert ("message", 65_536) in limits_of(target, provider)


def limits_of(target: Target, provider: str) -> list[tuple[str, float]]:
    """Those that the newest session of this provider met."""
    answer = target.asked(request(path="/__emu/sessions"))
    assert answer is not None
    newest = next(one for one in answer.json["sessions"] if one["provider"] == provider)
    answer = target.asked(request(path=f"/__emu/sessions/{newest['id']}"))
    assert answer is not None
    met = [event for event in answer.json["events"] if event["type"] == "limit_reached"]
    return [(event["limit"], event["value"]) for event in met]


# Name: frames after which the session goes on.
HARMLESS: dict[str, bytes] = {
    "a ping": frame(b"x", PING),
    "two thousand pings": frame(b"x" * 100, PING) * 2000,
    "pongs that nobody asked for": frame(b"x" * 100, PONG) * 2000,
    "a ping between the pieces of a text": frame(b"{", fin=False)
    + frame(b"", PING)
    + frame(b"}", CONTINUATION),
    "a text in a thousand pieces": frame(b"{", fin=False)
    + frame(b" ", CONTINUATION, fin=False) * 1000
    + frame(b"}", CONTINUATION),
    "pieces of nothing": frame(b"", fin=False)
    + frame(b"", CONTINUATION, fin=False) * 500
    + frame(b"", CONTINUATION),
    "a length that takes more bytes than it needs": b"\x81\xff" + struct.pack(">Q", 2) + bytes(4) + b"{}",
    "an empty text": frame(b""),
    "an empty binary": frame(b"", BINARY),
    "one byte": frame(b"\x01", BINARY),
    "zeros": frame(bytes(2001), BINARY),
}


@every_provider
@pytest.mark.parametrize("sent", HARMLESS.values(), ids=HARMLESS.keys())
def test_a_strange_frame_changes_nothing(target: Target, provider: str, sent: bytes) -> None:
    call = target.call(provider)
    call.line.send(sent)
    call.speak()
    call.hear(AgentAudioSent)
    call.hang_up()


# --- messages -----------------------------------------------------------------------------------------------

MESSAGES: dict[str, str] = {
    "half an object": '{"type":',
    "an array": "[]",
    "null": "null",
    "a word": "true",
    "a number of twenty thousand digits": '{"type":' + "9" * 20_000 + "}",
    "an array thirty thousand deep": "[" * 30_000,
    "an object five hundred deep": '{"type":' * 500 + "1" + "}" * 500,
    "a type that is a list": '{"type":[]}',
    "a type that is an object": '{"type":{}}',
    "no type": "{}",
    "a type that nobody knows": '{"type":"telepathy"}',
    "half a surrogate pair": '{"type":"\\ud800"}',
    "control characters": '{"type":"\\u0000\\u001b[2J\\r\\nHTTP/1.1 200 OK"}',
    "sixty kilobytes of a type": '{"type":"' + "t" * 60_000 + '"}',
    "a thousand keys": json.dumps({str(n): [] for n in range(1000)}),
    "audio that is no base64": '{"type":"audio","audio":"§§§","data":"§§§"}',
    "audio that is a list": '{"type":"audio","audio":[1,2],"data":[1,2]}',
    "audio at no rate": '{"type":"audio","audio":"AAAA","sampleRate":0}',
    "audio at an infinite rate": '{"type":"audio","audio":"AAAA","sampleRate":1e999}',
    "settings of a wrong kind": '{"type":"prompt","data":{"a":[]}}',
    "a result of no tool": '{"type":"tool_result","call_id":"../../etc/passwd","result":null}',
}


@every_provider
@pytest.mark.parametrize("sent", MESSAGES.values(), ids=MESSAGES.keys())
def test_a_message_that_cannot_be_read_is_an_error_and_the_session_goes_on(
    target: Target, provider: str, sent: str
) -> None:
    call = target.call(provider)
    call.line.send(frame(sent.encode()))
    call.hear(ErrorReported)
    call.speak()
    call.hear(AgentAudioSent)
    call.hang_up()


@every_provider
def test_twenty_bad_messages_end_the_session(target: Target, provider: str) -> None:
    call = target.call(provider)
    call.line.send(frame(b"{") * 200)
    assert call.line.close_code() == POLICY
    call.line.socket.close()
    assert ("bad_messages", 20) in limits_of(target, provider)


Said = Callable[[Call], bytes]
BEFORE_THE_TOKEN: dict[str, bytes] = {
    "audio": frame(bytes(640), BINARY),
    "no JSON": frame(b"token"),
    "a token that is a list": frame(b'{"token":[]}'),
    "an empty token": frame(b'{"token":""}'),
    "a token nested five hundred deep": frame(b'{"token":' * 500 + b"1" + b"}" * 500),
}


@pytest.mark.parametrize("sent", BEFORE_THE_TOKEN.values(), ids=BEFORE_THE_TOKEN.keys())
def test_something_else_than_a_token_is_told_so(target: Target, sent: bytes) -> None:
    with target.upgraded(SOCKETS["workbuddy"]) as line:
        line.send(sent)
        got = line.frame()
        assert got is not None
        assert json.loads(got[1])["code"] == "INVALID_AUTH"
        assert line.close_code() == 4002


def test_no_token_in_time_is_told_so(target: Target) -> None:
    before = counted(target, "first_message")
    with target.upgraded(SOCKETS["workbuddy"]) as line:
        assert line.close_code() == 4001
    assert counted(target, "first_message") == before + 1
