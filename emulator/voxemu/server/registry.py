"""The sessions of this server: the live ones, and the last that ended."""

from __future__ import annotations

import json
from collections import Counter, deque
from dataclasses import dataclass, field, fields
from typing import Any

from voxemu.dialogue.session import Session
from voxemu.drive.clock import Clock
from voxemu.events import (
    AgentAudioSent,
    Closed,
    Event,
    FindingMade,
    Ponged,
    ThinkingSoundSent,
    UserAudioSent,
)
from voxemu.provider import Admission
from voxemu.record.masking import Mask
from voxemu.record.timeline import type_name
from voxemu.server.config import Effective

ENDED = 200
EVENTS = 500
# Kept of one session, the newest; audio is counted and not kept.
LONGEST = 2000
# Characters kept of a text in an event.
_KINDS: dict[type[Event], str] = {}
# Their names, each worked out once.


@dataclass(slots=True)
class Record:
    """What is known of one session."""

    admission: Admission
    session: Session
    effective: Effective
    started: str
    # Wall-clock time as text.
    clock: Clock
    recording: str | None = None
    opened: float = 0.0
    mask: Mask = field(default_factory=Mask)
    counters: Counter[str] = field(default_factory=Counter)
    events: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=EVENTS))
    findings: list[dict[str, Any]] = field(default_factory=list)
    closed: Closed | None = None

    @property
    def id(self) -> str:
        return self.admission.session_id

    @property
    def short_id(self) -> str:
        return self.id[:8]

    def saw(self, event: Event, since: float) -> dict[str, Any] | None:
        """Counts and keeps the event; as it was kept, None for audio and signs of life, which are not."""
        kind = _KINDS.get(type(event)) or _KINDS.setdefault(type(event), type_name(type(event)))
        self.counters[kind] += 1
        if isinstance(event, UserAudioSent | AgentAudioSent | ThinkingSoundSent):
            self.counters[f"{kind}_bytes"] += len(event.pcm)
            return None
        if isinstance(event, Ponged):
            return None
        fields_said = self._plain(event)
        said = {"t": round(since * 1000), "type": kind, **fields_said}
        self.events.append(said)
        if isinstance(event, FindingMade):
            self.findings.append(fields_said)
        if isinstance(event, Closed):
            self.closed = event
        return said

    def summary(self) -> dict[str, Any]:
        closed = None if self.closed is None else self._plain(self.closed)
        return {
            "id": self.id,
            "provider": self.admission.provider,
            "agent": self.admission.agent,
            "label": self.admission.key.label,
            "state": self.session.state.value,
            "live": self.closed is None,
            "started": self.started,
            "closed": closed,
            "recording": self.recording,
            "turns": self.counters["turn_ended"],
            "barge_ins": self.counters["barged_in"],
            "findings": len(self.findings),
        }

    def whole(self) -> dict[str, Any]:
        call, plain = self.session.call, self.mask.plain
        return {
            **self.summary(),
            "facts": plain(self.admission.facts),
            "settings": {
                "session": plain(call.settings),
                # As the client set them: prompt, voice, language …
                "dialogue": plain(self.effective.dialogue),
                "wire": plain(self.effective.wire),
                "origins": dict(self.effective.origins),
            },
            "history": [plain(line) for line in call.history],
            "counters": dict(sorted(self.counters.items())),
            "events": list(self.events),
            "findings": self.findings,
        }

    def _plain(self, event: Event) -> dict[str, Any]:
        """The event's fields as JSON can say them, long texts cut, secrets masked."""
        return {item.name: _cut(self.mask.plain(getattr(event, item.name))) for item in fields(event)}


class Registry:
    def __init__(self) -> None:
        self.live: dict[str, Record] = {}
        self._ended: deque[Record] = deque(maxlen=ENDED)
        self.findings: deque[dict[str, Any]] = deque(maxlen=EVENTS)
        # Those that belong to no session.

    def add(self, record: Record) -> None:
        self.live[record.id] = record

    def ended(self, record: Record) -> None:
        if self.live.pop(record.id, None) is not None:
            self._ended.append(record)

    def find(self, session_id: str) -> Record | None:
        if session_id in self.live:
            return self.live[session_id]
        return next((record for record in self._ended if record.id == session_id), None)

    def all(self) -> list[Record]:
        """The live ones first, then those that ended, the newest first of each."""
        return [*reversed(self.live.values()), *reversed(self._ended)]


def _cut(value: Any) -> Any:
    """A long text, or what would be one, cut short: what is kept of a session is bounded."""
    if isinstance(value, dict | list):
        text = json.dumps(value)
        return value if len(text) <= LONGEST else text[:LONGEST] + "…"
    if isinstance(value, str) and len(value) > LONGEST:
        return value[:LONGEST] + "…"
    return value
