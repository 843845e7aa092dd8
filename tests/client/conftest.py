"""A server for the client to call: the emulator itself, or one that misbehaves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp import web

from tests.server.conftest import start as start

Serve = Callable[..., Awaitable[str]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Serves handlers by method and path on a free port; answers the server's base URL."""
    async with AsyncExitStack() as stack:

        async def serve(**routes: Any) -> str:
            app = web.Application()
            for route, handler in routes.items():
                method, _, path = route.partition(" ")
                app.router.add_route(method, path, handler)
            runner = web.AppRunner(app, shutdown_timeout=0.1)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            port = runner.addresses[0][1]
            return f"http://127.0.0.1:{port}"

        yield serve
