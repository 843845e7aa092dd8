"""Reading what a stranger sent: JSON objects and base64 audio, or a sentence about what is wrong.

Whatever the message is, nothing here raises anything but ``Unreadable``: nesting deeper than the parser's
stack, integers of ten thousand digits, lone surrogates, NaN and ``{"type": []}`` included. What passes can be
written as JSON and as UTF-8 again, by a timeline or an admin page.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

import msgspec
import pybase64

from voxemu.audio import SAMPLE_BYTES, AudioFormat
from voxemu.errors import AudioError
from voxemu.provider import Message

EXCERPT = 80
DEPTH = 64
# Of nesting. No message on any page needs a dozen levels; a thousand break whoever writes them down.


class Unreadable(Exception):
    """A message that the protocol has no words for: a stable word, and a sentence for the peer."""

    def __init__(self, problem: str, text: str) -> None:
        super().__init__(text)
        self.problem = problem
        self.text = text


def excerpt(message: Message) -> str:
    """The beginning of a message, printable and short."""
    if isinstance(message, bytes):
        return message[: EXCERPT // 4].hex(" ")
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in message[:EXCERPT]
    )


# --- JSON ----------------------------------------------------------------------------------------------


def json_object(message: Message) -> dict[str, Any]:
    if isinstance(message, bytes):
        raise Unreadable("binary_frame", "expected a JSON text frame, got a binary one")
    found = _parsed(message)
    if not isinstance(found, dict):
        raise Unreadable("not_object", f"expected a JSON object, got {_kind(found)}")
    return found


_DECODER: msgspec.json.Decoder[Any] = msgspec.json.Decoder()
# It refuses NaN, infinities and escaped halves of surrogate pairs.


def _parsed(message: str) -> Any:
    try:
        found = _DECODER.decode(message)
    except msgspec.DecodeError as error:
        wrong = str(error).removeprefix("JSON is malformed: ") if message.strip() else "it is empty"
        raise Unreadable("not_json", f"not JSON: {wrong}") from None
    except UnicodeEncodeError:
        raise Unreadable("not_json", "not JSON: half of a surrogate pair stands alone") from None
    except RecursionError:
        raise Unreadable("not_json", "not JSON: nested too deeply") from None
    # Audio messages are long and flat; nearly all messages are audio.
    is_flat = message.rfind("{") < 1 and "[" not in message
    if not is_flat and message.count("{") + message.count("[") > DEPTH and _deeper_than(DEPTH, found):
        raise Unreadable("not_json", f"nested deeper than {DEPTH} levels")
    return found


def _deeper_than(levels: int, found: object) -> bool:
    row = [found]
    for _ in range(levels):
        row = [child for node in row for child in _children(node) if isinstance(child, dict | list)]
        if not row:
            return False
    return True


def _children(node: object) -> Collection[object]:
    if isinstance(node, dict):
        return node.values()
    return node if isinstance(node, list) else ()


_KINDS = {
    dict: "an object",
    list: "an array",
    str: "a string",
    bool: "a boolean",
    int: "a number",
    float: "a number",
}


def _kind(value: object) -> str:
    return _KINDS.get(type(value), "null")


def field(
    message: Mapping[str, Any], name: str, kind: type | tuple[type, ...], *, what: str, within: str = ""
) -> Any:
    """``message[name]`` when it is of this kind (bool is no int); raises Unreadable naming the field."""
    label = f"{within}.{name}" if within else name
    if name not in message:
        raise Unreadable("bad_field", f"{label!r} is missing; expected {what}")
    value = message[name]
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise Unreadable("bad_field", f"{label!r} must be {what}, not {_kind(value)}")
    return value


def text_field(message: Mapping[str, Any], name: str, *, within: str = "") -> str:
    text = message.get(name)
    return text if isinstance(text, str) else str(field(message, name, str, what="a string", within=within))


def message_type(message: Mapping[str, Any], known: Collection[str]) -> str:
    kind = text_field(message, "type")
    if kind not in known:
        raise Unreadable("unknown_type", f"unknown message type {kind[:40]!r}")
    return kind


def sample_rate(message: Mapping[str, Any], name: str) -> int | None:
    """A rate in Hz; None where the message declares none. JavaScript's 24000.0 is 24000."""
    rate = message.get(name)
    if rate is None:
        return None
    if type(rate) is not int:
        rate = field(message, name, (int, float), what="a sample rate in Hz")
    try:
        return _whole_rate(rate)
    except AudioError:
        raise Unreadable("wrong_rate", f"{name!r} must be a whole number of Hz, 8000 to 192000") from None


@lru_cache(maxsize=64)
def _whole_rate(rate: float) -> int:
    """Asked for every message of audio, and nearly always the same."""
    if rate != int(rate):
        raise AudioError("a part of a sample")
    return AudioFormat(int(rate)).rate


# --- audio ---------------------------------------------------------------------------------------------


def audio_from_base64(text: str) -> bytes:
    """PCM16 from base64; empty, odd and undecodable audio are Unreadable."""
    try:
        pcm = pybase64.b64decode(text, validate=True)
    except ValueError:
        raise Unreadable("not_base64", "the audio is not valid base64") from None
    return whole_samples(pcm)


def whole_samples(pcm: bytes) -> bytes:
    if not pcm:
        raise Unreadable("empty_audio", "the audio is empty")
    if len(pcm) % SAMPLE_BYTES:
        raise Unreadable("odd_bytes", f"{len(pcm)} bytes of audio are no whole number of 16-bit samples")
    return pcm
