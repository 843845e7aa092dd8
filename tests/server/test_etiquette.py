"""Findings of how a session is asked for: each with a client that does it wrong, and one that does not."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.server.conftest import Running, Start, until
from tests.server.phone import dial
from voxemu.events import ErrorReported, SessionStarted
from voxemu.wire import PROVIDERS

pytestmark = pytest.mark.sockets

JSON = {"Content-Type": "application/json"}


async def codes(emu: Running) -> list[str]:
    return [each["code"] for each in (await emu.get("/__emu/findings"))["findings"]]


async def started(emu: Running, provider: str, body: Any = None, **headers: str) -> Any:
    path = PROVIDERS[provider].start.path
    data = json.dumps(body) if isinstance(body, dict) else body
    async with emu.client.post(emu.url + path, data=data, headers=headers) as answered:
        return await answered.json()


@pytest.mark.parametrize("provider", ["lyzr-sip", "workbuddy", "lokutor"])
async def test_a_client_that_follows_its_page_is_not_found(start: Start, provider: str) -> None:
    emu = await start()
    phone = await dial(emu.client, provider, emu.url)
    await phone.hear(SessionStarted)
    assert await codes(emu) == []


# --- the start request ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "headers", "found"),
    [
        ({"agentId": "a"}, JSON, []),
        ({"agentId": "a"}, {"Content-Type": "text/plain"}, ["F-CONTENT-TYPE"]),
        ({"agent": "a"}, JSON, ["F-BAD-START"]),
        ("{", JSON, ["F-BAD-START"]),
    ],
)
async def test_a_start_request_has_the_pages_shape(
    start: Start, body: Any, headers: dict[str, str], found: list[str]
) -> None:
    emu = await start()
    await started(emu, "lyzr-sip", body, **headers)
    assert await codes(emu) == found


@pytest.mark.parametrize(("agent", "found"), [("known", []), ("other", ["F-UNKNOWN-AGENT"])])
async def test_an_agent_that_nobody_has_is_found(start: Start, agent: str, found: list[str]) -> None:
    emu = await start('[agents]\nknown = ["known"]\n')
    await started(emu, "lyzr-sip", {"agentId": agent}, **JSON)
    assert await codes(emu) == found


@pytest.mark.parametrize(
    ("provider", "query", "headers", "found"),
    [
        ("workbuddy", "", {"Authorization": "Bearer k"}, []),
        ("workbuddy", "", {"X-Api-Key": "k"}, ["F-KEY-MISPLACED"]),
        ("workbuddy", "?api_key=k", {}, ["F-KEY-MISPLACED"]),
        ("lokutor", "?api_key=k", {}, []),
        ("lokutor", "", {"X-API-Key": "k"}, []),
        ("lokutor", "", {"Authorization": "Bearer k"}, ["F-KEY-MISPLACED"]),
    ],
)
async def test_a_key_belongs_where_the_page_has_it(
    start: Start, provider: str, query: str, headers: dict[str, str], found: list[str]
) -> None:
    emu = await start()
    route = PROVIDERS[provider].start
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
               "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="} if route.method == "GET" else {}  # fmt: skip
    async with emu.client.request(
        route.method, emu.url + route.path + query, headers={**headers, **upgrade}
    ) as answered:
        answered.close()
    assert await codes(emu) == found
    assert "k" not in [each["seen"] for each in (await emu.get("/__emu/findings"))["findings"]]


# --- tickets -------------------------------------------------------------------------------------------


async def test_a_url_that_was_changed_is_found(start: Start) -> None:
    emu = await start()
    url = (await started(emu, "lyzr-sip", {"agentId": "a"}, **JSON))["wsUrl"]
    ws = await emu.client.ws_connect(url.partition("?")[0])
    await ws.receive()
    assert await codes(emu) == ["F-URL-CHANGED"]


async def test_a_url_that_comes_too_late_is_found(start: Start) -> None:
    emu = await start("[lyzr_sip]\nurl_life = 0.05\n")
    url = (await started(emu, "lyzr-sip", {"agentId": "a"}, **JSON))["wsUrl"]
    await asyncio.sleep(0.1)
    ws = await emu.client.ws_connect(url)
    await ws.receive()
    assert "F-URL-EXPIRED" in await codes(emu)


async def test_a_token_that_comes_too_late_is_found(start: Start) -> None:
    emu = await start("[workbuddy]\ntoken_life = 0.05\n")
    said = await started(emu, "workbuddy", None, Authorization="Bearer k")
    await asyncio.sleep(0.1)
    ws = await emu.client.ws_connect(said["ws_url"])
    await ws.send_json({"token": said["token"]})
    await ws.receive()
    assert "F-TOKEN-EXPIRED" in await codes(emu)


@pytest.mark.parametrize(
    ("first", "found"), [({"token": "made up"}, "F-TOKEN-UNKNOWN"), ({"type": "hello"}, "F-NO-TOKEN")]
)
async def test_the_first_message_is_the_token_that_was_issued(
    start: Start, first: dict[str, str], found: str
) -> None:
    emu = await start()
    said = await started(emu, "workbuddy", None, Authorization="Bearer k")
    ws = await emu.client.ws_connect(said["ws_url"])
    await ws.send_json(first)
    while not ws.closed:
        await ws.receive()
    await until(lambda: emu.server.registry.findings)
    assert await codes(emu) == [found]


async def test_a_token_that_we_let_expire_is_nobodys_finding(start: Start) -> None:
    emu = await start('[[fault]]\nkind = "token_expired"\n')
    phone = await dial(emu.client, "workbuddy", emu.url)
    error = await phone.hear(ErrorReported)
    assert isinstance(error, ErrorReported)
    assert error.code == "AUTH_FAILED"
    assert await codes(emu) == []


# --- one connection ------------------------------------------------------------------------------------


async def calls_in_a_row(emu: Running, provider: str, count: int, turns: int) -> None:
    for _ in range(count):
        phone = await dial(emu.client, provider, emu.url)
        await phone.hear(SessionStarted)
        for _ in range(turns):
            await phone.speak(0.3)
        await phone.ws.close()
        await until(lambda: not emu.server.registry.live)


async def test_a_new_connection_for_every_turn_is_found(start: Start) -> None:
    emu = await start()
    await calls_in_a_row(emu, "lokutor", 3, 1)
    assert "F-RECONNECTS" in await codes(emu)


@pytest.mark.parametrize(
    ("provider", "count", "turns"), [("lokutor", 2, 1), ("lokutor", 3, 2), ("lyzr-sip", 3, 1)]
)
async def test_a_few_calls_are_no_reconnections(start: Start, provider: str, count: int, turns: int) -> None:
    emu = await start()
    await calls_in_a_row(emu, provider, count, turns)
    assert "F-RECONNECTS" not in await codes(emu)
