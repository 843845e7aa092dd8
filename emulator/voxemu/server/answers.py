"""Answers over HTTP: JSON, whatever happened."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

from aiohttp import web

from voxemu.provider import Answered
from voxemu.server.door import Door, Handler
from voxemu.spoiler.start import Spelled

log = logging.getLogger("voxemu")

# Bodies of what the router and the HTTP parser refuse before a provider is asked.
REASONS = {
    404: "there is nothing at this path",
    405: "this path does not take this method",
    408: "the body did not come in time",
    413: "the body is too large",
}
RETRY_AFTER = "5"
# Seconds, where a limit was met and nothing says how long it will be.


def as_json(status: int, body: Any, headers: dict[str, str] | None = None) -> web.Response:
    """No body for None."""
    if body is None:
        return web.Response(status=status, headers=headers)
    text = json.dumps(body, separators=(",", ":"), default=str)
    return web.Response(status=status, text=text, content_type="application/json", headers=headers)


def answer(answered: Answered) -> web.Response:
    return as_json(answered.status, answered.body, dict(answered.headers))


def spelled(instead: Spelled) -> web.Response:
    """An answer on purpose, whatever it holds."""
    return web.Response(
        status=instead.status, text=instead.text, content_type=instead.kind, headers=instead.headers
    )


def error_in(response: web.Response) -> str:
    """The sentence in a refusal, for the news."""
    try:
        body = json.loads(response.text or "{}")
    except ValueError:
        return ""
    return str(body.get("error", "")) if isinstance(body, dict) else ""


async def body_of(request: web.Request, seconds: float) -> bytes:
    """The request's body. Raises the answers 408 and 413."""
    most, said = request.client_max_size, request.content_length or 0
    if most and said > most:
        raise web.HTTPRequestEntityTooLarge(max_size=most, actual_size=said)
    try:
        async with asyncio.timeout(seconds):
            return await request.read()
    except TimeoutError:
        raise web.HTTPRequestTimeout from None


def guarding(door: Door, remark: Callable[[str], None], limited: Callable[[int], None]) -> Any:
    """The middleware: who may come in, CORS, and errors as JSON.

    ``remark`` is told of who may not, ``limited`` of an answer that a limit made.
    """

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        problem = door.host_problem(request) or door.origin_problem(request) or door.control_problem(request)
        if problem is not None:
            remark(problem)
            response: web.StreamResponse = as_json(403, {"error": problem})
        elif (keyless := door.key_problem(request)) is not None:
            remark(keyless)
            response = as_json(401, {"error": keyless})
        else:
            response = await _guarded(request, handler)
        if response.status in (408, 413):
            limited(response.status)
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
    except (web.RequestPayloadError, ConnectionError):
        return as_json(400, {"error": "the body could not be read; is it complete, and encoded as it says?"})
    except Exception:
        log.exception("%s %s broke", request.method, request.path)
        return as_json(500, {"error": "internal error"})


async def expected(request: web.Request) -> web.StreamResponse | None:
    """Answers an Expect header before the body comes."""
    if request.headers.get("Expect", "").lower() != "100-continue":
        return as_json(417, {"error": "of Expect, only 100-continue can be met"})
    assert request.transport is not None
    request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    return None


def _refused(request: web.Request, refused: web.HTTPException) -> web.Response:
    text = REASONS.get(refused.status, refused.reason)
    headers = {name: refused.headers[name] for name in ("Allow", "Upgrade") if name in refused.headers}
    path = request.path[:200]
    if refused.status == 404:
        text = f"{text}; {_elsewhere(path, request.app)}"
    return as_json(refused.status, {"error": text, "path": path}, headers)


def _elsewhere(path: str, app: web.Application) -> str:
    """Where somebody who found nothing may have wanted to go."""
    import difflib

    near = difflib.get_close_matches(
        path, (each.canonical for each in app.router.resources()), n=1, cutoff=0.8
    )
    return f"did you mean {near[0]}?" if near else "GET /__emu/openapi.json describes what there is"
