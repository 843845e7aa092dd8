"""The aiohttp application, built from ``PROVIDERS``."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from aiohttp import web

from voxemu.provider import Answered, Asked, Desk, Provider
from voxemu.server.answers import answer, as_json, error_in, expected, guarding
from voxemu.server.calls import Calls
from voxemu.server.config import Config
from voxemu.server.control import Control
from voxemu.server.door import Door, own_address
from voxemu.server.issuing import Chance, WatchedDesk, open_desk
from voxemu.server.news import News
from voxemu.server.registry import Registry
from voxemu.server.remarks import Remarks
from voxemu.server.taps import Taps
from voxemu.server.timing import Timing


@dataclass(frozen=True, slots=True)
class Server:
    """What is behind the application, for whoever runs it."""

    app: web.Application
    calls: Calls
    registry: Registry
    config: Config
    news: News
    timing: Timing
    desk: Desk

    def adopt(self, config: Config) -> None:
        """Other agents, keys, limits and settings for the calls to come.

        What the server was built with stays: its addresses and providers, who may come in, the size of a
        body, and how many starts may wait.
        """
        self.config.adopt(config)
        self.desk.keys = config.key_ring()


def build(config: Config, news: News, timing: Timing | None = None) -> Server:
    timing = timing or Timing(config)
    registry = Registry()
    chance = Chance(config.settings.seed)
    taps = Taps(config, news, timing)
    desk = open_desk(config, chance, Remarks(registry, taps, news), timing.wall)
    calls = Calls(config, desk, chance, registry, news, taps, timing)
    app = web.Application(
        middlewares=[guarding(Door(config), news.remark)],
        client_max_size=config.settings.limits.http_body,
    )
    Control(registry, timing).add_to(app.router)
    for provider in config.providers.values():
        Reception(provider, config, desk, calls, news).add_to(app.router)
    return Server(app, calls, registry, config, news, timing, desk)


class Reception:
    """The routes of one provider."""

    def __init__(
        self, provider: Provider, config: Config, desk: WatchedDesk, calls: Calls, news: News
    ) -> None:
        self._provider = provider
        self._public_url: str | None = config.settings.public_url
        self._desk = desk
        self._calls = calls
        self._news = news

    def add_to(self, router: web.UrlDispatcher) -> None:
        for route in self._provider.routes:
            router.add_route(route.method, route.path, self.answer, expect_handler=expected)
        router.add_get(self._provider.socket_path, self.upgrade, allow_head=False)

    async def answer(self, request: web.Request) -> web.Response:
        asked = self._asked(request, await request.read())
        return self._told(
            answer(self._provider.answer(asked, self._desk, asyncio.get_running_loop().time())), request
        )

    async def upgrade(self, request: web.Request) -> web.StreamResponse:
        if not web.WebSocketResponse().can_prepare(request).ok:
            return self._told(
                as_json(
                    426,
                    {"error": f"{request.path[:200]} is a websocket: connect with ws:// or wss://"},
                    {"Upgrade": "websocket"},
                ),
                request,
            )
        asked = self._asked(request, b"")
        outcome = self._calls.judge(self._provider, asked)
        if isinstance(outcome, Answered):
            return self._told(answer(outcome), request)
        return await self._calls.hold(self._provider, outcome, asked, request)

    def _told(self, response: web.Response, request: web.Request) -> web.Response:
        if response.status >= 400:
            self._news.turned_away(
                self._provider.id, f"{request.method} {request.path}", response.status, error_in(response)
            )
        return response

    def _asked(self, request: web.Request, body: bytes) -> Asked:
        return Asked(
            request.method,
            request.path,
            dict(request.query),
            {name.lower(): value for name, value in request.headers.items()},
            body,
            self._public_url or f"{request.scheme}://{request.headers.get('Host') or own_address(request)}",
        )
