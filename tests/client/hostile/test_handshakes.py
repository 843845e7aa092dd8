"""Before the call: a server that is no server of this protocol, is broken, or is up to something."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import Any

import pytest

from tests.client.hostile.calls import KEY, brief
from tests.client.hostile.conftest import Place
from tests.client.hostile.villain import (
    HOST,
    TICKET,
    Reply,
    Villain,
    Wire,
    accepted,
    answer,
    bytes_of,
    reset,
)
from voxemu.errors import Refused
from voxemu.provider import CallPlan, Provider, Response, Target
from voxemu.wire import ON_SOCKETS, PROVIDERS
from voxemu.wire.lokutor import Lokutor
from voxemu_client.dial import Telephone

pytestmark = pytest.mark.sockets

UNREACHABLE, OFF_THE_PAGE = 3, 4
BOMB = gzip.compress(bytes(50_000_000))


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    return


async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-")
    await writer.drain()
    reset(writer)


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A head that never ends, slowly."""
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X: y\r\n")
        await writer.drain()
        await asyncio.sleep(0.02)


async def drip_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.02)


async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A body without an end."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
    while True:
        writer.write(b" " * 65_536)
        await writer.drain()


BROKEN: dict[str, Reply] = {
    "never answers": silence,
    "hangs up": hang_up,
    "resets in mid-head": break_off,
    "drips a head": drip,
    "speaks no HTTP": bytes_of(b"SSH-2.0-OpenSSH_9.9\r\n"),
    "answers with zeros": bytes_of(bytes(10_000)),
    "answers 500": answer(500, '{"error": "oops"}'),
    "answers 500 in HTML": answer(500, "<html><h1>Oops</h1></html>", "Content-Type: text/html"),
    "answers 503": answer(503, "", "Retry-After: 5"),
    "answers 401 and says the key again": answer(401, json.dumps({"error": f"bad key {KEY}"})),
    "answers 404": answer(404, "nothing here"),
    "answers 204": answer(204, ""),
    "answers 1000": answer(1000, ""),
    "redirects": answer(302, "", "Location: http://127.0.0.1:1/elsewhere"),
    "redirects for good": answer(308, "", "Location: /elsewhere"),
    "redirects with the key": answer(307, "", f"Location: /elsewhere?api_key={KEY}"),
    "has a head of a megabyte": bytes_of(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 1_000_000),
    "has headers by the thousand": bytes_of(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50_000 + b"\r\n"),
    "says a length that is none": bytes_of(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}"),
    "writes with control characters": answer(500, "\x1b[2J\x07\u202egpj.exe"),
}
LATE: dict[str, Reply] = {
    "drips a body": drip_body,
    "ends too soon": bytes_of(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}"),
    "has chunks that are none": bytes_of(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}"),
    "says gzip and is none": answer(200, "{}", "Content-Encoding: gzip"),
}
ENDLESS = (silence, drip, drip_body)
# Those that nothing but a limit ends.
OFF: dict[str, Reply] = {
    "HTML": answer(200, "<html>Sign in</html>", "Content-Type: text/html"),
    "an empty body": answer(200, ""),
    "a body without an end": flood,
    "a bomb": answer(200, BOMB, "Content-Encoding: gzip", "Content-Type: application/json"),
    "a charset that is none": answer(200, "{}", "Content-Type: application/json; charset=x-none"),
    "bytes that are no text": answer(200, b"\xff\xfe\x00"),
    "an array": answer(200, "[]"),
    "null": answer(200, "null"),
    "deep nesting": answer(200, "[" * 200_000),
    "a number of many digits": answer(200, "9" * 10_000),
    "NaN": answer(200, '{"sessionId": NaN}'),
    "an empty object": answer(200, "{}"),
}
URLS: dict[str, Any] = {
    "none": None,
    "a number": 5,
    "a list": ["ws://127.0.0.1"],
    "http": "http://127.0.0.1/x",
    "a file": "file:///etc/passwd",
    "no host": "ws:///x",
    "a path": "/x",
    "half a surrogate": "ws://127.0.0.1/\ud800",
    "a blank": "ws://127.0.0.1/a b",
    "a new line": "ws://127.0.0.1/a\r\nX-Evil: 1",
    "not ASCII": "ws://127.0.0.1/ü",
    "port 0": "ws://127.0.0.1:0/",
    "a port beyond": "ws://127.0.0.1:99999/",
    "a port that is a word": "ws://127.0.0.1:x/",
    "half a bracket": "ws://[::1/",
    "ten thousand characters": "ws://127.0.0.1/" + "a" * 10_000,
}


ASKING = [provider for provider in PROVIDERS.values() if Villain(provider).asks_first]
where_it_asks = pytest.mark.parametrize("villain", ASKING, ids=lambda each: each.id, indirect=True)


@pytest.mark.parametrize("reply", BROKEN.values(), ids=BROKEN)
async def test_an_upgrade_that_goes_wrong_is_told_in_time(
    reply: Reply, villain: Villain, placed: Place
) -> None:
    villain.upgrade = reply
    left = await placed(hurried="join" if reply in ENDLESS else "")
    assert left.code == UNREACHABLE
    assert left.err.startswith("emu client: ")
    assert left.err.count("\n") == 1
    assert left.recording is None
    assert not any(b"/elsewhere" in head for head in villain.asked)


@where_it_asks
@pytest.mark.parametrize("reply", [*BROKEN.values(), *LATE.values()], ids=[*BROKEN, *LATE])
async def test_a_start_that_goes_wrong_is_told_in_time(reply: Reply, villain: Villain, placed: Place) -> None:
    villain.start = reply
    left = await placed(hurried="answer" if reply in ENDLESS else "")
    assert left.code == UNREACHABLE
    assert left.err.startswith("emu client: ")
    assert left.err.count("\n") == 1
    assert not any(b"/elsewhere" in head for head in villain.asked)


@where_it_asks
@pytest.mark.parametrize("reply", OFF.values(), ids=OFF)
async def test_a_start_that_is_answered_off_the_page_is_exit_code_4(
    reply: Reply, villain: Villain, placed: Place
) -> None:
    villain.start = reply
    left = await placed()
    assert left.code == OFF_THE_PAGE
    assert "answered" in left.err


@where_it_asks
@pytest.mark.parametrize("url", URLS.values(), ids=URLS)
async def test_a_url_that_leads_to_no_websocket_is_exit_code_4(
    url: Any, villain: Villain, placed: Place
) -> None:
    (name,) = {"wsUrl", "ws_url", "livekitUrl"} & set(json.loads(villain.started()))
    villain.start = answer(200, villain.started(**{name: url}))
    left = await placed()
    assert left.code == OFF_THE_PAGE
    assert name in left.err


UPGRADES = {
    "accepts another key": lambda head: accepted(b"Sec-WebSocket-Key: AAAA\r\n"),
    "says yes to nothing": lambda head: b"HTTP/1.1 101 X\r\n\r\n",
    "says 200": lambda head: b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "upgrades to something else": lambda head: accepted(head).replace(b"websocket", b"h2c"),
}


@pytest.mark.parametrize("reply", UPGRADES.values(), ids=UPGRADES)
async def test_an_upgrade_that_is_none_is_refused(reply: Any, villain: Villain, placed: Place) -> None:
    async def upgrade(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(reply(villain.asked[-1]))

    villain.upgrade = upgrade
    left = await placed()
    assert left.code == UNREACHABLE
    assert "no websocket" in left.err or "refused the websocket" in left.err


# --- where the call is sent ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "villain", [each for each in ASKING if each.id in ON_SOCKETS], ids=lambda each: each.id, indirect=True
)
async def test_a_call_that_is_sent_to_another_host_goes_there_with_a_finding_and_without_the_key(
    villain: Villain, placed: Place
) -> None:
    villain.host = "localhost"

    async def act(wire: Wire) -> None:
        await wire.close(1000)

    villain.act = act
    left = await placed()
    upgrade = villain.asked[-1]
    assert upgrade.startswith(f"GET /session/stream/s-1?ticket={TICKET} HTTP/1.1".encode())
    assert KEY.encode() not in upgrade
    assert "F-SERVER-HOST" in left.found
    assert "finding    F-SERVER-HOST: the call was sent to localhost" in left.out


class Downgraded(Lokutor):
    """Asked over TLS, it sends the call elsewhere without."""

    id = "downgraded"

    def __init__(self, target: str) -> None:
        self.target = target

    def reach(self, plan: CallPlan, response: Response | None) -> Target:
        return Target(self.target)


@pytest.mark.parametrize("asked", ["https://127.0.0.1:1", "wss://127.0.0.1:1/ws/agent"])
async def test_a_call_that_began_with_tls_does_not_go_on_without(asked: str) -> None:
    async with Villain(ON_SOCKETS["lokutor"]).serving() as villain:
        provider: Provider = Downgraded(villain.socket_url)
        with pytest.raises(Refused, match="--insecure lets it") as refused:
            await Telephone(provider, CallPlan(asked, KEY)).call(brief(provider))
        assert TICKET not in str(refused.value)
        assert villain.asked == []


async def test_insecure_lets_a_call_go_on_without_tls() -> None:
    async with Villain(ON_SOCKETS["lokutor"]).serving() as villain:
        provider: Provider = Downgraded(villain.socket_url)
        call = Telephone(provider, CallPlan(f"https://{HOST}:1", KEY), insecure=True)
        (outcome,) = await call.call(brief(provider, patience=0.5))
        assert len(villain.asked) == 1
        assert outcome.closed.by == "caller"
