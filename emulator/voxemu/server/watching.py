"""Looking at the running emulator: events as they happen, faults, agents, settings, findings, recordings."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from aiohttp import web

from voxemu.agents import known_agents
from voxemu.fault import KINDS
from voxemu.provider import Key, Route
from voxemu.record.masking import Mask
from voxemu.server.answers import as_json
from voxemu.server.audience import Audience, Listening
from voxemu.server.config import Config
from voxemu.server.door import Door, Handler
from voxemu.server.faultbook import FaultBook
from voxemu.server.registry import Registry
from voxemu.spoiler import supporters
from voxemu.wire.entrance import answer_of

HEARTBEAT = 15.0
# Seconds between two signs of life in a stream of events.
STREAM = {
    "type": "string",
    "contentMediaType": "text/event-stream",
    "description": "`data:` is an event as in the timeline, with its session, provider and label",
}


FAULTS = answer_of(kinds="object", armed="array")
AGENTS = answer_of(default="string", names="array", tables="array")
SETTINGS = answer_of(settings="array", providers="object")
FINDINGS = answer_of(findings="array")
WHOSE = ("session", "label", "provider")


class Watching:
    def __init__(
        self, registry: Registry, audience: Audience, book: FaultBook, config: Config, door: Door
    ) -> None:
        self._registry = registry
        self._audience = audience
        self._book = book
        self._config = config
        self._door = door

    def served(self) -> list[tuple[Route, Handler]]:
        told: list[tuple[str, str, tuple[str, ...], Mapping[str, Any], Handler]] = [
            ("events", "What happens, as it happens", ("session", "label"), STREAM, self.events),
            ("faults", "What can go wrong, and what is to", (), FAULTS, self.faults),
            ("agents", "Who can answer", (), AGENTS, self.agents),
            ("settings", "Every setting, and where its value came from", (), SETTINGS, self.settings),
            ("findings", "What clients did wrong", WHOSE, FINDINGS, self.findings),
        ]
        return [
            (Route("GET", f"/__emu/{name}", what, query=query, answers={200: body}), act)
            for name, what, query, body, act in told
        ]

    # --- events ------------------------------------------------------------------------------------------

    async def events(self, request: web.Request) -> web.StreamResponse:
        session, label = request.query.get("session", ""), request.query.get("label", "")
        if session and self._registry.find(session) is None:
            return as_json(404, {"error": f"there is no session {session[:80]!r}"})
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        )
        self._door.tell(request, response)
        listening = self._audience.enter(session, label)
        try:
            await response.prepare(request)
            await self._stream(response, listening, session)
        except ConnectionError:
            # Whoever listened has gone.
            return response
        finally:
            self._audience.leave(listening)
        return response

    async def _stream(self, response: web.StreamResponse, listening: Listening, session: str) -> None:
        """Of one session until that is over, of all of them until the listener goes."""
        await response.write(b": listening\n\n")
        while not session or session in self._registry.live:
            said = await listening.next(HEARTBEAT)
            if said is None:
                await response.write(b": still here\n\n")
                continue
            data = json.dumps(said, separators=(",", ":"), default=str)
            await response.write(f"event: {said['type']}\ndata: {data}\n\n".encode())
            if session and said["type"] == "closed":
                return

    # --- what there is ----------------------------------------------------------------------------------

    async def faults(self, request: web.Request) -> web.Response:
        kinds = {
            name: {
                "what": kind.what,
                "strikes": kind.family,
                "takes": dict(kind.takes),
                "providers": supporters(name, self._config.providers),
            }
            for name, kind in KINDS.items()
        }
        return as_json(200, {"kinds": kinds, "armed": self._book.listed()})

    async def agents(self, request: web.Request) -> web.Response:
        tables = [
            {"name": table.name, "agent": table.agent, "label": table.label}
            for table in self._config.settings.agent_tables
        ]
        default = self._config.default_agent
        return as_json(200, {"default": default, "names": known_agents(), "tables": tables})

    async def findings(self, request: web.Request) -> web.Response:
        query = request.query
        wanted = [(name, query[name]) for name in WHOSE if name in query]
        found = [each for each in self._every_finding() if all(each[name] == value for name, value in wanted)]
        return as_json(200, {"findings": found})

    def _every_finding(self) -> Iterator[dict[str, Any]]:
        for record in self._registry.all():
            for finding in record.findings:
                place = {"session": record.id, "provider": record.admission.provider, "label": record.label}
                yield {**place, **finding}
        for finding in self._registry.findings:
            yield {"provider": "", "label": "", **finding}

    # --- settings ---------------------------------------------------------------------------------------

    async def settings(self, request: web.Request) -> web.Response:
        mask = Mask(self._config.secrets())
        providers = {}
        for name in self._config.providers:
            effective = self._config.effective(name, self._config.default_agent, Key())
            providers[name] = {
                "dialogue": mask.plain(effective.dialogue),
                "wire": mask.plain(effective.wire),
                "from": dict(effective.origins),
            }
        return as_json(
            200, {"settings": [mask.plain(each) for each in self._config.shown()], "providers": providers}
        )
