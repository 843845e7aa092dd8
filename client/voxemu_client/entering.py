"""The handshake of a rehearsal: both sides of it in one place, over no network.

They are pure functions of the provider's, so a call that is rehearsed enters as a real one does: with the
settings that its start says, a ticket that is good once, and a token on the socket where there is one.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from voxemu.dialogue.doorkeeper import Doorkeeper
from voxemu.engine import Engine
from voxemu.errors import ConnectionLost, Refused
from voxemu.events import TokenPresented
from voxemu.fault import Fault
from voxemu.provider import (
    Admission,
    Answered,
    Asked,
    CallPlan,
    Desk,
    KeyRing,
    Provider,
    Response,
    RoomOrder,
    RoomProvider,
    Target,
    TokenAwaited,
)
from voxemu.spoiler import Starts
from voxemu.spoiler.start import Place

URL = "http://emulator"
# Where a rehearsed call goes: nowhere.
KEY = "rehearsal"
ROOMS = "ws://emulator"
TOKEN = "rehearsal-token"

LATE = 1e9
# When no token is good any more.
EXPIRED = "the token has expired; fetch a new one"

Begin = Callable[[Admission, str, tuple[Fault, ...]], Engine]
"""Makes the engine of an admitted call, and has it begin with the words that the start request asks for; the
faults are those that its start had."""


def entered(
    provider: Provider, plan: CallPlan, settings: Any, seed: int, session: Begin, starts: Starts
) -> tuple[Target, Engine]:
    """The caller's target and the provider's engine. Raises Refused, ConnectionLost.

    ``session`` makes the engine of an admitted call; behind a token it is made when that has come. ``starts``
    are to go wrong on the way; what only comes late is noted, for nobody's time passes yet.
    """
    desk, way = _desk(settings, seed), _Way(provider, starts)
    request = provider.ask(plan)
    asked = None
    if request is not None:
        asked = _asked(request.method, request.url, request.headers, request.body)
    if isinstance(provider, RoomProvider):
        assert asked is not None
        return _into_a_room(provider, plan, way, asked, desk, session)
    response = None
    if asked is not None and (response := way.strike("request")) is None:
        answered = provider.answer(asked, desk, 0)
        response = Response(answered.status, answered.body)
    target = provider.reach(plan, response)
    if (refused := way.strike("upgrade")) is not None:
        text = f"the upgrade was answered with {refused.status}: {refused.body}"
        raise Refused("session", text, status=refused.status)
    now = 0.0 if TokenPresented in provider.spells else way.at_the_door()
    outcome = provider.admit(_asked("GET", target.url, target.headers, None), desk, now)
    if isinstance(outcome, Admission):
        return target, session(outcome, "", way.struck)
    if isinstance(outcome, TokenAwaited):
        return target, Doorkeeper(
            provider,
            outcome.seconds,
            lambda token, now: session(
                provider.present(token, desk, now + way.at_the_door()), "", way.struck
            ),
        )
    said = outcome.body if isinstance(outcome, Answered) else outcome
    raise Refused("session", f"{provider.id} let nobody in: {said}")


class _Way:
    """What goes wrong on the way in."""

    def __init__(self, provider: Provider, starts: Starts) -> None:
        self._provider = provider
        self._starts = starts
        self.struck: tuple[Fault, ...] = ()

    def strike(self, place: Place) -> Response | None:
        """What is answered in place of the truth, as a client reads it. Raises ConnectionLost."""
        struck = self._starts.strike(place, self._provider)
        self.struck += struck.faults
        if struck.stalls:
            raise ConnectionLost(f"the {place} was never answered")
        if struck.expired and place == "upgrade":
            return Response(401, {"error": EXPIRED})
        if struck.instead is None:
            return None
        try:
            return Response(struck.instead.status, json.loads(struck.instead.text))
        except ValueError:
            return Response(struck.instead.status, struck.instead.text)

    def at_the_door(self) -> float:
        """Seconds that have passed when the token is shown."""
        struck = self._starts.strike("token", self._provider)
        self.struck += struck.faults
        return LATE if struck.expired else 0.0


def _into_a_room(
    provider: RoomProvider, plan: CallPlan, way: _Way, asked: Asked, desk: Desk, session: Begin
) -> tuple[Target, Engine]:
    """Of the room, a rehearsal has only what its port carries: the messages of the codec."""
    if (instead := way.strike("request")) is not None:
        provider.reach(plan, instead)
    ordered = provider.order(asked, desk, 0)
    if isinstance(ordered, RoomOrder):
        answered = provider.opened(ordered, token=TOKEN, url=ROOMS)
        target = provider.reach(plan, Response(answered.status, answered.body))
        if way.strike("upgrade") is not None or way.at_the_door():
            raise Refused("session", f"{provider.id} let nobody into the room {ordered.room}")
        return target, session(ordered.admission, ordered.greeting, way.struck)
    answered = ordered if isinstance(ordered, Answered) else ordered.answered
    provider.reach(plan, Response(answered.status, answered.body))
    raise Refused("session", f"{provider.id} opened no room: {answered.body}")


def _desk(settings: Any, seed: int) -> Desk:
    issued = iter(range(1, 1000))
    return Desk(
        KeyRing({}, closed=False),
        new_secret=lambda: f"rehearsal-ticket-{seed}-{next(issued)}",
        new_id=lambda: f"rehearsal-{seed}",
        resolve_agent=lambda provider, asked, key: asked or "",
        settings=lambda kind, agent, key: settings,
    )


def _asked(method: str, url: str, headers: Any, body: bytes | None) -> Asked:
    parts = urlsplit(url)
    lower = {name.lower(): value for name, value in headers.items()}
    return Asked(method, parts.path, dict(parse_qsl(parts.query)), lower, body or b"", URL)
