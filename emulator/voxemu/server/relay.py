"""One provider's routes, passed through to a real one, and the calls recorded on the way.

What goes over the sockets goes through byte for byte, also what nobody can read; a copy is decoded for the
timeline and the tracks. The answer to a start request is changed in one thing: the URL in it leads here.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import aiohttp
from aiohttp import web
from yarl import URL

from voxemu.overheard import Overheard
from voxemu.provider import Admission, Key, Provider
from voxemu.server.answers import RETRY_AFTER, as_json, body_of, expected
from voxemu.server.config import Config
from voxemu.server.door import own_address
from voxemu.server.issuing import Chance
from voxemu.server.news import News
from voxemu.server.registry import Record, Registry
from voxemu.server.relayed_call import RelayedCall
from voxemu.server.taps import Taps
from voxemu.server.timing import Timing

log = logging.getLogger("voxemu")

HOP_BY_HOP = frozenset(
    {
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization"),
        *("te", "trailer", "transfer-encoding", "upgrade"),
    }
)
# RFC 9110, 7.6.1: they are of one connection and not of the message.
NOT_ASKED_ON = HOP_BY_HOP | {"host", "content-length", "accept-encoding", "expect"}
NOT_ANSWERED_ON = HOP_BY_HOP | {"content-length", "content-encoding", "date", "server"}
# CORS is the door's affair.
OURS = ("access-control-", "sec-websocket-")
TICKET = "emu_relay"
PATIENCE = aiohttp.ClientTimeout(total=30.0, sock_connect=10.0)
MOST_TICKETS = 1000


@dataclass(frozen=True, slots=True)
class _Start:
    """A start that was answered: where its socket really is, and what must never be written down."""

    url: str
    secrets: tuple[str, ...]


class Relay:
    def __init__(
        self,
        provider: Provider,
        upstream: str,
        config: Config,
        registry: Registry,
        news: News,
        taps: Taps,
        timing: Timing,
        chance: Chance,
    ) -> None:
        self._provider = provider
        self._upstream = upstream.removesuffix(provider.start.path)
        # Also where somebody gave the URL that starts a session.
        self._config = config
        self._registry = registry
        self._news = news
        self._taps = taps
        self._timing = timing
        self._chance = chance
        self._starts: dict[str, _Start] = {}
        self._live: set[RelayedCall] = set()
        self._http: aiohttp.ClientSession | None = None

    def add_to(self, app: web.Application) -> None:
        for route in self._provider.routes:
            app.router.add_route(route.method, route.path, self.answer, expect_handler=expected)
        app.router.add_get(self._provider.socket_path, self.upgrade, allow_head=False)
        # Whatever else the vendor has, like a list of voices: last, since it takes every path.
        app.router.add_route("*", "/{rest:.*}", self.answer, expect_handler=expected)
        app.on_shutdown.append(self._hang_up)
        app.on_cleanup.append(self._close)

    # --- over HTTP ------------------------------------------------------------------------------------------

    async def answer(self, request: web.Request) -> web.Response:
        body = await body_of(request, self._config.settings.limits.body)
        url = self._upstream + request.raw_path
        try:
            async with self._client().request(
                request.method,
                URL(url, encoded=True),
                headers=[*_onward(request.headers, NOT_ASKED_ON), ("Accept-Encoding", "identity")],
                data=body or None,
                allow_redirects=False,
            ) as got:
                content = await got.read()
                headers = _onward(got.headers, NOT_ANSWERED_ON)
                status = got.status
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return self._unreachable(request, error)
        content = self._led_here(content, request)
        if status >= 400:
            self._news.turned_away(
                self._provider.id, f"{request.method} {request.path}", status, "by upstream"
            )
        answered = web.Response(status=status, body=content)
        for name, value in headers:
            answered.headers.add(name, value)
        return answered

    def _led_here(self, content: bytes, request: web.Request) -> bytes:
        """The answer with the socket's URL made ours; every other byte is as it was."""
        try:
            said = json.loads(content)
        except (ValueError, RecursionError):
            return content
        found = next(_socket_urls(said), None)
        if found is None:
            return content
        ticket = self._chance.new_secret()
        self._starts[ticket] = _Start(found, (*_secrets_in(said), found, *_query_values(found)))
        for oldest in list(self._starts)[: max(0, len(self._starts) - MOST_TICKETS)]:
            del self._starts[oldest]
        path = re.sub(r"\{[^}]*\}", ticket, self._provider.socket_path)
        ours = f"ws{self._reached_by(request).removeprefix('http')}{path}?{TICKET}={ticket}"
        for spelled in (found, found.replace("/", "\\/"), json.dumps(found)[1:-1]):
            if spelled.encode() in content:
                return content.replace(spelled.encode(), ours.encode())
        return content

    def _reached_by(self, request: web.Request) -> str:
        host = request.headers.get("Host") or own_address(request)
        return self._config.settings.public_url or f"{request.scheme}://{host}"

    def _unreachable(self, request: web.Request, error: Exception) -> web.Response:
        # What the error itself says may hold a URL with a key.
        text = f"the upstream {self._upstream} cannot be reached: {type(error).__name__}"
        self._news.turned_away(self._provider.id, f"{request.method} {request.path}", 502, text)
        return as_json(502, {"error": text})

    # --- the socket -----------------------------------------------------------------------------------------

    async def upgrade(self, request: web.Request) -> web.StreamResponse:
        if not web.WebSocketResponse().can_prepare(request).ok:
            text = f"{request.path[:200]} is a websocket: connect with ws:// or wss://"
            return as_json(426, {"error": text}, {"Upgrade": "websocket"})
        limits = self._config.settings.limits
        if len(self._live) >= limits.sessions:
            full = f"{limits.sessions} sessions are open, the most allowed here"
            return as_json(503, {"error": full}, {"Retry-After": RETRY_AFTER})
        start = self._start_of(request)
        protocols = [name.strip() for name in request.headers.get("Sec-WebSocket-Protocol", "").split(",")]
        try:
            theirs = await self._client().ws_connect(
                URL(start.url, encoded=True),
                headers=_onward(request.headers, NOT_ASKED_ON),
                protocols=[name for name in protocols if name],
                autoping=False,
                compress=0,
                max_msg_size=limits.message,
            )
        except aiohttp.WSServerHandshakeError as refused:
            self._news.turned_away(self._provider.id, f"GET {request.path}", refused.status, "by upstream")
            return as_json(refused.status, {"error": f"the upstream refused the websocket: {refused.status}"})
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return self._unreachable(request, error)
        ours = web.WebSocketResponse(
            autoping=False,
            compress=False,
            max_msg_size=limits.message,
            protocols=[theirs.protocol] if theirs.protocol else (),
        )
        try:
            await ours.prepare(request)
            await self._hold(request, start, ours, theirs)
        finally:
            if not theirs.closed:
                await theirs.close()
        return ours

    async def _hold(
        self, request: web.Request, start: _Start, ours: web.WebSocketResponse, theirs: Any
    ) -> None:
        record = self._begin(start)
        call = RelayedCall(self._provider, record, self._taps, start.secrets, request, ours, theirs)
        self._live.add(call)
        try:
            await call.hold()
        finally:
            self._live.discard(call)
            self._registry.ended(record)
            self._news.ended(record)

    def _begin(self, start: _Start) -> Record:
        effective = self._config.effective(self._provider.id, "", Key())
        overheard = Overheard(self._provider, effective.dialogue, _host_of(self._upstream))
        admission = Admission(self._provider.id, self._chance.new_id(), overheard.agent.name, Key())
        clock = self._timing.clock()
        clock.begin(effective.dialogue.input_rate or self._provider.format.rate)
        record = Record(admission, overheard, effective, self._timing.date(), clock)
        record.mask.learn(start.secrets)
        self._registry.add(record)
        return record

    def _start_of(self, request: web.Request) -> _Start:
        ticket = request.query.get(TICKET, "")
        if ticket in self._starts:
            return self._starts[ticket]
        # The upgrade itself is the start, or the client has built the URL by itself.
        url = "ws" + self._upstream.removeprefix("http") + request.raw_path
        return _Start(url, tuple(_query_values(url)))

    # --- its life -------------------------------------------------------------------------------------------

    def _client(self) -> aiohttp.ClientSession:
        if self._http is None:
            self._http = aiohttp.ClientSession(
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=PATIENCE,
                skip_auto_headers=("User-Agent", "Content-Type", "Accept"),
            )
        return self._http

    async def _hang_up(self, app: web.Application) -> None:
        await asyncio.gather(*(call.go_away() for call in list(self._live)))

    async def _close(self, app: web.Application) -> None:
        if self._http is not None:
            await self._http.close()


def _onward(headers: Mapping[str, str], without: frozenset[str]) -> list[tuple[str, str]]:
    named = {name.strip().lower() for name in headers.get("Connection", "").split(",")}
    return [
        (name, value)
        for name, value in headers.items()
        if name.lower() not in without | named and not name.lower().startswith(OURS)
    ]


def _strings(said: Any) -> Iterator[tuple[str, str]]:
    match said:
        case dict():
            for name, value in said.items():
                if isinstance(value, str):
                    yield name, value
                yield from _strings(value)
        case list():
            for value in said:
                yield from _strings(value)


def _socket_urls(said: Any) -> Iterator[str]:
    return (value for _, value in _strings(said) if value.startswith(("ws://", "wss://")))


def _secrets_in(said: Any) -> Iterator[str]:
    for name, value in _strings(said):
        if re.search(r"token|secret|ticket|key|password", name, re.IGNORECASE):
            yield value


def _query_values(url: str) -> Iterator[str]:
    for name, value in parse_qsl(urlsplit(url).query):
        if name not in ("agent_id", "agentId"):
            yield value


def _host_of(url: str) -> str:
    return urlsplit(url).hostname or url
