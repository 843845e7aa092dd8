"""What the people in a room see and hear of the agent, decided in one place for both kinds of rooms.

``AgentFace`` turns the messages of the port into acts; a backend carries them out with what it has: protobufs
in embedded rooms, the SDK's calls on a real server. Nothing here knows a clock, a socket or a protobuf.

Transcripts are shown in both forms at once. The legacy packet repeats a segment as it grows, under one id. As
text streams (topic ``lk.transcription``), the agent's segment is one stream whose chunks are what was added
and whose trailer says that it is final; a user's segment is a whole stream each time, as LiveKit's own agents
write them. A segment that was cut shorter than what was streamed already gets a stream of its own that is
final and holds what counts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from voxemu.errors import LocalProtocolError
from voxemu.events import Speaker
from voxemu.provider import Message
from voxemu.rooms.port import STATE_ATTRIBUTE

SEGMENT_ID = "lk.segment_id"
TRANSCRIBED_TRACK = "lk.transcribed_track_id"
TRANSCRIPTION_FINAL = "lk.transcription_final"

EXTRA = "emu_extra"
# Of a message, and of what the participants are shown of it: an attribute that no page names.

STATES = ("initializing", "listening", "thinking", "speaking")
CAUSES = ("agent_left", "closed", "shutdown")


@dataclass(frozen=True, slots=True)
class Act:
    """Something for the room to do."""


@dataclass(frozen=True, slots=True)
class Speak(Act):
    """Put this on the voice track: PCM16 mono, 48 kHz."""

    pcm: bytes


@dataclass(frozen=True, slots=True)
class FallSilent(Act):
    """Drop what the voice track still queues."""


@dataclass(frozen=True, slots=True)
class ShowAttributes(Act):
    """Set these attributes of the agent's participant."""

    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ShowSegment(Act):
    """Send the legacy ``Transcription`` data packet."""

    identity: str
    # Of the participant who was transcribed.
    track: str
    # Sid of that participant's microphone track.
    segment: str
    text: str
    final: bool


@dataclass(frozen=True, slots=True)
class OpenText(Act):
    """Begin a text stream on topic ``lk.transcription``, as said by ``identity``."""

    stream: str
    identity: str
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class WriteText(Act):
    stream: str
    text: str


@dataclass(frozen=True, slots=True)
class CloseText(Act):
    stream: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    # For the trailer.


@dataclass(frozen=True, slots=True)
class SendData(Act):
    """Send a data packet of the app's kind, that no app knows."""

    topic: str
    text: str


@dataclass(frozen=True, slots=True)
class Leave(Act):
    """The agent leaves; the room is closed after it."""

    cause: str


@dataclass(slots=True)
class _Stream:
    """The agent's text stream of the segment that is being said."""

    id: str
    segment: str
    written: str = ""


class AgentFace:
    """The agent of one room. ``voice`` and ``microphone`` are track sids, set as they become known and kept
    when a track goes: its last words come after it."""

    def __init__(self, agent: str, user: str) -> None:
        self.agent = agent
        self.user = user
        self.voice = ""
        self.microphone = ""
        self.state = "initializing"
        self._open: _Stream | None = None
        self._streams = 0

    @property
    def attributes(self) -> dict[str, str]:
        """The agent's attributes as they are now: what somebody who joins must be shown."""
        return {STATE_ATTRIBUTE: self.state}

    def take(self, message: Message) -> list[Act]:
        """What the room has to do about one message of the session.

        Raises LocalProtocolError for a message that the port does not have.
        """
        if isinstance(message, bytes):
            return [Speak(message)]
        said: dict[str, Any] = json.loads(message)
        acts = self._acts(said, message)
        return [_with_extra(act) for act in acts] if EXTRA in said else acts

    def _acts(self, said: Mapping[str, Any], message: str) -> list[Act]:
        match said:
            case {"type": "state", "state": str(state)} if state in STATES:
                return self._change(state)
            case {"type": "segment", "id": str(segment), "speaker": who, "text": str(text), "final": final}:
                return self._show(segment, "user" if who == "user" else "agent", text, bool(final))
            case {"type": "flush"}:
                return [FallSilent()]
            case {"type": "end", "cause": str(cause)} if cause in CAUSES:
                return [*self._finish(), Leave(cause)]
            case {"type": "data", "topic": str(topic), "text": str(text)}:
                return [SendData(topic, text)]
        raise LocalProtocolError(f"a room has no word for {message[:80]!r}")

    @property
    def thinking(self) -> bool:
        return self.state == "thinking"

    def _change(self, state: str) -> list[Act]:
        if state == self.state:
            return []
        self.state = state
        return [ShowAttributes(self.attributes)]

    def _show(self, segment: str, speaker: Speaker, text: str, final: bool) -> list[Act]:
        identity, track = (self.user, self.microphone) if speaker == "user" else (self.agent, self.voice)
        # A packet that names no track would end the Python SDK's process: 1.2.0 takes no empty sid.
        legacy: list[Act] = [ShowSegment(identity, track, segment, text, final)] if track else []
        if speaker == "user":
            return legacy + self._whole(segment, identity, track, text, final)
        return legacy + self._grow(segment, text, final)

    def _whole(self, segment: str, identity: str, track: str, text: str, final: bool) -> list[Act]:
        stream = self._next_stream(segment)
        attributes = _attributes(segment, track, final)
        return [OpenText(stream, identity, attributes), WriteText(stream, text), CloseText(stream)]

    def _grow(self, segment: str, text: str, final: bool) -> list[Act]:
        acts: list[Act] = []
        if self._open is not None and self._open.segment != segment:
            acts += self._finish()
        if self._open is not None and not text.startswith(self._open.written):
            # Cut short, or said otherwise after all: a stream cannot take words back.
            acts.append(CloseText(self._open.id))
            self._open = None
            return [*acts, *self._whole(segment, self.agent, self.voice, text, final)]
        if self._open is None:
            self._open = _Stream(self._next_stream(segment), segment)
            acts.append(OpenText(self._open.id, self.agent, _attributes(segment, self.voice, False)))
        added = text[len(self._open.written) :]
        if added:
            acts.append(WriteText(self._open.id, added))
            self._open.written = text
        return acts + self._finish() if final else acts

    def _finish(self) -> list[Act]:
        """Closes the agent's stream, with its last words as they are."""
        stream, self._open = self._open, None
        if stream is None:
            return []
        return [CloseText(stream.id, _attributes(stream.segment, self.voice, True))]

    def _next_stream(self, segment: str) -> str:
        self._streams += 1
        return f"{segment}-{self._streams}"


def _with_extra(act: Act) -> Act:
    if isinstance(act, ShowAttributes | OpenText):
        return replace(act, attributes={**act.attributes, EXTRA: "an attribute that no page names"})
    return act


def _attributes(segment: str, track: str, final: bool) -> dict[str, str]:
    found = {SEGMENT_ID: segment, TRANSCRIPTION_FINAL: "true" if final else "false"}
    if track:
        found[TRANSCRIBED_TRACK] = track
    return found
