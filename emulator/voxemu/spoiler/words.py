"""A codec that sends what no codec would: the spoiler's notes say which message, and how."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from voxemu.events import Event, FaultInjected
from voxemu.provider import Codec, Message

STRAY = "nobody knows this"
EXTRA = {"emu_extra": {"note": "a field that no page names", "n": 1}}


class SpoiledCodec:
    """``codec``, for an engine behind a ``Spoiler``. Reads as that reads. ``media`` is the provider's."""

    def __init__(self, codec: Codec, media: str = "websocket") -> None:
        self.codec = codec
        self.decode = codec.decode
        self._media = media
        self._spoil = ""

    def encode(self, event: Event) -> list[Message]:
        if type(event) is FaultInjected:
            if event.kind == "unknown_message":
                return [self._stray(event.detail)]
            if event.kind in ("extra_fields", "odd_length"):
                self._spoil = event.kind
            return []
        messages = self.codec.encode(event)
        if not self._spoil or not messages:
            return messages
        spoil, self._spoil = self._spoil, ""
        return [_odd(each) if spoil == "odd_length" else _with_extra(each) for each in messages]

    def _stray(self, kind: str) -> str:
        if self._media == "room":
            # As the port of rooms has it: what participants are sent are packets with a topic.
            return json.dumps({"type": "data", "topic": kind, "text": STRAY})
        return json.dumps({"type": kind, "data": STRAY})


def _odd(message: Message) -> Message:
    """Audio without its last byte, also inside JSON."""
    if isinstance(message, bytes):
        return message[:-1]
    said = json.loads(message)
    for name in ("audio", "data"):
        if isinstance(said.get(name), str) and (pcm := _decoded(said[name])):
            return _spelled(said | {name: base64.b64encode(pcm[:-1]).decode()})
    return message


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""


def _with_extra(message: Message) -> Message:
    return message if isinstance(message, bytes) else _spelled(json.loads(message) | EXTRA)


def _spelled(said: dict[str, Any]) -> str:
    return json.dumps(said, separators=(",", ":"))
