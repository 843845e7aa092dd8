"""Spelling what we send: the frame of a codec, compact JSON, base64 audio.

Whatever cannot be spelled raises ``LocalProtocolError``: it would be our bug, not the peer's.
"""

from __future__ import annotations

import binascii
import json
from abc import ABC, abstractmethod
from functools import lru_cache
from typing import Any

from voxemu.audio import SAMPLE_BYTES, AudioFormat
from voxemu.errors import AudioError, LocalProtocolError
from voxemu.events import Downlink, Event, Uplink
from voxemu.provider import Message, Role
from voxemu.wire.reading import read

_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


class DuplexCodec(ABC):
    """The four directions of a codec; a provider's codec fills in the words of each."""

    def __init__(self, role: Role) -> None:
        self._role = role

    def encode(self, event: Event) -> list[Message]:
        ours, theirs = (Downlink, Uplink) if self._role is Role.PROVIDER else (Uplink, Downlink)
        if isinstance(event, theirs):
            raise LocalProtocolError(f"a {self._role.value} does not send {type(event).__name__}")
        if not isinstance(event, ours):
            return []
        return self._spell_downlink(event) if self._role is Role.PROVIDER else self._spell_uplink(event)

    def decode(self, message: Message) -> list[Event]:
        if self._role is Role.PROVIDER:
            return read(message, self._read_uplink, quotable=self._quotable(message))
        return read(message, self._read_downlink)

    def _quotable(self, message: Message) -> bool:
        """Whether an unreadable uplink message may be quoted; not where it may hold a secret."""
        return True

    @abstractmethod
    def _spell_uplink(self, event: Event) -> list[Message]:
        """[] for an event that the protocol has no word for."""

    @abstractmethod
    def _read_uplink(self, message: Message) -> list[Event]:
        """Raises Unreadable, and nothing else."""

    @abstractmethod
    def _spell_downlink(self, event: Event) -> list[Message]: ...

    @abstractmethod
    def _read_downlink(self, message: Message) -> list[Event]: ...


def sendable(pcm: bytes) -> bytes:
    """Audio that may go on a wire; raises LocalProtocolError for what no provider takes."""
    if not pcm or len(pcm) % SAMPLE_BYTES:
        raise LocalProtocolError(f"tried to send {len(pcm)} bytes of audio; expected an even number above 0")
    return pcm


def sendable_base64(pcm: bytes) -> str:
    return binascii.b2a_base64(sendable(pcm), newline=False).decode("ascii")


@lru_cache(maxsize=64)
def sendable_rate(rate: int) -> int:
    """A sample rate that may be declared; raises LocalProtocolError for what the other end would refuse."""
    try:
        return AudioFormat(rate).rate
    except AudioError as error:
        raise LocalProtocolError(f"tried to declare it: {error}") from None


def spell_audio(kind: str, pcm: bytes, rate: int | None = None) -> str:
    """``{"type": kind, "audio": …}`` as ``spell_json`` would have it: base64 needs no escaping."""
    declared = "" if rate is None else f',"sampleRate":{sendable_rate(rate)}'
    return f'{{"type":"{kind}","audio":"{sendable_base64(pcm)}"{declared}}}'


def spell_json(**fields: Any) -> str:
    """Compact ASCII JSON; raises LocalProtocolError for what JSON cannot say."""
    try:
        return _ENCODER.encode(fields)
    except (TypeError, ValueError, RecursionError) as error:
        raise LocalProtocolError(f"tried to send what JSON cannot say: {error}") from None
