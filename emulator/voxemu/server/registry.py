"""The sessions of this server: the live ones, and the last that ended."""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from voxemu.drive.clock import Clock
from voxemu.events import (
    AgentAudioSent,
    Closed,
    Event,
    FindingMade,
    Ponged,
    ThinkingSoundSent,
    UserAudioSent,
    named,
)
from voxemu.fault import Fault
from voxemu.provider import Admission
from voxemu.record.masking import Mask
from voxemu.server.config import Effective

if TYPE_CHECKING:
    from voxemu.agent import Agent, Call
    from voxemu.dialogue.session import Session
    from voxemu.dialogue.states import State
    from voxemu.overheard import Elsewhere, Overheard

ENDED = 200
EVENTS = 500
# Kept of one session, the newest; audio is counted and not kept.
LONGEST = 2000
# Characters kept of a text in an event.
_KINDS: dict[type[Event], tuple[str, tuple[str, ...]]] = {}
# Their names and those of their fields, each worked out once.
_SOUNDS: dict[type[Event], tuple[str, str]] = {
    kind: (named(kind), f"{named(kind)}_bytes") for kind in (UserAudioSent, AgentAudioSent, ThinkingSoundSent)
}
# What audio is counted as.


@dataclass(frozen=True, slots=True)
class Past:
    """What is kept of a session that is over: without the sound that it had in hand, megabytes of it."""

    state: State
    call: Call
    agent: Agent | Elsewhere


@dataclass(slots=True)
class Record:
    """What is known of one session."""

    admission: Admission
    session: Session | Overheard | Past
    # The second for a call that passes through to a real provider, the last for one that is over.
    effective: Effective
    started: str
    # Wall-clock time as text.
    clock: Clock
    label: str = ""
    # The request's own, else its key's.
    scripted_faults: tuple[Fault, ...] = ()
    # What its agent's file says is to go wrong.
    tell: Callable[[Event], None] | None = None
    # Gives its engine an event from this side of the line; None before and after the call.
    clock_time: float = 0.0
    ended: float | None = None
    # By the server's clock: when it began, and when it was over.
    recording: str | None = None
    background: str = "off"
    # Of a room: what sounds on the agent's second track.
    opened: float = 0.0
    mask: Mask = field(default_factory=Mask)
    counters: Counter[str] = field(default_factory=Counter)
    events: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=EVENTS))
    findings: list[dict[str, Any]] = field(default_factory=list)
    codes: Counter[str] = field(default_factory=Counter)
    # Of findings; those of the whole server, once it is in the registry.
    closed: Closed | None = None

    @property
    def id(self) -> str:
        return self.admission.session_id

    @property
    def short_id(self) -> str:
        return self.id[:8]

    def saw(self, event: Event, since: float) -> dict[str, Any] | None:
        """Counts and keeps the event; as it was kept, None for audio and signs of life, which are not."""
        if (sound := _SOUNDS.get(type(event))) is not None:
            messages, size = sound
            self.counters[messages] += 1
            self.counters[size] += len(event.pcm)  # type: ignore[attr-defined]
            return None
        kind, _ = _known(event)
        self.counters[kind] += 1
        if isinstance(event, Ponged):
            return None
        fields_said = self._plain(event)
        said = {"t": round(since * 1000), "type": kind, **fields_said}
        self.events.append(said)
        if isinstance(event, FindingMade):
            self.findings.append(fields_said)
            self.codes[event.code] += 1
        if isinstance(event, Closed):
            self.closed = event
        return said

    def summary(self) -> dict[str, Any]:
        closed = None if self.closed is None else self._plain(self.closed)
        return {
            "id": self.id,
            "provider": self.admission.provider,
            "agent": self.admission.agent,
            "label": self.label,
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
        return {name: _cut(self.mask.plain(getattr(event, name))) for name in _known(event)[1]}


class Registry:
    def __init__(self) -> None:
        self.live: dict[str, Record] = {}
        self._ended: deque[Record] = deque(maxlen=ENDED)
        self.findings: deque[dict[str, Any]] = deque(maxlen=EVENTS)
        # Those that belong to no session.
        self.codes: Counter[str] = Counter()
        # Of every finding so far, whatever has been forgotten since.

    def add(self, record: Record) -> None:
        self.live[record.id] = record
        record.codes = self.codes

    def ended(self, record: Record) -> None:
        if self.live.pop(record.id, None) is not None:
            from voxemu.dialogue.states import State

            # Also that of a room which nobody came to: it has not begun, and never will.
            record.session = Past(State.ENDED, record.session.call, record.session.agent)
            self._ended.append(record)

    def find(self, session_id: str) -> Record | None:
        if session_id in self.live:
            return self.live[session_id]
        return next((record for record in self._ended if record.id == session_id), None)

    def forget(self, label: str | None = None) -> int:
        """Forgets what has ended, or what of it has this label; how many sessions that were."""
        left = [] if label is None else [record for record in self._ended if record.label != label]
        gone = len(self._ended) - len(left)
        self._ended = deque(left, maxlen=ENDED)
        kept = [] if label is None else [each for each in self.findings if each["label"] != label]
        self.findings = deque(kept, maxlen=EVENTS)
        return gone

    def all(self) -> list[Record]:
        """The live ones first, then those that ended, the newest first of each."""
        return [*reversed(self.live.values()), *reversed(self._ended)]


def _known(event: Event) -> tuple[str, tuple[str, ...]]:
    kind = type(event)
    if kind not in _KINDS:
        _KINDS[kind] = named(kind), kind.__struct_fields__
    return _KINDS[kind]


def _cut(value: Any) -> Any:
    """A long text, or what would be one, cut short: what is kept of a session is bounded."""
    if isinstance(value, dict | list):
        text = json.dumps(value)
        return value if len(text) <= LONGEST else text[:LONGEST] + "…"
    if isinstance(value, str) and len(value) > LONGEST:
        return value[:LONGEST] + "…"
    return value
