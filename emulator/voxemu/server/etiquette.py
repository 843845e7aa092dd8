"""How a client asks for a session: findings of the start request and the upgrade, before there is one."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl

from voxemu.events import Event
from voxemu.provider import Answered, Asked, Provider
from voxemu.server.labels import label_in
from voxemu.server.remarks import Remarks

# Where each page has the key: a header or a query parameter.
PLACES: Mapping[str, tuple[str, ...]] = {
    "workbuddy": ("header authorization",),
    "lokutor": ("query api_key", "header x-api-key"),
    "lyzr-livekit": ("header x-api-key",),
}
HEADERS = ("authorization", "x-api-key", "api-key", "apikey")
QUERY = ("api_key", "apikey", "apiKey", "key", "x-api-key")


class Etiquette:
    def __init__(self, provider: Provider, remarks: Remarks) -> None:
        self._provider = provider
        self._remarks = remarks

    def judge(self, asked: Asked, answered: Answered | None) -> None:
        """``answered`` where the request was answered over HTTP."""
        is_start = (asked.method, asked.path) == (self._provider.start.method, self._provider.start.path)
        if not is_start:
            return
        self._judge_key(asked)
        kind = asked.headers.get("content-type", "")
        if asked.body.strip() and not kind.lower().startswith("application/json"):
            self._find("F-CONTENT-TYPE", f"the start request's content type is {kind[:80]!r}", asked)
        if answered is not None and answered.status == 400:
            said = answered.body.get("error", "") if isinstance(answered.body, dict) else ""
            self._find("F-BAD-START", str(said)[:300] or "it was answered with 400", asked)

    def judge_address(self, asked: Asked, told: tuple[Event, ...]) -> None:
        """``told`` is what an upgrade is let in for, only to hear it."""
        if told == self._provider.refusal("unknown"):
            self._find("F-URL-CHANGED", "no such URL was issued", asked)

    def _judge_key(self, asked: Asked) -> None:
        right = PLACES.get(self._provider.id, ())
        found = keys_in(asked)
        if right and found and not any(place in right for place in found):
            where = " and ".join(right)
            self._find("F-KEY-MISPLACED", f"a key came as {found[0]}; it belongs to {where}", asked)

    def _find(self, code: str, seen: str, asked: Asked) -> None:
        self._remarks.beside(code, seen, self._provider.id, label_in(asked))


def keys_in(asked: Asked) -> list[str]:
    """The places where something like a key is shown; never the key."""
    headers = [f"header {name}" for name in HEADERS if asked.headers.get(name, "").strip()]
    query = [f"query {name}" for name in QUERY if asked.query.get(name, "").strip()]
    body = asked.body[:4096].decode("utf-8", "replace")
    names = {name for name, _ in parse_qsl(body)} if "=" in body and "{" not in body else set()
    inside = [f"{name} in the body" for name in QUERY if f'"{name}"' in body or name in names]
    return [*headers, *query, *inside]
