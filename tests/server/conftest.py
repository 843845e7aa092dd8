"""A running server in the test's own loop, on a free port."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from voxemu.server.app import Server
from voxemu.server.config import load
from voxemu.server.news import News
from voxemu.server.run import check_ahead, running

QUICK = {
    "EMU_DIALOGUE__THINK_TIME": "0.02",
    "EMU_WORKBUDDY__READY_DELAY": "0.02",
}


@dataclass
class Running:
    url: str
    server: Server
    report: dict[str, Any]
    out: io.StringIO
    client: ClientSession

    async def get(self, path: str) -> Any:
        async with self.client.get(self.url + path) as answered:
            return await answered.json()

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.getvalue().splitlines()]


async def until(condition: Callable[[], object]) -> None:
    """Waits for what the server does by itself, on a machine that may have other things to do."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110  the server says nothing when it happens
            await asyncio.sleep(0.005)


Start = Callable[..., Awaitable[Running]]


@pytest.fixture
async def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Start]:
    """Starts a server with the text of an ``emu.toml`` and flags; stops it after the test."""
    monkeypatch.chdir(tmp_path)
    async with AsyncExitStack() as stack:

        async def start(toml: str = "", *, env: dict[str, str] | None = None, **flags: Any) -> Running:
            (tmp_path / "emu.toml").write_text(toml)
            config = load(None, {**QUICK, **(env or {})}, {"port": "0", **flags})
            check_ahead(config)
            out = io.StringIO()
            news = News(out, as_json=config.settings.json_lines)
            client = await stack.enter_async_context(ClientSession())
            server, report = await stack.enter_async_context(running(config, news))
            return Running(report["url"], server, report, out, client)

        yield start
