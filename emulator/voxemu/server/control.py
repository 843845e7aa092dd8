"""What tests and people may ask the running server: is it there, and what are its sessions doing.

A route is one line in ``Control.served``: what it is for, what it takes and what it answers; the OpenAPI
description is made of that.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from aiohttp import web

from voxemu import __version__
from voxemu.provider import Route
from voxemu.server.answers import as_json
from voxemu.server.door import Handler
from voxemu.server.hits import Hits
from voxemu.server.openapi import EMULATOR, Tagged, document
from voxemu.server.registry import Registry
from voxemu.server.rooms import Rooms
from voxemu.server.timing import Timing
from voxemu.wire.entrance import answer_of

OBJECT = {"type": "object"}


class Part(Protocol):
    """Some more routes."""

    def served(self) -> list[tuple[Route, Handler]]: ...


def _words(summary: dict[str, Any], name: str) -> tuple[str, ...]:
    """What a filter may say: of a state also live and over."""
    if name != "state":
        return (summary[name],)
    return (summary["state"], "live" if summary["live"] else "over")


class Control:
    def __init__(
        self,
        registry: Registry,
        timing: Timing,
        rooms: Rooms,
        hits: Hits,
        others: Iterable[Tagged],
        url: str | None,
        parts: Iterable[Part],
    ) -> None:
        """``others`` are the routes to be described beside these, ``url`` is what clients reach us by, and
        ``parts`` serve more of them."""
        self._parts = tuple(parts)
        self._registry = registry
        self._timing = timing
        self._rooms = rooms
        self._hits = hits
        self._others = tuple(others)
        self._url = url

    def served(self) -> list[tuple[Route, Handler]]:
        health = answer_of(
            status="string", version="string", clock="string", sessions="integer", livekit="object"
        )
        whole = {**OBJECT, "required": ["id", "provider", "state", "settings", "events", "findings"]}
        return [
            (
                Route(
                    "GET",
                    "/health",
                    "Is it there",
                    answers={200: health},
                ),
                self.health,
            ),
            (
                Route("GET", "/__emu/openapi.json", "This description", answers={200: OBJECT}),
                self.openapi,
            ),
            (
                Route(
                    "GET",
                    "/__emu/sessions",
                    "The live sessions, and the last that ended; the parameters choose",
                    query=("provider", "label", "state"),
                    answers={200: answer_of(sessions="array", findings="array", limits="object")},
                ),
                self.sessions,
            ),
            (
                Route("GET", "/__emu/sessions/{id}", "All that is known of one", answers={200: whole}),
                self.session,
            ),
            (
                Route(
                    "GET",
                    "/__emu/sessions/{id}/transcript",
                    "What was said, line by line",
                    answers={200: answer_of(session="string", lines="array")},
                ),
                self.transcript,
            ),
            *(each for part in self._parts for each in part.served()),
        ]

    def add_to(self, router: web.UrlDispatcher) -> None:
        for route, handler in self.served():
            router.add_route(route.method, route.path, handler)
            if route.method == "GET":
                router.add_route("HEAD", route.path, handler)

    async def health(self, request: web.Request) -> web.Response:
        health = {"status": "ok", "version": __version__, "clock": self._timing.name}
        sessions = len(self._registry.live)
        return as_json(200, {**health, "sessions": sessions, "livekit": self._rooms.describe()})

    async def openapi(self, request: web.Request) -> web.Response:
        own = [(EMULATOR, route) for route, _ in self.served()]
        base = self._url or f"{request.scheme}://{request.host}"
        return as_json(200, document([*self._others, *own], base))

    async def sessions(self, request: web.Request) -> web.Response:
        found = [record.summary() for record in self._registry.all()]
        for name in ("provider", "label", "state"):
            wanted = request.query.get(name)
            found = [each for each in found if wanted is None or wanted in _words(each, name)]
        findings, limits = list(self._registry.findings), dict(self._hits.counts)
        return as_json(200, {"sessions": found, "findings": findings, "limits": limits})

    async def session(self, request: web.Request) -> web.Response:
        record = self._registry.find(request.match_info["id"])
        return self._unknown(request) if record is None else as_json(200, record.whole())

    async def transcript(self, request: web.Request) -> web.Response:
        record = self._registry.find(request.match_info["id"])
        if record is None:
            return self._unknown(request)
        lines = [record.mask.plain(line) for line in record.session.call.history]
        return as_json(200, {"session": record.id, "lines": lines})

    def _unknown(self, request: web.Request) -> web.Response:
        asked, known = request.match_info["id"], "GET /__emu/sessions lists those that are"
        return as_json(404, {"error": f"there is no session {asked[:80]!r}; {known}"})
