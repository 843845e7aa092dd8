"""What a test reads of a session: events and what is made of them, in seconds since the connection opened."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from voxemu import events
from voxemu.errors import UnknownName
from voxemu.events import named

# Audio and signs of life are counted, and not kept.
UNSEEN = (events.UserAudioSent, events.AgentAudioSent, events.ThinkingSoundSent, events.Ponged)
FAMILIES = (events.Event, events.Uplink, events.Downlink, events.Line, events.Note)
TYPES = frozenset(
    named(kind)
    for kind in vars(events).values()
    if isinstance(kind, type) and issubclass(kind, events.Event) and kind not in (*UNSEEN, *FAMILIES)
)


def known(kind: str) -> str:
    """The name of a type of events that a session can have. Raises UnknownName."""
    __tracebackhide__ = True
    if kind not in TYPES:
        raise UnknownName("event", kind, TYPES)
    return kind


@dataclass(frozen=True, slots=True)
class SeenEvent:
    """One event of a session. ``type`` is the word that the timeline has: ``turn_ended``, ``barged_in`` …"""

    at: float
    type: str
    fields: dict[str, Any] = field(default_factory=dict)
    # As in the timeline: positions and lengths are samples.
    line: str | None = None
    # The same for people; None where it is of no interest.

    def __getitem__(self, name: str) -> Any:
        try:
            return self.fields[name]
        except KeyError:
            raise KeyError(f"a {self.type} has no {name!r}; it has {', '.join(self.fields)}") from None


@dataclass(frozen=True, slots=True)
class Turn:
    """One utterance of the user."""

    number: int
    start: float
    end: float
    seconds: float
    # Of speech, hangover excluded.
    why: str
    # What ended it: silence, input_gap, limit, hang_up.


@dataclass(frozen=True, slots=True)
class Transcript:
    at: float
    speaker: str
    # user or agent.
    text: str


@dataclass(frozen=True, slots=True)
class BargeIn:
    onset: float
    # The first spoken sample of the interruption.
    stopped: float
    # Where the agent stopped sounding.
    stop_ms: float
    # From the one to the other.
    after: float
    # Seconds of the reply before it stopped.
    dropped: float
    # Seconds of the reply that had been sent and were never heard.


@dataclass(frozen=True, slots=True)
class Finding:
    """Something the app does against the provider's page; ``emu explain CODE`` says more."""

    at: float
    code: str
    rule: str
    page: str
    seen: str


@dataclass(frozen=True, slots=True)
class End:
    """How a session closed."""

    code: int
    # 1005 is a close without one, 1006 a connection that broke.
    reason: str
    by: str
    # caller or provider; line, where the connection broke.
