"""The contract of an agent: what it is told, and what it may do.

An agent is told *cues* and answers *steps*. It never sees the wire, the clock or a socket, so the same
agent answers on every provider, in real time and in virtual time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from voxemu.audio import SAMPLE_BYTES, AudioFormat
from voxemu.events import Speaker, Viseme

# --- cues: what an agent is told -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CallBegan:
    """The agent may speak first."""


@dataclass(frozen=True, slots=True)
class UserTurn:
    """One utterance, endpointed.

    ``pcm`` is PCM16 at the call's rate and holds the pre-roll, the speech and the endpointing hangover;
    ``speech`` leaves the hangover out. Positions are on the call's axis.
    """

    number: int
    pcm: bytes
    rate: int
    start: int
    # First spoken sample.
    end: int
    # One past the last spoken sample.
    first: int
    # Position of the first sample of pcm.
    interrupted: bool = False
    # The turn began as a barge-in.

    @property
    def seconds(self) -> float:
        return (self.end - self.start) / self.rate

    @property
    def speech(self) -> bytes:
        return self.pcm[: (self.end - self.first) * SAMPLE_BYTES]


@dataclass(frozen=True, slots=True)
class ReplyInterrupted:
    """The user barged in after hearing ``heard`` samples of the reply."""

    generation: int
    heard: int


@dataclass(frozen=True, slots=True)
class ToolAnswered:
    call_id: str
    result: Any


Cue = CallBegan | UserTurn | ReplyInterrupted | ToolAnswered

# --- steps: what an agent may do -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Say:
    """Speak ``pcm`` (PCM16 at the call's rate); ``text`` is its transcript."""

    text: str
    pcm: bytes
    visemes: tuple[Viseme, ...] = ()


@dataclass(frozen=True, slots=True)
class Pause:
    seconds: float


@dataclass(frozen=True, slots=True)
class CallTool:
    name: str
    arguments: str
    call_id: str


@dataclass(frozen=True, slots=True)
class HangUp:
    reason: str = ""


Step = Say | Pause | CallTool | HangUp

# --- the call as an agent sees it ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Exchange:
    """One line of the conversation so far; an interrupted reply stands with what was heard of it."""

    speaker: Speaker
    text: str
    heard: float | None = None
    # Seconds heard of an agent's line that was cut short; None when it was heard whole.


@dataclass(slots=True)
class Call:
    """What an agent may know of its call; the session keeps it current."""

    format: AudioFormat
    settings: dict[str, Any] = field(default_factory=dict)
    # As set by the client: prompt, voice, language, tools …
    history: list[Exchange] = field(default_factory=list)


class Agent(Protocol):
    """Who answers. An exception it raises becomes the provider's error, and the session goes on."""

    @property
    def name(self) -> str:
        """As it is asked for: ``echo``, ``tone:440``."""
        ...

    @property
    def passes_through(self) -> bool:
        """True for an agent that sends every user frame straight back and takes no turns."""
        ...

    def respond(self, cue: Cue, call: Call) -> Iterable[Step]: ...
