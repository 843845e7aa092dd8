"""What the handshakes of all providers share: refusals over HTTP, and reading a start's answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from voxemu.errors import Refused, RemoteProtocolError
from voxemu.provider import Answered, Response

LONGEST_URL = 8000
# Characters. Servers take no more in a request's first line.
RETRY_AFTER = "5"
# Seconds; unused tickets expire on their own, so a full desk empties soon.

SENTENCES = {
    "missing_key": "Missing API key",
    "bad_key": "Invalid API key",
    "disabled_key": "API key is disabled",
    "unknown_agent": "Agent not found",
    "full": "Too many sessions were started and never connected; try again later",
}


def turned_away(refused: Refused, statuses: Mapping[str, int]) -> Answered:
    """A refusal as this provider answers it: its status, ``{"error": …}``, and when to come back."""
    status = statuses[refused.why]
    headers = {"Retry-After": RETRY_AFTER} if status == 503 else {}
    return Answered(status, {"error": SENTENCES[refused.why]}, headers)


def started(response: Response | None, what: str) -> object:
    """The body of a start that was answered 200. Raises Refused with what the provider said otherwise."""
    if response is None:
        raise RemoteProtocolError(f"{what} was not answered")
    if response.status != 200:
        text = f"{what} answered {response.status}: {_said(response.body)}"
        raise Refused("start", text, status=response.status)
    return response.body


def _said(body: object) -> str:
    return str(body.get("error", body))[:200] if isinstance(body, dict) else str(body)[:200]


def socket_url(url: str, name: str, what: str) -> str:
    """The URL, as it is. Raises RemoteProtocolError when no websocket can be opened there."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("ws", "wss") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or len(url) > LONGEST_URL or re.fullmatch(r"[!-~]+", url) is None:
        raise RemoteProtocolError(f"{what} answered with a {name} that is no ws:// or wss:// URL")
    return url


def life(name: str, seconds: float) -> None:
    """For settings: how long something is good for; 0 is not at all. Raises ValueError."""
    if not 0 <= seconds <= 86_400:
        raise ValueError(f"{name} must be 0 to 86400 seconds, not {seconds}")


def above_zero(name: str, seconds: float) -> None:
    """For settings. Raises ValueError; whoever reads the settings adds the file and the key."""
    if not 0 < seconds <= 86_400:
        raise ValueError(f"{name} must be above 0 and at most 86400 seconds, not {seconds}")


def answer_of(**kinds: str) -> Mapping[str, Any]:
    """For a route's description: an object with these fields, each of this JSON type."""
    return {
        "type": "object",
        "required": [*kinds],
        "properties": {name: {"type": kind} for name, kind in kinds.items()},
    }
