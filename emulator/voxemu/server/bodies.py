"""The JSON bodies of the control API: an object with the fields of its route, and no others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from voxemu.errors import UsageError, meant

TEXT = {"type": "string", "maxLength": 1000}


class BadBody(UsageError):
    """The body is not what this route takes."""


def taking(required: tuple[str, ...] = (), **kinds: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON Schema of a body with these fields."""
    return {
        "type": "object",
        "required": [*required],
        "properties": dict(kinds),
        "additionalProperties": False,
    }


def read(body: bytes, schema: Mapping[str, Any]) -> dict[str, Any]:
    """The body, held to its schema; none at all is an empty object. Raises BadBody."""
    try:
        said = json.loads(body.decode()) if body.strip() else {}
        # Half a surrogate pair is JSON, and no text that could be sent on.
        json.dumps(said, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise BadBody("the body is no JSON in UTF-8") from None
    if not isinstance(said, dict):
        raise BadBody("the body must be a JSON object")
    known = schema["properties"]
    for name in schema["required"]:
        if name not in said:
            raise BadBody(f"{name!r} is missing")
    for name, value in said.items():
        if name in known:
            _check(name, value, known[name])
        elif schema.get("additionalProperties") is False:
            raise BadBody(f"there is no field {name[:80]!r}; {meant(name[:80], known)}")
    return said


KINDS: Mapping[str, type] = {"string": str, "boolean": bool}


def _check(name: str, value: Any, schema: Mapping[str, Any]) -> None:
    kind = schema.get("type")
    if isinstance(kind, str) and not isinstance(value, KINDS[kind]):
        raise BadBody(f"{name!r} must be a {kind}")
    if "enum" in schema and value not in schema["enum"]:
        given = str(value)[:80]
        raise BadBody(f"{name!r} cannot be {given!r}; {meant(given, schema['enum'])}")
    if isinstance(value, str) and len(value) > schema.get("maxLength", 1_000_000):
        raise BadBody(f"{name!r} has more than {schema['maxLength']} characters")
