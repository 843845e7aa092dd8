"""The sessions of this server: the live ones, and the last that ended."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from ..dialogue.session import Session
from ..drive.pump import Pump
from ..events import AgentAudioSent, Closed, Event, FindingMade, Note, UserAudioSent
from ..provider import Admission
from .config import Effective

ENDED = 200
EVENTS = 1000
# Kept of one session, the newest; audio is counted and not kept.
DEEPEST = 12
LONGEST = 2000


@dataclass(slots=True)
class Record:
    """What is known of one session."""

    admission: Admission
    session: Session
    effective: Effective
    started: str
    # Wall-clock time as text.
    number: int
    # Of the session in this run of the server, from 1.
    pump: Pump | None = None
    recording: str | None = None
    opened: float = 0.0
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
        """Counts and keeps the event; as it was kept, None for audio."""
        kind = type(event).__name__
        self.counters[kind] += 1
        if isinstance(event, UserAudioSent | AgentAudioSent):
            side = "user" if isinstance(event, UserAudioSent) else "agent"
            self.counters[f"{side}_audio_bytes"] += len(event.pcm)
            return None
        said = {"t": round(since * 1000), "type": kind, **plain_fields(event)}
        self.events.append(said)
        if isinstance(event, FindingMade):
            self.findings.append(plain_fields(event))
        if isinstance(event, Closed):
            self.closed = event
        return said

    def summary(self) -> dict[str, Any]:
        closed = None if self.closed is None else plain_fields(self.closed)
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
            "turns": self.counters["TurnEnded"],
            "barge_ins": self.counters["BargedIn"],
            "findings": len(self.findings),
        }

    def whole(self) -> dict[str, Any]:
        call, dialogue, wire = self.session.call, self.effective.dialogue, self.effective.wire
        return {
            **self.summary(),
            "facts": plain(self.admission.facts),
            "settings": {
                "session": plain(call.settings),
                # As the client set them: prompt, voice, language …
                "dialogue": plain(dialogue),
                "wire": plain(wire),
                "origins": dict(self.effective.origins),
            },
            "history": [plain(line) for line in call.history],
            "counters": dict(sorted(self.counters.items())),
            "events": list(self.events),
            "findings": self.findings,
        }


class Registry:
    def __init__(self) -> None:
        self.live: dict[str, Record] = {}
        self._ended: deque[Record] = deque(maxlen=ENDED)
        self.count = 0

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


# --- events as JSON says them ----------------------------------------------------------------------------------


def plain_fields(event: Event | Note) -> dict[str, Any]:
    # Not all events are dataclasses with fields of their own; `slots` leaves no __dict__.
    return {item.name: plain(getattr(event, item.name)) for item in fields(event)}


def plain(value: Any, depth: int = 0) -> Any:
    """``value`` as JSON can say it, and not at length: bytes become a count."""
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return value if len(value) <= LONGEST else value[:LONGEST] + "…"
        case bytes():
            return f"{len(value)} bytes"
    if depth >= DEEPEST:
        return "…"
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: plain(getattr(value, item.name), depth + 1) for item in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): plain(inner, depth + 1) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner, depth + 1) for inner in value]
    return str(value)
