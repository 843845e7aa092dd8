"""Spelling what we send: the frame of a codec, compact JSON, base64 audio.

Whatever cannot be spelled raises ``LocalProtocolError``: it would be our bug, not the peer's.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from functools import lru_cache
from typing import Any

import pybase64

from voxemu.audio import SAMPLE_BYTES, AudioFormat
from voxemu.errors import AudioError, LocalProtocolError
from voxemu.events import Downlink, Event, Unrecognised, Uplink
from voxemu.provider import Message, Role
from voxemu.wire.reading import Unreadable, excerpt

_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


class DuplexCodec(ABC):
    """The four directions of a codec; a provider's codec fills in the words of each."""

    def __init__(self, role: Role) -> None:
        self._role = role
        self._ours: type[Event]
        self._theirs: type[Event]
        if role is Role.PROVIDER:
            self._ours, self._theirs = Downlink, Uplink
            self._spell, self._read = self._spell_downlink, self._read_uplink
        else:
            self._ours, self._theirs = Uplink, Downlink
            self._spell, self._read = self._spell_uplink, self._read_downlink

    def encode(self, event: Event) -> list[Message]:
        if isinstance(event, self._ours):
            return self._spell(event)
        if isinstance(event, self._theirs):
            raise LocalProtocolError(f"a {self._role.value} does not send {type(event).__name__}")
        return []

    def decode(self, message: Message) -> list[Event]:
        try:
            return self._read(message)
        except Unreadable as error:
            quoted = excerpt(message) if self._quotable(message) else ""
            return [Unrecognised(error.problem, error.text, quoted)]

    def _quotable(self, message: Message) -> bool:
        """Whether an unreadable message may be quoted; not where it may hold a secret."""
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
    return pybase64.b64encode_as_string(sendable(pcm))


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
