"""The contract of an agent: what it is told, and what it may do.

An agent is told *cues* and answers *steps*. It never sees the wire, the clock or a socket, so the same
agent answers on every provider, in real time and in virtual time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from msgspec import Struct

from voxemu.audio import SAMPLE_BYTES, AudioFormat
from voxemu.events import Downlink, Note, Speaker, Viseme
from voxemu.fault import Fault

# --- cues: what an agent is told -----------------------------------------------------------------------


class CallBegan(Struct, frozen=True):
    """The agent may speak first."""


class UserTurn(Struct, frozen=True):
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


class ReplyInterrupted(Struct, frozen=True):
    """The user barged in after hearing ``heard`` samples of the reply; none, where it was not audible yet."""

    generation: int
    heard: int
    line_heard: int = 0
    line_samples: int = 0
    # Of the line that was being said: how much was heard, and its length.
    left: tuple[Step, ...] = ()
    # What was never begun.


class ToolAnswered(Struct, frozen=True):
    call_id: str
    result: Any


class SpeechBegan(Struct, frozen=True):
    """The user begins to speak."""


class Waiting(Struct, frozen=True):
    """It is the user's turn, and nobody speaks."""


class TextCame(Struct, frozen=True):
    """The client sent a setting: ``prompt``, ``voice`` …"""

    name: str
    value: Any


class TimeCame(Struct, frozen=True):
    """An alarm that the agent set."""

    name: str


class CallOver(Struct, frozen=True):
    """Only notes can still be told. ``left`` was never begun of the reply that the end cut off."""

    left: tuple[Step, ...] = ()


Cue = (
    CallBegan
    | UserTurn
    | ReplyInterrupted
    | ToolAnswered
    | SpeechBegan
    | Waiting
    | TextCame
    | TimeCame
    | CallOver
)

# --- steps: what an agent may do -------------------------------------------------------------------------


class Say(Struct, frozen=True):
    """Speak ``pcm`` (PCM16 at the call's rate); ``text`` is its transcript."""

    text: str
    pcm: bytes
    visemes: tuple[Viseme, ...] = ()


class Pause(Struct, frozen=True):
    seconds: float


class CallTool(Struct, frozen=True):
    name: str
    arguments: str
    call_id: str


class HangUp(Struct, frozen=True):
    """Ends the session; each provider has its own words and close code for a cause."""

    reason: str = ""
    cause: Literal["agent_left", "closed", "shutdown"] = "agent_left"
    code: int | None = None
    # In place of the provider's close code.


class Fail(Struct, frozen=True):
    """Something goes wrong on purpose, now or from its own moment on."""

    fault: Fault


class Think(Struct, frozen=True):
    """Think for so long; in front of a reply, in place of the settings' think_time."""

    seconds: float


class Until(Struct, frozen=True):
    """What follows begins at this position of the call's axis, or at once where that has passed."""

    position: int


class Tell(Struct, frozen=True):
    """Say this event, as it is; a provider without a word for it sends nothing."""

    event: Downlink | Note
    with_sound: bool = False
    # As the sound before it goes out, and not when it has been heard.


class SetAlarm(Struct, frozen=True):
    """Be told TimeCame at this position of the call's axis."""

    name: str
    position: int


Step = Say | Pause | CallTool | HangUp | Think | Until | Tell | SetAlarm | Fail

# --- the call as an agent sees it ------------------------------------------------------------------------


class Exchange(Struct, frozen=True):
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
    position: int = 0
    # Where the call is, on its axis.


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


@runtime_checkable
class Listener(Protocol):
    """An agent that knows what the user says; for any other a turn's transcript is its length."""

    def hears(self, turn: UserTurn, call: Call) -> str | None:
        """The turn's transcript; "" where there is to be none, None where it is not known."""
        ...
