"""What tests and people may ask the running server: is it there, and what are its sessions doing."""

from __future__ import annotations

from aiohttp import web

from voxemu import __version__
from voxemu.server.answers import as_json
from voxemu.server.registry import Registry
from voxemu.server.timing import Timing


class Control:
    def __init__(self, registry: Registry, timing: Timing) -> None:
        self._registry = registry
        self._timing = timing

    def add_to(self, router: web.UrlDispatcher) -> None:
        router.add_get("/health", self.health)
        router.add_get("/__emu/sessions", self.sessions)
        router.add_get("/__emu/sessions/{id}", self.session)

    async def health(self, request: web.Request) -> web.Response:
        health = {"status": "ok", "version": __version__, "clock": self._timing.name}
        return as_json(200, {**health, "sessions": len(self._registry.live)})

    async def sessions(self, request: web.Request) -> web.Response:
        found = [record.summary() for record in self._registry.all()]
        return as_json(200, {"sessions": found, "findings": list(self._registry.findings)})

    async def session(self, request: web.Request) -> web.Response:
        asked = request.match_info["id"]
        record = self._registry.find(asked)
        if record is None:
            known = "GET /__emu/sessions lists those that are"
            return as_json(404, {"error": f"there is no session {asked[:80]!r}; {known}"})
        return as_json(200, record.whole())
