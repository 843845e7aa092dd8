"""A hand on the running calls: say, interrupt, fault, transcript, end, drop; and reset."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from voxemu.audio import SAMPLE_BYTES
from voxemu.errors import UsageError
from voxemu.events import EndAsked, Event, FaultAsked, InterruptAsked, SayAsked, TellAsked, Transcribed
from voxemu.fault import KINDS, fault_of
from voxemu.fault_table import fault_schema
from voxemu.provider import Provider, Route
from voxemu.server.answers import as_json, body_of
from voxemu.server.bodies import TEXT, BadBody, read, taking
from voxemu.server.config import Config
from voxemu.server.door import Handler
from voxemu.server.faultbook import FaultBook
from voxemu.server.labels import LONGEST
from voxemu.server.registry import Record, Registry
from voxemu.spoiler import EVENT_NAMES, supports
from voxemu.wire import PROVIDERS
from voxemu.wire.entrance import answer_of

SAYS = taking(
    text=TEXT,
    audio={"type": "string", "maxLength": 200, "description": "tone:HZ:SECONDS, noise:…, or a prompt's name"},
    pcm={"type": "string", "description": "PCM16 at the call's rate, base64; in place of audio"},
)
TELLS = taking(
    ("text",), text=TEXT, speaker={"type": "string", "enum": ["user", "agent"]}, final={"type": "boolean"}
)
ENDS = taking(
    cause={"type": "string", "enum": ["closed", "agent_left", "shutdown"]},
    reason={"type": "string", "maxLength": 100},
)
NOTHING = taking()
FAULTS = {**fault_schema(), "properties": {"kind": {"enum": [*KINDS]}}}
FAULTS_OF_A_CALL = {**fault_schema(starts=False), "properties": {"kind": {"enum": [*KINDS]}}}
RESETS = taking(label={"type": "string", "maxLength": LONGEST})
DONE = answer_of(session="string", done="string")

Act = Callable[[Record, dict[str, Any]], Event]


def sound_of(said: Mapping[str, Any], provider: Provider) -> bytes:
    """What is to be said, at the call's rate. Raises BadBody; a file is not read: nobody names paths here."""
    if "pcm" in said:
        try:
            pcm = b64decode(said["pcm"], validate=True)
        except binascii.Error:
            raise BadBody("'pcm' is not base64") from None
        if not pcm or len(pcm) % SAMPLE_BYTES:
            raise BadBody("'pcm' must be whole 16-bit samples, one at least")
        return pcm
    name = said.get("audio", "tone:440:1")
    try:
        from voxemu import prompts
        from voxemu.scenario.spoken import made, spoken

        if made(name) is None and name not in prompts.names():
            raise BadBody(
                f"there is no sound {name[:80]!r}; known: tone:HZ:SECONDS, {', '.join(prompts.names())}"
            )
        return spoken(name, provider.format.rate).pcm
    except UsageError as error:
        raise BadBody(str(error)) from None


def fault_for(said: Mapping[str, Any], provider: Provider | None) -> FaultAsked:
    """Raises BadBody for a fault that cannot be, or that this provider cannot have."""
    try:
        fault = fault_of(said)
    except UsageError as error:
        raise BadBody(str(error)) from None
    if fault.on and fault.on not in EVENT_NAMES:
        raise BadBody(f"there is no event {fault.on[:80]!r}")
    if fault.provider and fault.provider not in PROVIDERS:
        raise BadBody(f"there is no provider {fault.provider[:80]!r}")
    if provider is not None and KINDS[fault.kind].family == "start":
        raise BadBody(f"{fault.kind} strikes a start: POST it to /__emu/faults")
    if provider is not None and not supports(provider, fault.kind):
        raise BadBody(f"{provider.id} cannot have the fault {fault.kind}")
    return FaultAsked(fault)


def cleared(registry: Registry, book: FaultBook, label: str | None = None) -> dict[str, int]:
    """Ends and forgets the sessions of one label, or all, and what was asked for; how many there were."""
    live = [record for record in registry.live.values() if label in (None, record.label)]
    for record in live:
        if record.tell is not None:
            record.tell(EndAsked("closed", "the emulator was reset"))
    return {"ended": len(live), "forgotten": registry.forget(label), "faults": book.forget(label)}


class Steering:
    def __init__(self, registry: Registry, book: FaultBook, config: Config) -> None:
        self._registry = registry
        self._book = book
        self._config = config

    def served(self) -> list[tuple[Route, Handler]]:
        one = "/__emu/sessions/{id}"
        acts: list[tuple[str, str, Mapping[str, Any], Act]] = [
            ("say", "The agent says this as soon as nobody speaks", SAYS, self._say),
            ("interrupt", "The agent is interrupted, as if by the user", NOTHING, self._interrupt),
            ("fault", "Something goes wrong, now or where the fault says", FAULTS_OF_A_CALL, self._fault),
            ("transcript", "A transcript is sent to the client", TELLS, self._tell),
            ("end", "The session ends in its provider's own way", ENDS, self._end),
            ("drop", "The connection breaks without a goodbye", NOTHING, self._drop),
        ]
        return [
            *(
                (
                    Route("POST", f"{one}/{name}", what, body=body, answers={200: DONE}),
                    self._acting(name, body, act),
                )
                for name, what, body, act in acts
            ),
            (
                Route(
                    "POST",
                    "/__emu/reset",
                    "Ends the sessions, forgets them, their findings and the faults; of one label, or all",
                    body=RESETS,
                    answers={200: answer_of(ended="integer", forgotten="integer", faults="integer")},
                ),
                self.reset,
            ),
            (
                Route(
                    "POST",
                    "/__emu/faults",
                    "A fault for the starts and sessions to come",
                    body=FAULTS,
                    answers={200: answer_of(armed="array")},
                ),
                self.arm,
            ),
        ]

    def _acting(
        self, name: str, schema: Mapping[str, Any], act: Act
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handler(request: web.Request) -> web.Response:
            asked = request.match_info["id"]
            record = self._registry.find(asked)
            if record is None:
                return as_json(404, {"error": f"there is no session {asked[:80]!r}"})
            try:
                event = act(record, await self._read(request, schema))
            except BadBody as error:
                return as_json(400, {"error": str(error)})
            if record.tell is None or record.closed is not None:
                return as_json(409, {"error": f"the session {record.short_id} is over"})
            record.tell(event)
            return as_json(200, {"session": record.id, "done": name})

        return handler

    async def _read(self, request: web.Request, schema: Mapping[str, Any]) -> dict[str, Any]:
        """Raises BadBody, and the answers of ``body_of``."""
        return read(await body_of(request, self._config.settings.limits.body), schema)

    # --- one session ------------------------------------------------------------------------------------

    def _say(self, record: Record, said: dict[str, Any]) -> Event:
        return SayAsked(said.get("text", ""), sound_of(said, PROVIDERS[record.admission.provider]))

    def _interrupt(self, record: Record, said: dict[str, Any]) -> Event:
        return InterruptAsked()

    def _fault(self, record: Record, said: dict[str, Any]) -> Event:
        return fault_for(said, PROVIDERS[record.admission.provider])

    def _tell(self, record: Record, said: dict[str, Any]) -> Event:
        return TellAsked(Transcribed(said.get("speaker", "agent"), said["text"], said.get("final", True)))

    def _end(self, record: Record, said: dict[str, Any]) -> Event:
        return EndAsked(said.get("cause", "closed"), said.get("reason", ""))

    def _drop(self, record: Record, said: dict[str, Any]) -> Event:
        return FaultAsked(fault_of({"kind": "close", "code": 1006}))

    # --- all of them ------------------------------------------------------------------------------------

    async def reset(self, request: web.Request) -> web.Response:
        try:
            said = await self._read(request, RESETS)
        except BadBody as error:
            return as_json(400, {"error": str(error)})
        return as_json(200, cleared(self._registry, self._book, said.get("label")))

    async def arm(self, request: web.Request) -> web.Response:
        try:
            said = await self._read(request, FAULTS)
            fault_of(said, anchored=True)
            fault = fault_for(said, None).fault
        except UsageError as error:
            return as_json(400, {"error": str(error)})
        self._book.ask(fault)
        return as_json(200, {"armed": self._book.listed()})
