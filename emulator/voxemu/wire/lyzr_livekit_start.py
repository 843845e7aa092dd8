"""What a start request of lyzr-livekit may say: a table of field rules, and the words for what breaks them.

Every message names its field, as those of the public server do; ``code`` is one of invalid_json,
invalid_type, too_small, too_big, invalid_format, invalid_value, unrecognized_keys, custom.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from voxemu.wire.reading import Unreadable, json_object

EXAMPLE: Mapping[str, Any] = {
    "userIdentity": "unique-user-id",
    "agentId": "66f0a1b2c3d4e5f6a7b8c9d0",
    "agentConfig": {"prompt": "Be brief.", "conversation_start": {"who": "ai", "greeting": "Hello!"}},
}
GREETING_MISSING = 'conversation_start.greeting is required when conversation_start.who is "ai"'
BAD_AGENT = "agentId must be a valid Mongo ObjectId"

IDENTITY = re.compile(r"[\w-]+", re.ASCII)
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
OBJECT_ID = re.compile(r"[0-9a-f]{24}", re.IGNORECASE)
LONGEST = 128


@dataclass(frozen=True, slots=True)
class Issue:
    code: str
    path: tuple[str | int, ...]
    message: str

    def as_json(self) -> dict[str, Any]:
        return {"code": self.code, "path": list(self.path), "message": self.message}


class BadBody(Exception):
    """The body is no JSON at all."""


def read_body(body: bytes) -> tuple[dict[str, Any], list[Issue]]:
    """The body's object, or what is wrong with it. Raises BadBody where it is not JSON."""
    if not body.strip():
        return {}, [Issue("invalid_type", (), "body is empty; expected a JSON object")]
    try:
        return json_object(body.decode()), []
    except UnicodeDecodeError:
        raise BadBody("body is not UTF-8") from None
    except Unreadable as error:
        if error.problem == "not_object":
            return {}, [Issue("invalid_type", (), f"body: {error.text}")]
        raise BadBody(f"body is {error.text}") from None


# --- the body ----------------------------------------------------------------------------------------------


def start_issues(
    body: Mapping[str, Any], *, identity_required: bool, names_agent: Callable[[str], bool]
) -> list[Issue]:
    """What is wrong with a start request; unknown keys at its top are ignored."""
    issues: list[Issue] = []
    if "userIdentity" in body or identity_required:
        issues += _label(body, "userIdentity")
    if body.get("roomName", "") != "":
        issues += _label(body, "roomName")
    issues += _patterned(
        body, "sessionId", lambda text: UUID.fullmatch(text) is not None, "sessionId must be a UUID"
    )
    issues += _patterned(
        body, "agentId", lambda text: OBJECT_ID.fullmatch(text) is not None or names_agent(text), BAD_AGENT
    )
    if "agentConfig" in body:
        issues += _config_issues(body["agentConfig"])
    return issues


def end_issues(body: Mapping[str, Any]) -> list[Issue]:
    """What is wrong with an end request: it names a room or a session."""
    for name in ("roomName", "sessionId"):
        if name in body:
            value = body[name]
            if not isinstance(value, str):
                return [_wrong_kind((name,), "a string", value)]
            if value:
                return []
    return [Issue("custom", ("roomName",), "roomName or sessionId is required")]


def _label(body: Mapping[str, Any], name: str) -> Iterator[Issue]:
    if name not in body:
        yield Issue("invalid_type", (name,), f"{name} is required")
        return
    value = body[name]
    if not isinstance(value, str):
        yield _wrong_kind((name,), "a string", value)
        return
    if not value:
        yield Issue("too_small", (name,), f"{name} must have at least 1 character")
    elif len(value) > LONGEST:
        yield Issue("too_big", (name,), f"{name} must have at most {LONGEST} characters")
    if value and IDENTITY.fullmatch(value) is None:
        text = f"{name} can only contain letters, numbers, underscores, and hyphens"
        yield Issue("invalid_format", (name,), text)


def _patterned(
    body: Mapping[str, Any], name: str, good: Callable[[str], bool], message: str
) -> Iterator[Issue]:
    if name in body:
        value = body[name]
        if not isinstance(value, str):
            yield _wrong_kind((name,), "a string", value)
        elif not good(value):
            yield Issue("invalid_format", (name,), message)


_KINDS = {
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "a string",
    dict: "an object",
    list: "an array",
}


def _wrong_kind(path: tuple[str | int, ...], expected: str, value: object) -> Issue:
    name = ".".join(map(str, path))
    return Issue("invalid_type", path, f"{name} must be {expected}, not {_KINDS.get(type(value), 'null')}")


# --- agentConfig -------------------------------------------------------------------------------------------

# The keys of its first level and what each must be; None where the shapes vary, and anything is taken.
CONFIG_KEYS: Mapping[str, type | None] = {
    "engine": dict,
    "prompt": str,
    "agent_name": str,
    "agent_description": str,
    "agent_role": str,
    "agent_goal": str,
    "agent_instructions": str,
    "dynamic_variables": dict,
    "dynamic_variable_defaults": dict,
    "conversation_start": dict,
    "turn_detection": None,
    "noise_cancellation": dict,
    "vad_enabled": bool,
    "preemptive_generation": bool,
    "audio_recording_enabled": bool,
    "tools": list,
    "lyzr_tools": None,
    "knowledge_base": None,
    "managed_agents": None,
    "avatar": None,
    "background_audio": dict,
    "api_key": str,
    "agent_id": str,
    "user_id": str,
    "session_id": str,
    "corrections": None,
    "engine_pipeline": dict,
    "engine_realtime": dict,
}
FAMILY = "pronunciation_"
# Every key that begins like this is known [server].

# Deeper objects are taken as they come, but for what changes how the session runs.
CHOICES: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("engine", "kind"): ("pipeline", "realtime"),
    ("conversation_start", "who"): ("human", "ai"),
}
DEEPER: Mapping[tuple[str, str], type] = {
    ("conversation_start", "greeting"): str,
    ("background_audio", "enabled"): bool,
}


def _config_issues(config: object) -> Iterator[Issue]:
    if not isinstance(config, dict):
        yield _wrong_kind(("agentConfig",), "an object", config)
        return
    for name, kind in CONFIG_KEYS.items():
        if name in config and kind is not None and not isinstance(config[name], kind):
            yield _wrong_kind(("agentConfig", name), _KINDS[kind], config[name])
    for at, tool in enumerate(config["tools"] if isinstance(config.get("tools"), list) else ()):
        if not isinstance(tool, str):
            yield _wrong_kind(("agentConfig", "tools", at), "a string", tool)
    yield from _deeper_issues(config)
    unknown = [name for name in config if name not in CONFIG_KEYS and not name.startswith(FAMILY)]
    if unknown:
        named = ", ".join(f'"{name}"' for name in unknown)
        text = f"Unrecognized key{'s' if len(unknown) > 1 else ''}: {named}"
        yield Issue("unrecognized_keys", ("agentConfig",), text)


def _deeper_issues(config: Mapping[str, Any]) -> Iterator[Issue]:
    def found(path: tuple[str, str]) -> tuple[bool, Any]:
        inside = config.get(path[0])
        return (True, inside[path[1]]) if isinstance(inside, dict) and path[1] in inside else (False, None)

    for path, choices in CHOICES.items():
        there, value = found(path)
        if there and value not in choices:
            wanted = " or ".join(f'"{choice}"' for choice in choices)
            yield Issue("invalid_value", ("agentConfig", *path), f"{'.'.join(path)} must be {wanted}")
    for path, kind in DEEPER.items():
        there, value = found(path)
        if there and not isinstance(value, kind):
            yield _wrong_kind(("agentConfig", *path), _KINDS[kind], value)
    start = config.get("conversation_start")
    if isinstance(start, dict) and start.get("who") == "ai":
        greeting = start.get("greeting", "")
        if isinstance(greeting, str) and not greeting.strip():
            yield Issue("custom", ("agentConfig", "conversation_start", "greeting"), GREETING_MISSING)


# --- the effective configuration ---------------------------------------------------------------------------

SECRET = re.compile(r"(?i)api_?key|token|secret|password|authorization")
HIDDEN = "(hidden)"


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """``above`` laid over ``below``, objects key by key, everything else whole."""
    both = dict(below)
    for name, value in above.items():
        under = both.get(name)
        both[name] = (
            merged(under, value) if isinstance(under, Mapping) and isinstance(value, Mapping) else value
        )
    return both


def without_secrets(value: Any) -> Any:
    """The same, with what looks like a key or a token hidden: it is shown, and written into manifests."""
    if isinstance(value, Mapping):
        return {
            name: HIDDEN
            if SECRET.search(name) and isinstance(inner, str) and inner
            else without_secrets(inner)
            for name, inner in value.items()
        }
    return [without_secrets(inner) for inner in value] if isinstance(value, list | tuple) else value


def background_of(config: Mapping[str, Any], wanted: str) -> str:
    """Which background sounds a session has: what the settings say, less what its configuration turns off.

    The page names the keys of ``background_audio`` and not their shapes: false, null and
    {"enabled": false} turn a part off.
    """
    asked = config.get("background_audio")
    if not isinstance(asked, Mapping) or asked.get("enabled") is not True:
        return "off"
    off = {"ambience": ("ambient",), "thinking": ("turn_taking", "tool_call")}
    parts = [
        part
        for part in wanted.split("+")
        if part in off and not any(name in asked and _turned_off(asked[name]) for name in off[part])
    ]
    return "+".join(parts) or "off"


def _turned_off(value: object) -> bool:
    if isinstance(value, Mapping):
        return value.get("enabled") is False
    return value is None or value is False
