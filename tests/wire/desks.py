"""A desk with seeded ids, and requests as the shells would hand them over."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from itertools import count
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from voxemu.errors import Refused
from voxemu.provider import (
    Admission,
    Answered,
    Asked,
    CallPlan,
    Desk,
    Key,
    KeyRing,
    Provider,
    Request,
    Response,
    Target,
    TokenAwaited,
)

BASE = "http://127.0.0.1:8090"
NOW = 5000.0
OPEN = KeyRing({}, closed=False)
CLOSED = KeyRing(
    {"good": Key("team-a"), "old": Key("team-b", disabled=True), "tuned": Key("team-c", agent="tone:440")},
    closed=True,
)


def desk(
    keys: KeyRing = OPEN,
    *,
    known: tuple[str, ...] = (),
    names: tuple[str, ...] | None = None,
    capacity: int = 1000,
    per_key: Mapping[str, Mapping[str, Any]] | None = None,
    **changed: Any,
) -> Desk:
    """A desk where the settings of each provider are the defaults, ``changed`` where they have such a field.

    ``known``: the agents there are; none is any.
    ``names``: those that are ours, where it matters. ``per_key``: settings for the keys of a label.
    """
    secrets, ids = count(1), count(1)

    def resolve(provider: str, asked: str | None, key: Key) -> str:
        wanted = asked or key.agent or "echo"
        if known and wanted not in known:
            raise Refused("unknown_agent", f"there is no agent {wanted!r}")
        return wanted

    def settings(kind: type[Any], agent: str, key: Key) -> Any:
        mine = {name: value for name, value in changed.items() if name in kind.__dataclass_fields__}
        return replace(kind(**mine), **(per_key or {}).get(key.label, {}))

    return Desk(
        keys,
        new_secret=lambda: f"secret-{next(secrets)}",
        new_id=lambda: f"session-{next(ids)}",
        resolve_agent=resolve,
        settings=settings,
        mint=lambda claims: f"jwt.{claims['sid']}.{claims['jti']}",
        names_agent=None if names is None else names.__contains__,
        capacity=capacity,
    )


def asked(
    method: str,
    url: str,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    base: str = BASE,
    peer: str = "",
) -> Asked:
    """A request for ``url``, absolute or a path."""
    parts = urlsplit(url)
    lower = {name.lower(): value for name, value in (headers or {}).items()}
    return Asked(
        method, parts.path, dict(parse_qsl(parts.query, keep_blank_values=True)), lower, body, base, peer
    )


def posted(request: Request, base: str = BASE) -> Asked:
    return asked(request.method, request.url, request.headers, request.body or b"", base)


def received(answered: Answered) -> Response:
    """What the caller makes of an answer that went over HTTP."""
    return Response(answered.status, json.loads(json.dumps(answered.body)))


def started(provider: Provider, plan: CallPlan, at: Desk, now: float = NOW, base: str = BASE) -> Target:
    """The caller's way to a target, through both halves of the handshake."""
    request = provider.ask(plan)
    if request is None:
        return provider.reach(plan, None)
    return provider.reach(plan, received(provider.answer(posted(request, base), at, now)))


def connected(provider: Provider, target: Target, at: Desk, now: float = NOW) -> Any:
    """What an upgrade at the target comes to; a token that is awaited is presented."""
    judged = provider.admit(asked("GET", target.url, target.headers), at, now)
    if isinstance(judged, TokenAwaited):
        token = getattr(target.opening[0], "token")  # noqa: B009 - only one of the events has it
        return provider.present(token, at, now)
    return judged


def admitted(judged: Any) -> Admission:
    assert isinstance(judged, Admission), judged
    return judged
