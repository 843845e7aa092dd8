"""The handshake of a rehearsal: both sides of it in one place, over no network.

They are pure functions of the provider's, so a call that is rehearsed enters as a real one does: with the
settings that its start says, a ticket that is good once, and a token on the socket where there is one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from voxemu.dialogue.doorkeeper import Doorkeeper
from voxemu.engine import Engine
from voxemu.errors import Refused
from voxemu.provider import (
    Admission,
    Answered,
    Asked,
    CallPlan,
    Desk,
    KeyRing,
    Provider,
    Response,
    Target,
    TokenAwaited,
)

URL = "http://emulator"
# Where a rehearsed call goes: nowhere.
KEY = "rehearsal"


def entered(
    provider: Provider, plan: CallPlan, settings: Any, seed: int, session: Callable[[Admission], Engine]
) -> tuple[Target, Engine]:
    """The caller's target and the provider's engine. Raises Refused.

    ``session`` makes the engine of an admitted call; behind a token it is made when that has come.
    """
    desk = _desk(settings, seed)
    request = provider.ask(plan)
    response = None
    if request is not None:
        asked = _asked(request.method, request.url, request.headers, request.body)
        answered = provider.answer(asked, desk, 0)
        response = Response(answered.status, answered.body)
    target = provider.reach(plan, response)
    outcome = provider.admit(_asked("GET", target.url, target.headers, None), desk, 0)
    if isinstance(outcome, Admission):
        return target, session(outcome)
    if isinstance(outcome, TokenAwaited):
        return target, Doorkeeper(
            provider, outcome.seconds, lambda token, now: session(provider.present(token, desk, now))
        )
    said = outcome.body if isinstance(outcome, Answered) else outcome
    raise Refused("session", f"{provider.id} let nobody in: {said}")


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
