"""Faults of the start: of the request that starts a session, of the upgrade, and of the token at the door."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Literal

from voxemu.fault import AT_THE_DOOR, FOR_EVER, Fault
from voxemu.provider import Provider

if TYPE_CHECKING:
    from random import Random

Place = Literal["request", "upgrade", "token"]

REQUEST = ("http_status", "http_delay", "malformed_body", "html_body")
UPGRADE = ("upgrade_refused", "upgrade_stalled", "upgrade_late")
COME_AGAIN = (429, 503)
HALF = '{"sessionId":"3f2a9c1e-0d4b-4c6e-9a57-1b8e","token":"eyJhbGciOi'


@dataclass(frozen=True, slots=True)
class Spelled:
    """An answer over HTTP as it goes out, whatever it holds."""

    status: int
    text: str
    kind: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Struck:
    """What becomes of one request: seconds that it waits, and what is answered in place of the truth."""

    faults: tuple[Fault, ...] = ()
    wait: float = 0.0
    instead: Spelled | None = None
    stalls: bool = False
    # It is never answered; the connection is dropped after ``wait``.
    expired: bool = False
    # The token that it shows is refused as expired.


@dataclass(slots=True)
class _Aim:
    fault: Fault
    owner: int | None
    # The number of the key that it is for; None: anybody's.
    seen: int = 0
    struck: int = 0

    def hits(self, provider: Provider, label: str, owner: int | None, rng: Random) -> bool:
        fault = self.fault
        mine = self.owner in (None, owner)
        if not mine or fault.provider not in ("", provider.id) or fault.label not in ("", label):
            return False
        self.seen += 1
        if self.seen < fault.nth or (fault.times != FOR_EVER and self.struck >= fault.times):
            return False
        self.struck += 1
        return fault.chance >= 1 or rng.random() < fault.chance


class Starts:
    """Counts the starts of a server, and says which of them go wrong."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._aims: list[_Aim] = []

    def add(self, fault: Fault, owner: int | None = None) -> None:
        """Takes faults of a start; others strike nothing here."""
        if fault.strikes_a_start:
            self._aims.append(_Aim(fault, owner))

    def clear(self) -> None:
        self._aims.clear()

    def strike(self, place: Place, provider: Provider, label: str = "", owner: int | None = None) -> Struck:
        kinds = _kinds(place, provider)
        hits = [
            aim.fault
            for aim in self._aims
            if aim.fault.kind in kinds and aim.hits(provider, label, owner, self._rng)
        ]
        return _struck(hits)


def _kinds(place: Place, provider: Provider) -> tuple[str, ...]:
    if place == "request":
        return REQUEST
    if place == "token":
        return AT_THE_DOOR
    # Where the upgrade itself is the start, what strikes a start strikes it.
    itself = provider.media == "websocket" and provider.start.path == provider.socket_path
    return (*UPGRADE, *REQUEST, *AT_THE_DOOR) if itself else UPGRADE


def _struck(faults: Iterable[Fault]) -> Struck:
    hits = tuple(faults)
    wait, instead, stalls, expired = 0.0, None, False, False
    for fault in hits:
        match fault.kind:
            case "http_delay" | "upgrade_late" | "upgrade_stalled":
                wait += fault.ms / 1000
                stalls = stalls or fault.kind == "upgrade_stalled"
            case "token_expired":
                expired = True
            case _:
                instead = _spelled(fault)
    return Struck(hits, wait, instead, stalls, expired)


def _spelled(fault: Fault) -> Spelled:
    if fault.kind == "malformed_body":
        return Spelled(200, HALF)
    phrase = _phrase(fault.status)
    if fault.kind == "html_body":
        page = f"<!DOCTYPE html>\n<html><head><title>{phrase}</title></head><body>{phrase}</body></html>\n"
        return Spelled(fault.status, page, "text/html")
    headers = {}
    if fault.status in COME_AGAIN:
        headers["Retry-After"] = str(max(1, round((fault.after_ms or 5000) / 1000)))
    return Spelled(fault.status, json.dumps({"error": fault.text or phrase}), headers=headers)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"status {status}"
