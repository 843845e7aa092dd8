"""The aiohttp application, built from ``PROVIDERS``."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from typing import Literal

from aiohttp import web

from voxemu.provider import Answered, Asked, Desk, Provider, RoomProvider
from voxemu.server.answers import REASONS, answer, as_json, body_of, error_in, expected, guarding
from voxemu.server.audience import Audience
from voxemu.server.calls import Calls
from voxemu.server.config import Config
from voxemu.server.control import Control
from voxemu.server.descriptors import available, carried
from voxemu.server.door import Door, own_address
from voxemu.server.etiquette import Etiquette
from voxemu.server.faultbook import FaultBook
from voxemu.server.hits import Hits
from voxemu.server.issuing import Chance, Started, WatchedDesk, open_desk
from voxemu.server.labels import label_in
from voxemu.server.library import Library
from voxemu.server.news import News
from voxemu.server.openapi import described
from voxemu.server.registry import Registry
from voxemu.server.remarks import Remarks
from voxemu.server.room_calls import RoomCalls
from voxemu.server.room_entrance import RoomEntrance
from voxemu.server.rooms import Rooms
from voxemu.server.steering import Steering
from voxemu.server.struck import spoiled
from voxemu.server.taps import Taps
from voxemu.server.tcp import TcpConnections, occupying
from voxemu.server.timing import Timing
from voxemu.server.warming import load_for_calls
from voxemu.server.watching import Watching
from voxemu.spoiler import Struck

NOT_STRUCK = Struck()


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
    rooms: Rooms
    room_calls: RoomCalls
    connections: TcpConnections
    book: FaultBook
    audience: Audience
    lowered: dict[str, int]
    # What of [limits] this machine cannot carry, and how much it can.

    def adopt(self, config: Config) -> None:
        """Other agents, keys, limits and settings for the calls to come.

        What the server was built with stays: its addresses and providers, who may come in, the size of a
        body, and how many starts may wait.
        """
        self.config.adopt(config)
        fit(self.config)
        self.desk.keys = config.key_ring()
        self.book.adopt()


def build(config: Config, news: News, timing: Timing | None = None) -> Server:
    timing = timing or Timing(config)
    lowered = fit(config)
    hits = Hits(news, asyncio.get_running_loop().time)
    connections = TcpConnections(config, hits)
    registry = Registry()
    chance = Chance(config.settings.seed)
    audience, book = Audience(), FaultBook(config)
    taps = Taps(config, news, timing, audience)
    desk = open_desk(config, chance, Remarks(registry, taps, news), hits, timing.wall, book)
    calls = Calls(config, desk, chance, registry, news, taps, timing, hits)

    def limited(status: int) -> None:
        limits = config.settings.limits
        name, value = ("http_body", limits.http_body) if status == 413 else ("body", limits.body)
        hits.hit(name, value, REASONS[status])

    door = Door(config)
    app = web.Application(
        middlewares=[occupying, guarding(door, news.remark, limited)],
        client_max_size=config.settings.limits.http_body,
    )
    rooms = Rooms(config, timing.name, os.environ)
    room_calls = RoomCalls(calls, rooms, desk, timing, config.settings.limits.unused_starts)
    routes = [each for provider in config.providers.values() for each in described(provider)]
    parts = (
        Watching(registry, audience, book, config, door),
        Steering(registry, book, config),
        Library(config, door),
    )
    Control(registry, timing, rooms, hits, routes, config.settings.public_url, parts).add_to(app.router)
    for provider in config.providers.values():
        if config.settings.upstream is not None:
            upstream = config.settings.upstream
            # Late: it brings numpy.
            from voxemu.server.relay import Relay

            Relay(provider, upstream, config, registry, news, taps, timing, chance).add_to(app)
        else:
            Reception(provider, config, desk, calls, room_calls, news).add_to(app.router)
    rooms.add_to(app.router, RoomEntrance(room_calls, book, news).let_in)
    return Server(
        app,
        calls,
        registry,
        config,
        news,
        timing,
        desk,
        rooms,
        room_calls,
        connections,
        book,
        audience,
        lowered,
    )


def fit(config: Config) -> dict[str, int]:
    """Lowers the limits that this process has not enough file descriptors for; those that it lowered."""
    recording = config.settings.record is not None
    lowered = carried(config.settings.limits, available(), recording=recording)
    config.lower(lowered)
    return lowered


class Reception:
    """The routes of one provider."""

    def __init__(
        self,
        provider: Provider,
        config: Config,
        desk: WatchedDesk,
        calls: Calls,
        room_calls: RoomCalls,
        news: News,
    ) -> None:
        self._provider = provider
        self._config = config
        self._public_url: str | None = config.settings.public_url
        self._desk = desk
        self._calls = calls
        self._room_calls = room_calls
        self._news = news
        self._etiquette = Etiquette(provider, desk.remarks)

    def add_to(self, router: web.UrlDispatcher) -> None:
        for route in self._provider.routes:
            router.add_route(route.method, route.path, self.answer, expect_handler=expected)
        if self._provider.prefix:
            below = self._provider.prefix + "{rest:.*}"
            router.add_route("*", below, self.answer, expect_handler=expected)
        if self._provider.media == "websocket":
            router.add_get(self._provider.socket_path, self.upgrade, allow_head=False)

    async def answer(self, request: web.Request) -> web.Response:
        load_for_calls()
        asked = self._asked(request, await body_of(request, self._config.settings.limits.body))
        struck = NOT_STRUCK
        if (request.method, request.path) == (self._provider.start.method, self._provider.start.path):
            struck = self._strike("request", asked)
        if (instead := await spoiled(struck, request)) is not None:
            return self._told(instead, request)
        self._desk.asking = Started(label_in(asked), struck.faults, self._provider.id)
        if isinstance(self._provider, RoomProvider):
            answered = await self._room_calls.answer(self._provider, asked)
        else:
            answered = self._provider.answer(asked, self._desk, asyncio.get_running_loop().time())
        self._etiquette.judge(asked, answered)
        return self._told(answer(answered), request)

    def _strike(self, place: Literal["request", "upgrade"], asked: Asked) -> Struck:
        struck = self._desk.book.at_start(place, self._provider, asked)
        self._news.struck(self._provider.id, struck.faults)
        return struck

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
        load_for_calls()
        asked = self._asked(request, b"")
        struck = self._strike("upgrade", asked)
        if (instead := await spoiled(struck, request)) is not None:
            return self._told(instead, request)
        self._desk.asking = Started(label_in(asked), (), self._provider.id)
        outcome = self._calls.judge(self._provider, asked)
        self._etiquette.judge(asked, outcome if isinstance(outcome, Answered) else None)
        if isinstance(outcome, tuple):
            self._etiquette.judge_address(asked, outcome)
        if isinstance(outcome, Answered):
            return self._told(answer(outcome), request)
        return await self._calls.hold(self._provider, outcome, asked, request, struck.faults)

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
            request.remote or "",
        )
