"""The HTTP routes as an OpenAPI description, made of what the routes say of themselves.

A route that is served is described by being served: ``Route`` holds its summary, its body and its answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from voxemu import __version__
from voxemu.provider import Provider, Route
from voxemu.server.control_header import CONTROL_HEADER, changes
from voxemu.server.labels import LABEL_HEADER, LONGEST

ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "string", "description": "What is wrong, and what to do."}},
}

SECURITY = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "x-api-key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
}

EMULATOR = "emulator"
Tagged = tuple[str, Route]
"""Whose route it is: a provider's id, or emulator."""


def described(provider: Provider) -> Iterator[Tagged]:
    """A provider's routes, and its socket as what plain HTTP sees of it."""
    for route in provider.routes:
        yield provider.id, route
    if provider.media == "websocket":
        summary = f"The websocket of {provider.title}; without an upgrade, 426"
        yield provider.id, Route("GET", provider.socket_path, summary, answers={101: None, 426: ERROR})


def document(routes: Iterable[Tagged], url: str) -> dict[str, Any]:
    """OpenAPI 3.1. ``url`` is what the server is reached by."""
    paths: dict[str, dict[str, Any]] = {}
    for tag, route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(tag, route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "voxemu",
            "version": __version__,
            "description": "HTTP routes of the emulated providers and of the emulator itself. What is said "
            "on websockets and in rooms is in the providers' own pages.",
        },
        "servers": [{"url": url}],
        "paths": paths,
        "components": {"schemas": {"Error": ERROR}, "securitySchemes": SECURITY},
    }


def _operation(tag: str, route: Route) -> dict[str, Any]:
    found: dict[str, Any] = {
        "tags": [tag],
        "summary": route.summary,
        "operationId": f"{route.method.lower()} {route.path}",
        "responses": {str(status): _answer(status, body) for status, body in route.answers.items()}
        | {"default": _answer(0, {"$ref": "#/components/schemas/Error"})},
    }
    named = re.findall(r"{(\w+)[^}]*}", route.path)
    parameters = [_parameter(name, "path", {"type": "string", "minLength": 1}) for name in named]
    if changes(route.method, route.path):
        parameters.append(_parameter(CONTROL_HEADER, "header", {"const": "1"}))
    parameters += [_parameter(name, "query", {"type": "string"}, required=False) for name in route.query]
    if tag != EMULATOR:
        label = {"type": "string", "maxLength": LONGEST, "description": "By it a test finds its sessions"}
        parameters.append(_parameter(LABEL_HEADER, "header", label, required=False))
    if parameters:
        found["parameters"] = parameters
    if route.body is not None:
        found["requestBody"] = {"required": True, "content": _json(route.body)}
    if route.key:
        found["security"] = [{route.key: []}]
    return found


def _answer(status: int, body: Mapping[str, Any] | None) -> dict[str, Any]:
    words = "As asked" if 0 < status < 400 else "Refused"
    return {"description": words, **({"content": _json(body)} if body is not None else {})}


def _json(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {schema.get("contentMediaType", "application/json"): {"schema": schema}}


def _parameter(name: str, place: str, schema: Mapping[str, Any], *, required: bool = True) -> dict[str, Any]:
    return {"name": name, "in": place, "required": required, "schema": schema}
