"""The baselines answer as websocket servers do, and send back what they got."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from benchmarks.servers import baselines, served
from benchmarks.workload import Workload
from tests.needs import require_tool

FRAME = bytes(range(256)) * 3


@pytest.fixture(params=["bare", "floor"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "floor":
        require_tool("cc", "gcc and libc6-dev, on Debian")
    one = baselines(Workload(), tmp_path)[request.param]
    own = tmp_path / "own"
    own.mkdir()
    with served(one, own, None) as (url, _):
        yield url


@pytest.mark.sockets
async def test_a_baseline_sends_the_newest_frame_back_again_and_again(url: str) -> None:
    async with aiohttp.ClientSession() as client, asyncio.timeout(30), client.ws_connect(url) as ws:
        await ws.send_bytes(FRAME)
        assert [await ws.receive_bytes() for _ in range(3)] == [FRAME] * 3
        newest = FRAME[::-1]
        await ws.send_bytes(newest)
        while await ws.receive_bytes() != newest:
            pass


@pytest.mark.sockets
async def test_a_text_goes_back_as_a_text(url: str) -> None:
    async with aiohttp.ClientSession() as client, asyncio.timeout(30), client.ws_connect(url) as ws:
        await ws.send_str('{"type": "audio"}')
        assert await ws.receive_str() == '{"type": "audio"}'
