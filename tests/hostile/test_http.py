"""Requests that no client of a good library would send, over HTTP."""

from __future__ import annotations

import gzip
import zlib

import pytest

from tests.hostile.lines import KEY, Target, request
from voxemu.events import AgentAudioSent

pytestmark = pytest.mark.sockets

START = "/session/start"
TOKEN = "/api/v1/sdk/token"
ROOM = "/v1/sessions/start"
GOOD = b'{"agentId":"a"}'
WRONG = b'{"agentId":7}'

# --- what is hardly HTTP ----------------------------------------------------------------------------------

# Name: what is sent, and the status; 0 where the line may be closed without an answer.
RAW: dict[str, tuple[bytes, set[int]]] = {
    "nothing but line ends": (b"\r\n\r\n\r\n\r\n" + request(), {200, 400}),
    "random bytes": (bytes(range(256)) * 4, {400}),
    "a TLS hello": (bytes.fromhex("160301020001000001fc0303") + bytes(200), {400}),
    "HTTP/2 without asking": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 404, 405}),
    "HTTP/0.9": (b"GET /health\r\n\r\n", {200, 400}),
    "HTTP/1.0": (b"GET /health HTTP/1.0\r\n\r\n", {200}),
    "HTTP/9.9": (b"GET /health HTTP/9.9\r\nHost: localhost\r\n\r\n", {200, 400, 505}),
    "no version": (b"GET /health HTTP\r\nHost: localhost\r\n\r\n", {400}),
    "a method of spaces": (b"    /health HTTP/1.1\r\nHost: localhost\r\n\r\n", {400}),
    "a method that does not exist": (request("FROBNICATE"), {400, 405}),
    "TRACE": (request("TRACE"), {405}),
    "CONNECT": (b"CONNECT evil.example:443 HTTP/1.1\r\nHost: localhost\r\n\r\n", {400, 403, 404, 405}),
    "a method in lower case": (request("get"), {400, 405}),
    "a method a kilobyte long": (request("A" * 1024), {400, 405}),
    "a path that is none": (request(path="health"), {400, 404}),
    "an absolute URL of another host": (request(path="http://evil.example/health"), {200, 400, 403, 404}),
    "a path of dots": (request(path="/../../../../etc/passwd"), {404}),
    "a path of encoded dots": (request(path="/%2e%2e/%2e%2e/etc/passwd"), {404}),
    "a session named like a path": (request(path="/__emu/sessions/..%2f..%2fetc%2fpasswd"), {404}),
    "a session with a zero in its name": (request(path="/__emu/sessions/%00"), {404}),
    "a path of broken escapes": (request(path="/%zz%f%"), {404}),
    "a path that is no UTF-8": (request(path="/%ff%fe%ed%a0%80"), {404}),
    "a path of raw bytes": (b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n", {400, 404}),
    "a path of sixteen kilobytes": (request(path="/" + "a" * 16_384), {400, 414}),
    "a path of a thousand parts": (request(path="/a" * 1000), {404}),
    "a query of six kilobytes": (request(path="/health?" + "a=b&" * 1500), {200}),
    "a query of broken escapes": (request(path="/health?%zz=%ff&&&=&="), {200}),
    "a header line without a colon": (request(headers=["Host: localhost", "nonsense"]), {400}),
    "a header without a name": (request(headers=["Host: localhost", ": x"]), {400}),
    "a header with a space in its name": (request(headers=["Host: localhost", "a b: x"]), {400}),
    "a folded header": (request(headers=["Host: localhost", "X-A: b", " c"]), {200, 400}),
    "a header of sixteen kilobytes": (request(headers=["X-A: " + "b" * 16_384]), {400, 431}),
    "a thousand headers": (request(headers=[f"X-{n}: b" for n in range(1000)]), {400, 431}),
    "a header with a zero in it": (request(headers=["X-A: b\0c"]), {200, 400}),
    "a header of high bytes": (request(headers=["X-A: \xff\xfe"]), {200}),
    "bare line feeds": (b"GET /health HTTP/1.1\nHost: localhost\n\n", {200, 400}),
    "two hosts": (request(headers=["Host: localhost", "Host: evil.example"]), {400, 403}),
    "no host": (b"GET /health HTTP/1.1\r\n\r\n", {200, 400}),
    "an empty host": (request(headers=["Host:"]), {200, 400}),
    "a host that was rebound": (request(headers=["Host: evil.example"]), {403}),
    "a host that looks like ours": (request(headers=["Host: localhost.evil.example"]), {403}),
    "a host of seven kilobytes": (request(headers=["Host: " + "a" * 7000]), {403}),
    "a host of brackets": (request(headers=["Host: [[[["]), {400, 403}),
    "a foreign origin": (request(headers=["Origin: https://evil.example"]), {403}),
    "a null origin": (request(headers=["Origin: null"]), {403}),
    "an origin that is none": (request(headers=["Origin: \xff[::"]), {403}),
    "a vendor's host without TLS": (request(headers=["Host: voice-sip.voice.lyzr.app"]), {403}),
    "a length that is no number": (
        request("POST", START, ["Content-Length: x"], GOOD),
        {400},
    ),
    "a length below zero": (request("POST", START, ["Content-Length: -1"], GOOD), {400}),
    "two lengths": (request("POST", START, ["Content-Length: 15", "Content-Length: 16"], GOOD), {400}),
    "a length of a googol": (request("POST", START, ["Content-Length: 1" + "0" * 100], GOOD), {400, 413}),
    "a length and chunks": (
        request("POST", START, ["Content-Length: 4", "Transfer-Encoding: chunked"], b"0\r\n\r\n"),
        {400},
    ),
    "an unknown transfer encoding": (
        request("POST", START, ["Transfer-Encoding: tea"], GOOD),
        {400, 501},
    ),
    "chunks of no size": (request("POST", START, ["Transfer-Encoding: chunked"], b"zz\r\n\r\n"), {400}),
    "a chunk of a googol": (
        request("POST", START, ["Transfer-Encoding: chunked"], b"f" * 100 + b"\r\n"),
        {400, 413},
    ),
    "an upgrade to something else": (request(headers=["Upgrade: h2c", "Connection: Upgrade"]), {200, 400}),
    "an expectation that cannot be met": (request("POST", START, ["Expect: tea"], GOOD), {417}),
    "a request inside a request": (request("POST", START, (), GOOD + request("DELETE", "/__emu/x")), {400}),
    "a change without the control header": (request("DELETE", "/__emu/sessions", (), b""), {403}),
    "a change from a page": (
        request("POST", "/__emu/reset", ["Origin: https://evil.example", "x-emu-control: 1"], b""),
        {403},
    ),
}


@pytest.mark.parametrize(("sent", "statuses"), RAW.values(), ids=RAW.keys())
def test_a_request_that_is_hardly_one(target: Target, sent: bytes, statuses: set[int]) -> None:
    answer = target.asked(sent)
    assert answer is not None
    assert answer.status in statuses
    if answer.status >= 400 and not sent.startswith(b"HEAD"):
        assert answer.headers["content-type"].startswith("application/json")
        assert isinstance(answer.json["error"], str)


# --- bodies -------------------------------------------------------------------------------------------------

BODIES: dict[str, bytes] = {
    "nothing": b"",
    "spaces": b" " * 1000,
    "zeros": bytes(1000),
    "no UTF-8": b"\xff\xfe{}",
    "half an object": b'{"agentId":',
    "an array": b"[]",
    "null": b"null",
    "a number of ten thousand digits": b'{"agentId":' + b"9" * 10_000 + b"}",
    "a number that is infinite": b'{"agentId":1e999}',
    "NaN": b'{"agentId":NaN}',
    "five thousand arrays deep": b"[" * 5000,
    "an object five hundred deep": b'{"agentId":' * 500 + b"1" + b"}" * 500,
    "a type that is a list": b'{"agentId":[],"userIdentity":[]}',
    "an object for a name": b'{"agentId":{},"userIdentity":{}}',
    "two objects": b'{"agentId":"a"}{"agentId":"b"}',
    "a form": b"agentId=a&userIdentity=b",
    "a byte order mark": b"\xef\xbb\xbf{}",
}


@pytest.mark.parametrize("path", [START, ROOM])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_a_body_that_is_no_start_request_is_400(target: Target, path: str, body: bytes) -> None:
    answer = target.asked(request("POST", path, [f"x-api-key: {KEY}"], body))
    assert answer is not None
    assert (400, str) == (answer.status, type(answer.json["error"]))


NAMES = {
    "half a surrogate pair": b'{"agentId":"\\ud800"}',
    "control characters": b'{"agentId":"\\u0000\\u001b[2J"}',
    "nine kilobytes": b'{"agentId":"' + b"a" * 9000 + b'"}',
}


@pytest.mark.parametrize("body", NAMES.values(), ids=NAMES.keys())
def test_a_strange_name_of_an_agent_is_only_a_name(target: Target, body: bytes) -> None:
    answer = target.asked(request("POST", START, (), body))
    assert answer is not None
    assert answer.status in (200, 400)


@pytest.mark.parametrize("path", [START, TOKEN, ROOM])
@pytest.mark.parametrize(
    ("headers", "body", "statuses"),
    [
        ([], bytes(20_000), {413}),
        (["Content-Length: 100000000"], b"{", {413}),
        (
            ["Transfer-Encoding: chunked"],
            b"4000\r\n" + bytes(0x4000) + b"\r\n4000\r\n" + bytes(0x4000) + b"\r\n",
            {413},
        ),
        (["Content-Encoding: gzip"], b"no gzip", {400}),
        (["Content-Encoding: gzip"], gzip.compress(bytes(50_000_000)), {400, 413}),
        (["Content-Encoding: deflate"], zlib.compress(bytes(50_000_000)), {400, 413}),
        (["Content-Encoding: br"], b"x" * 100, {400, 415}),
        (["Content-Encoding: tea"], WRONG, {200, 400, 415}),
        (["Content-Type: application/json; charset=klingon"], WRONG, {200, 400}),
        (["Content-Type: multipart/form-data; boundary=" + "x" * 5000], WRONG, {200, 400}),
        (["Content-Type: \xff/\xff;;;=;"], WRONG, {200, 400}),
    ],
    ids=[
        "twenty kilobytes",
        "a length of a hundred megabytes",
        "chunks without end",
        "no gzip though it says so",
        "a bomb in gzip",
        "a bomb in deflate",
        "no brotli though it says so",
        "an unknown encoding",
        "an unknown charset",
        "a form without a form",
        "a type that is none",
    ],
)
def test_a_body_that_is_not_what_it_says(
    target: Target, path: str, headers: list[str], body: bytes, statuses: set[int]
) -> None:
    keyed = [*headers, f"x-api-key: {KEY}", f"Authorization: Bearer {KEY}"]
    answer = target.asked(request("POST", path, keyed, body))
    assert answer is not None
    assert answer.status in statuses


KEYS = ["", "   ", "Bearer", "Bearer  ", "Basic x", "Bearer \xff", "bearer\tk", "Bearer a b"]
KEYS.append("Bearer " + "k" * 7000)


@pytest.mark.parametrize("shown", KEYS, ids=[repr(key[:12]) for key in KEYS])
def test_a_strange_key_is_a_key_or_none(target: Target, shown: str) -> None:
    answer = target.asked(request("POST", TOKEN, [f"Authorization: {shown}"], b""))
    assert answer is not None
    assert answer.status in (200, 401)


# --- the emulator's own routes ------------------------------------------------------------------------------

CONTROL = "X-Emu-Control: 1"
# Name: a body for a route that changes something.
STEERING: dict[str, bytes] = {
    "no UTF-8": b"\xff\xfe{}",
    "UTF-16": '{"label": "x"}'.encode("utf-16"),
    "half an object": b'{"label":',
    "an array": b"[]",
    "deep nesting": b'{"label":' + b"[" * 10_000,
    "a number of ten thousand digits": b'{"label":' + b"9" * 10_000 + b"}",
    "half a surrogate pair": b'{"label":"\\ud800","text":"\\ud800","reason":"\\ud800","kind":"\\ud800"}',
    "a list for a text": b'{"label":[],"text":[],"reason":[],"kind":[]}',
    "an object for a text": b'{"label":{},"text":{},"reason":{},"kind":{}}',
}


@pytest.mark.parametrize("act", ["transcript", "fault", "reset", "faults"])
@pytest.mark.parametrize("body", STEERING.values(), ids=STEERING.keys())
def test_a_body_that_steers_nothing_is_400_and_the_session_goes_on(
    target: Target, act: str, body: bytes
) -> None:
    call = target.call("lokutor")
    path = "/__emu/" + (act if act in ("reset", "faults") else f"sessions/{newest(target)}/{act}")
    answer = target.asked(request("POST", path, [CONTROL], body))
    assert answer is not None
    assert (400, str) == (answer.status, type(answer.json["error"]))
    call.speak()
    call.hear(AgentAudioSent)
    call.hang_up()


def newest(target: Target) -> str:
    answer = target.asked(request(path="/__emu/sessions?state=live"))
    assert answer is not None
    found: str = answer.json["sessions"][0]["id"]
    return found


@pytest.mark.parametrize("kind", ["application/json; charset=klingon", "text/plain; charset=utf-16", "\xff"])
def test_what_a_body_says_of_itself_changes_nothing(target: Target, kind: str) -> None:
    lines = [CONTROL, f"Content-Type: {kind}"]
    answer = target.asked(request("POST", "/__emu/reset", lines, b'{"label":"nobody"}'))
    assert answer is not None
    assert answer.status == 200


# --- limits are counted -------------------------------------------------------------------------------------

MET: dict[str, tuple[str, bytes]] = {
    "a body that is too large": ("http_body", request("POST", START, (), bytes(20_000))),
    "a body that does not come": ("body", request("POST", START, ["Content-Length: 100"], b"{")),
    "one for the emulator": ("body", request("POST", "/__emu/reset", [CONTROL, "Content-Length: 9"], b"{")),
    "a head that does not come": ("headers", b"GET /health HTTP/1.1\r\nHost: local"),
    "no HTTP": ("http", b"\x00\x01\x02\r\n\r\n"),
}


@pytest.mark.parametrize(("limit", "sent"), MET.values(), ids=MET.keys())
def test_a_limit_that_is_met_is_counted(target: Target, limit: str, sent: bytes) -> None:
    before = counted(target, limit)
    target.asked(sent)
    assert counted(target, limit) == before + 1


def counted(target: Target, limit: str) -> int:
    """How often it was met so far."""
    answer = target.asked(request(path="/__emu/sessions"))
    assert answer is not None
    found: int = answer.json["limits"].get(limit, 0)
    return found
