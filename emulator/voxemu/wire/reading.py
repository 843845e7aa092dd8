"""Reading what a stranger sent: JSON objects and base64 audio, or a sentence about what is wrong.

Whatever the bytes are, nothing here raises anything but ``Unreadable``: nesting deeper than the parser's
stack, integers of ten thousand digits, lone surrogates and ``{"type": []}`` included.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from typing import Any

from ..audio import SAMPLE_BYTES
from ..errors import LocalProtocolError
from ..events import Event, Unrecognised
from ..provider import Message

EXCERPT = 80


class Unreadable(Exception):
    """A message that the protocol has no words for; carries the event that says so."""

    def __init__(self, problem: str, text: str, message: Message = "") -> None:
        super().__init__(text)
        self.event = Unrecognised(problem, text, excerpt(message))


def excerpt(message: Message) -> str:
    """The beginning of a message, printable and short."""
    if isinstance(message, bytes):
        return message[: EXCERPT // 4].hex(" ")
    return message[:EXCERPT].encode("utf-8", "backslashreplace").decode()


def read(message: Message, spell: Callable[[Message], list[Event]]) -> list[Event]:
    """``spell(message)``, with an Unreadable turned into the event that it carries."""
    try:
        return spell(message)
    except Unreadable as error:
        return [error.event]


def json_object(message: Message) -> dict[str, Any]:
    if isinstance(message, bytes):
        raise Unreadable("binary_frame", "expected a JSON text frame, got a binary one", message)
    try:
        found = json.loads(message)
        message.encode()
    except (ValueError, RecursionError) as error:
        # ValueError covers JSONDecodeError, integers beyond the digit limit, and lone surrogates.
        raise Unreadable("not_json", f"not JSON: {_first_line(error)}", message) from None
    if not isinstance(found, dict):
        raise Unreadable("not_object", f"expected a JSON object, got {_kind(found)}", message)
    return found


def _first_line(error: BaseException) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else str(error).splitlines()[0][:120]


_KINDS = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", int: "a number", float: "a number"}


def _kind(value: object) -> str:
    return _KINDS.get(type(value), "null")


def field(
    message: Mapping[str, Any], name: str, kind: type | tuple[type, ...], *, what: str, within: str = ""
) -> Any:
    """``message[name]`` when it is of this kind (bool is no int); raises Unreadable naming the field."""
    label = f"{within}.{name}" if within else name
    if name not in message:
        raise Unreadable("bad_field", f"{label!r} is missing; expected {what}", json.dumps(message))
    value = message[name]
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise Unreadable("bad_field", f"{label!r} must be {what}, not {_kind(value)}", json.dumps(message))
    return value


def message_type(message: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    kind = field(message, "type", str, what="a string")
    if kind not in known:
        raise Unreadable("unknown_type", f"unknown message type {kind[:40]!r}", json.dumps(message))
    assert isinstance(kind, str)
    return kind


def audio_from_base64(text: str) -> bytes:
    """PCM16 from base64; empty, odd and undecodable audio are Unreadable."""
    try:
        pcm = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Unreadable("not_base64", "the audio is not valid base64", text) from None
    return whole_samples(pcm)


def whole_samples(pcm: bytes) -> bytes:
    if not pcm:
        raise Unreadable("empty_audio", "the audio is empty")
    if len(pcm) % SAMPLE_BYTES:
        raise Unreadable("odd_bytes", f"{len(pcm)} bytes of audio are no whole number of 16-bit samples", pcm)
    return pcm


def sendable(pcm: bytes) -> bytes:
    """Audio that may go on a wire; raises LocalProtocolError for what no provider takes."""
    if not pcm or len(pcm) % SAMPLE_BYTES:
        raise LocalProtocolError(f"tried to send {len(pcm)} bytes of audio; expected an even number above 0")
    return pcm


def spell_json(**fields: Any) -> str:
    return json.dumps(fields, separators=(",", ":"))
