"""Answers over HTTP: JSON, whatever happened."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

from aiohttp import web

from voxemu.provider import Answered
from voxemu.server.door import Door, Handler

log = logging.getLogger("voxemu")

# Bodies of what the router and the HTTP parser refuse before a provider is asked.
REASONS = {
    404: "there is nothing at this path",
    405: "this path does not take this method",
    413: "the body is too large",
}


def as_json(status: int, body: Any, headers: dict[str, str] | None = None) -> web.Response:
    """No body for None."""
    if body is None:
        return web.Response(status=status, headers=headers)
    text = json.dumps(body, separators=(",", ":"), default=str)
    return web.Response(status=status, text=text, content_type="application/json", headers=headers)


def answer(answered: Answered) -> web.Response:
    return as_json(answered.status, answered.body, dict(answered.headers))


def error_in(response: web.Response) -> str:
    """The sentence in a refusal, for the news."""
    try:
        body = json.loads(response.text or "{}")
    except ValueError:
        return ""
    return str(body.get("error", "")) if isinstance(body, dict) else ""


def guarding(door: Door, remark: Callable[[str], None]) -> Any:
    """The middleware: who may come in, CORS, and errors as JSON. ``remark`` is told of who may not."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        problem = door.host_problem(request) or door.origin_problem(request)
        if problem is not None:
            remark(problem)
            response: web.StreamResponse = as_json(403, {"error": problem})
        else:
            response = await _guarded(request, handler)
        if not response.prepared:
            door.tell(request, response)
        return response

    return guard


async def _guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        if request.method == "OPTIONS":
            return web.Response(status=204, headers={"Allow": "GET, POST, OPTIONS"})
        return await handler(request)
    except web.HTTPException as refused:
        return _refused(request, refused)
    except Exception:
        log.exception("%s %s broke", request.method, request.path)
        return as_json(500, {"error": "internal error"})


def _refused(request: web.Request, refused: web.HTTPException) -> web.Response:
    text = REASONS.get(refused.status, refused.reason)
    headers = {name: refused.headers[name] for name in ("Allow", "Upgrade") if name in refused.headers}
    return as_json(refused.status, {"error": text, "path": request.path[:200]}, headers)
