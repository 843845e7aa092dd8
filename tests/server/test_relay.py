"""Passing calls through: every byte of the sockets, the close codes of both ends, and the start's answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import WSMsgType, WSServerHandshakeError, web
from aiohttp.test_utils import TestServer

from tests.server.conftest import Running, Start, until
from voxemu.errors import SettingsError
from voxemu.record import Recording

Hold = Callable[[web.WebSocketResponse], Awaitable[None]]
MESSAGES: list[str | bytes] = [
    '{"type": "status",  "data":"connected"}',
    "{ no json at all",
    '{"type":"never heard of","x":"é\\u00e9"}',
    b"\x01\x02\x03",
    b"",
    '{"type":"transcript","role":"agent","data":"Hello"}',
    b"\x10\x20" * 2646,
]


class Vendor:
    """A provider that is none of ours: says what a test has it say, and keeps what it is asked and told."""

    def __init__(self) -> None:
        self.requests: list[web.Request] = []
        self.told: list[Any] = []
        self.closed: int | None = None
        self.status = 200
        self.answer = b"{}"
        self.hold: Hold = self.listen

    async def start(self, request: web.Request) -> web.Response:
        self.requests.append(request)
        self.told.append(await request.read())
        return web.Response(
            status=self.status,
            body=self.answer,
            headers={"Content-Type": "application/json; charset=utf-8", "X-Vendor": "1"},
        )

    async def socket(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        if self.status != 200:
            return web.Response(status=self.status)
        ws = web.WebSocketResponse(protocols=["voice.v2"])
        await ws.prepare(request)
        await self.hold(ws)
        self.closed = ws.close_code
        return ws

    async def listen(self, ws: web.WebSocketResponse) -> None:
        async for message in ws:
            self.told.append(message.data)


@pytest.fixture
async def vendor() -> AsyncIterator[tuple[Vendor, str]]:
    vendor, app = Vendor(), web.Application()
    app.router.add_get("/ws/agent", vendor.socket)
    app.router.add_get("/somewhere/else", vendor.socket)
    app.router.add_post("/session/start", vendor.start)
    app.router.add_put("/v2/voices", vendor.start)
    async with TestServer(app) as server:
        yield vendor, f"http://127.0.0.1:{server.port}"


async def relay(start: Start, url: str, provider: str = "lokutor", **flags: Any) -> Running:
    return await start(upstream=url, provider=(provider,), record="calls", **flags)


async def recording(running: Running, provider: str = "lokutor") -> Recording:
    await until(lambda: not running.server.registry.live)
    return Recording.open(only(Path("calls", provider)))


def only(folder: Path) -> Path:
    (found,) = folder.iterdir()
    return found


def written(folder: Path) -> str:
    return "".join(path.read_text() for path in folder.rglob("*.json*"))


def socket_of(running: Running, query: str = "?api_key=k-e-y-k-e-y") -> str:
    return f"ws{running.url.removeprefix('http')}/ws/agent{query}"


async def test_what_the_provider_says_arrives_byte_for_byte(start: Start, vendor: Any) -> None:
    async def say(ws: web.WebSocketResponse) -> None:
        for message in MESSAGES:
            await (ws.send_bytes(message) if isinstance(message, bytes) else ws.send_str(message))
        await ws.close(code=4321, message=b"enough")

    vendor[0].hold = say
    running = await relay(start, vendor[1])
    async with running.client.ws_connect(socket_of(running)) as ws:
        heard = [await ws.receive() for _ in MESSAGES]
        closed = await ws.receive()
    assert [message.data for message in heard] == MESSAGES
    assert (closed.type, closed.data, closed.extra) == (WSMsgType.CLOSE, 4321, "enough")


async def test_what_the_client_says_arrives_byte_for_byte(start: Start, vendor: Any) -> None:
    running = await relay(start, vendor[1])
    async with running.client.ws_connect(socket_of(running)) as ws:
        for message in MESSAGES:
            await (ws.send_bytes(message) if isinstance(message, bytes) else ws.send_str(message))
        await ws.close(code=4001)
    await until(lambda: vendor[0].closed is not None)
    assert (vendor[0].told, vendor[0].closed) == (MESSAGES, 4001)


async def test_what_nobody_can_read_is_in_the_timeline_too(start: Start, vendor: Any) -> None:
    running = await relay(start, vendor[1])
    async with running.client.ws_connect(socket_of(running)) as ws:
        await ws.send_str("{ no json at all")
    lines = (await recording(running)).timeline.lines
    assert [line.fields["problem"] for line in lines if line.type == "unrecognised"] == ["not_json"]


async def test_a_connection_that_breaks_is_broken_at_the_other_end(start: Start, vendor: Any) -> None:
    async def vanish(ws: web.WebSocketResponse) -> None:
        assert ws._req is not None
        assert ws._req.transport is not None
        ws._req.transport.abort()

    vendor[0].hold = vanish
    running = await relay(start, vendor[1])
    async with running.client.ws_connect(socket_of(running)) as ws:
        await ws.receive()
        assert ws.close_code == 1006
    assert (await recording(running)).manifest["closed"]["code"] == 1006


async def test_a_close_without_a_code_has_none_at_the_other_end(start: Start, vendor: Any) -> None:
    running = await relay(start, vendor[1])
    async with running.client.ws_connect(socket_of(running)) as ws:
        await ws._writer.send_frame(b"", WSMsgType.CLOSE)
        await until(lambda: vendor[0].closed is not None)
    assert vendor[0].closed in (1005, 1000, 0)
    assert (await recording(running)).manifest["closed"]["code"] == 1005


async def test_the_upgrade_is_asked_as_the_client_asked_it(start: Start, vendor: Any) -> None:
    running = await relay(start, vendor[1])
    headers = {"X-API-Key": "k-e-y", "User-Agent": "their-app/3", "Origin": running.url}
    async with running.client.ws_connect(
        socket_of(running, "?agent_id=a%20b&x=1"), headers=headers, protocols=["voice.v1", "voice.v2"]
    ) as ws:
        assert ws.protocol == "voice.v2"
    (asked,) = vendor[0].requests
    assert asked.raw_path == "/ws/agent?agent_id=a%20b&x=1"
    assert {name: asked.headers[name] for name in headers} == headers


async def test_a_refused_upgrade_is_refused_with_the_same_status(start: Start, vendor: Any) -> None:
    vendor[0].status = 403
    running = await relay(start, vendor[1])
    with pytest.raises(WSServerHandshakeError) as refused:
        await running.client.ws_connect(socket_of(running))
    assert refused.value.status == 403


# --- the start --------------------------------------------------------------------------------------------


async def started(running: Running, body: bytes = b'{"agentId":"a"}') -> Any:
    async with running.client.post(
        f"{running.url}/session/start", data=body, headers={"Content-Type": "application/json"}
    ) as answered:
        return answered.status, await answered.read(), answered.headers


async def test_the_answer_is_as_it_was_but_for_the_sockets_url(start: Start, vendor: Any) -> None:
    real = f"ws{vendor[1].removeprefix('http')}/somewhere/else?ticket=once-and-never-again"
    vendor[0].answer = b'{"a": 1 ,"wsUrl" : "%s",  "b":[2]}' % real.encode()
    running = await relay(start, vendor[1], "lyzr-sip")
    status, body, headers = await started(running)
    url = json.loads(body)["wsUrl"]
    assert (status, headers["X-Vendor"]) == (200, "1")
    assert body.replace(url.encode(), real.encode()) == vendor[0].answer
    assert url.startswith(f"ws{running.url.removeprefix('http')}/")
    assert vendor[0].told == [b'{"agentId":"a"}']


async def test_the_client_that_comes_back_reaches_the_real_url(start: Start, vendor: Any) -> None:
    real = f"ws{vendor[1].removeprefix('http')}/somewhere/else?ticket=once-and-never-again"
    vendor[0].answer = json.dumps({"wsUrl": real}).encode()
    running = await relay(start, vendor[1], "lyzr-sip")
    _, body, _ = await started(running)
    async with running.client.ws_connect(json.loads(body)["wsUrl"]) as ws:
        await ws.send_str("once-and-never-again")
    assert vendor[0].requests[-1].raw_path == "/somewhere/else?ticket=once-and-never-again"
    assert (await recording(running, "lyzr-sip")).complete
    assert "once-and" not in written(Path("calls"))


async def test_an_answer_without_a_url_is_as_it_was(start: Start, vendor: Any) -> None:
    vendor[0].answer = b'  {"nothing": "here"}'
    running = await relay(start, vendor[1], "lyzr-sip")
    assert (await started(running))[:2] == (200, vendor[0].answer)


@pytest.mark.parametrize("status", [401, 429, 500])
async def test_a_refused_start_is_refused_with_the_same_answer(
    status: int, start: Start, vendor: Any
) -> None:
    vendor[0].status, vendor[0].answer = status, b"<html>no</html>"
    running = await relay(start, vendor[1], "lyzr-sip")
    assert (await started(running))[:2] == (status, b"<html>no</html>")


async def test_other_paths_of_the_vendor_pass_through_too(start: Start, vendor: Any) -> None:
    vendor[0].answer = b'["ada", "bob"]'
    running = await relay(start, vendor[1])
    async with running.client.put(f"{running.url}/v2/voices?x=%20", data=b"\x00\x01") as answered:
        assert (answered.status, await answered.read()) == (200, b'["ada", "bob"]')
    (asked,) = vendor[0].requests
    assert (asked.method, asked.raw_path, vendor[0].told) == ("PUT", "/v2/voices?x=%20", [b"\x00\x01"])


async def test_an_upstream_that_is_not_there_is_a_502_without_its_url(start: Start) -> None:
    running = await relay(start, "http://127.0.0.1:9", "lyzr-sip")
    status, body, _ = await started(running)
    assert status == 502
    assert json.loads(body)["error"].startswith("the upstream http://127.0.0.1:9 cannot be reached")


async def test_stopping_ends_the_calls_of_both_ends(start: Start, vendor: Any) -> None:
    running = await relay(start, vendor[1])
    async with running.client.ws_connect(socket_of(running)) as ws:
        await running.server.app.shutdown()
        got = await asyncio.wait_for(ws.receive(), 5)
    await until(lambda: vendor[0].closed is not None)
    assert (got.data, vendor[0].closed) == (1001, 1001)


# --- what cannot be ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        ({}, "an upstream is one provider's, reached over a websocket: say which"),
        ({"provider": ("lyzr-livekit",)}, "an upstream is one provider's, reached over a websocket"),
        ({"provider": ("lokutor",), "clock": "media"}, "a real provider keeps real time"),
        ({"provider": ("lokutor",), "host": "0.0.0.0"}, "whoever reaches this server would call through it"),
        ({"provider": ("lokutor",), "upstream": "api.example.com"}, "must be the provider's scheme and host"),
    ],
)
async def test_what_cannot_be_is_said_at_the_start(flags: Any, sentence: str, start: Start) -> None:
    with pytest.raises(SettingsError) as refused:
        await start(**{"upstream": "https://api.example.com", **flags})
    assert sentence in str(refused.value)
