"""The vocabulary of a call.

Every provider's messages are spelled from these events and read into them, so one event stands for the
same thing on both ends of the wire. Four families, told apart by base class:

- ``Uplink``: from the caller to the provider;
- ``Downlink``: from the provider to the caller;
- ``Line``: what happens to the connection itself, seen by either end;
- ``Note``: what an engine, a linter or a recorder remarks; on no wire, in every timeline.

Positions and lengths are sample counts. A *position* lies on the call's axis: sample 0 sounds when the
connection opens, at the recording's rate, so a position is also a place in ``call.wav``. A downlink event
that a provider has no word for stays off its wire and in the timeline.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from voxemu.fault import Fault

Speaker = Literal["user", "agent"]
Side = Literal["caller", "provider", "line"]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a call."""


@dataclass(frozen=True, slots=True)
class Uplink(Event):
    """From the caller to the provider."""


@dataclass(frozen=True, slots=True)
class Downlink(Event):
    """From the provider to the caller."""


@dataclass(frozen=True, slots=True)
class Line(Event):
    """Of the connection itself."""


@dataclass(frozen=True, slots=True)
class Note(Event):
    """A remark; never on a wire."""


def named(kind: type[Event]) -> str:
    """``UserAudioSent`` is ``user_audio_sent``: part of the timeline's schema, so a class keeps its name."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", kind.__name__).lower()


# --- from the caller ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class UserAudioSent(Uplink):
    pcm: bytes
    rate: int | None = None
    # What the message itself declares; None where the protocol declares none.


@dataclass(frozen=True, slots=True)
class TokenPresented(Uplink):
    token: str


@dataclass(frozen=True, slots=True)
class SettingSent(Uplink):
    """A session setting: prompt, voice, language, visemes, tools, max_context_messages."""

    name: str
    value: Any


@dataclass(frozen=True, slots=True)
class RatesAnnounced(Uplink):
    playback: int | None
    input: int | None


@dataclass(frozen=True, slots=True)
class ToolResultSent(Uplink):
    call_id: str
    result: Any


@dataclass(frozen=True, slots=True)
class InterruptSent(Uplink):
    """The client detected a barge-in itself."""


@dataclass(frozen=True, slots=True)
class StopSent(Uplink):
    """The client is about to hang up."""


# --- from the provider -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SessionStarted(Downlink):
    session_id: str


@dataclass(frozen=True, slots=True)
class AgentReadied(Downlink):
    pass


@dataclass(frozen=True, slots=True)
class RatesDeclared(Downlink):
    playback: int
    input: int


@dataclass(frozen=True, slots=True)
class SettingConfirmed(Downlink):
    name: str


@dataclass(frozen=True, slots=True)
class ListeningStarted(Downlink):
    cause: Literal["speech", "waiting", ""] = ""
    # Why: the user began to talk, or it is the user's turn. "" when read off a wire that does not say.


@dataclass(frozen=True, slots=True)
class ThinkingStarted(Downlink):
    generation: int = 0
    # Replies are counted from 1; 0 where the wire does not say.


@dataclass(frozen=True, slots=True)
class ThinkingStopped(Downlink):
    pass


@dataclass(frozen=True, slots=True)
class SpeakingStarted(Downlink):
    generation: int = 0


@dataclass(frozen=True, slots=True)
class Interrupted(Downlink):
    """Barge-in: whatever the caller has not played yet must not sound."""


@dataclass(frozen=True, slots=True)
class Transcribed(Downlink):
    speaker: Speaker
    text: str
    final: bool = True
    # False while the line still grows; the final one says it whole, or what was heard of it.
    segment: int = 0
    # Lines are counted from 1, each with its interim forms; 0 where the wire does not say.


@dataclass(frozen=True, slots=True)
class AgentAudioSent(Downlink):
    pcm: bytes
    generation: int = 0


@dataclass(frozen=True, slots=True)
class ThinkingSoundSent(Downlink):
    pcm: bytes
    rate: int


@dataclass(frozen=True, slots=True)
class Viseme:
    id: int
    character: str
    seconds: float


@dataclass(frozen=True, slots=True)
class VisemesSent(Downlink):
    visemes: tuple[Viseme, ...]
    generation: int = 0


@dataclass(frozen=True, slots=True)
class ToolCalled(Downlink):
    name: str
    arguments: str
    # JSON text.
    call_id: str


@dataclass(frozen=True, slots=True)
class ErrorReported(Downlink):
    message: str
    code: str = ""
    # Where the provider has codes: INVALID_MESSAGE, AUTH_TIMEOUT …


@dataclass(frozen=True, slots=True)
class SessionEnded(Downlink):
    """The provider ends the session; the close follows."""

    cause: Literal["agent_left", "closed", "shutdown"]
    reason: str = ""
    # As spelled on the wire, when it was read off one.


# --- of the line -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Opened(Line):
    pass


@dataclass(frozen=True, slots=True)
class Closed(Line):
    """The connection is over, or (when an engine answers it) to be closed.

    ``code`` is the websocket close code; 1005 a close without one, 1006 a connection that broke.
    """

    code: int
    reason: str = ""
    by: Side = "line"


@dataclass(frozen=True, slots=True)
class EndAsked(Line):
    """Whoever runs the emulator wants this session to end, in the provider's own way."""

    cause: Literal["agent_left", "closed", "shutdown"]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Ponged(Line):
    """The peer answered a ping: a sign of life, not of speech."""


@dataclass(frozen=True, slots=True)
class Congested(Line):
    """More is waiting to be sent than the line takes."""


@dataclass(frozen=True, slots=True)
class Cleared(Line):
    """The line takes messages again."""


@dataclass(frozen=True, slots=True)
class SayAsked(Line):
    """Whoever runs the emulator wants the agent to say this; ``pcm`` is at the call's rate."""

    text: str
    pcm: bytes


@dataclass(frozen=True, slots=True)
class InterruptAsked(Line):
    """Whoever runs the emulator wants the agent to be interrupted, as if the user had."""


@dataclass(frozen=True, slots=True)
class TellAsked(Line):
    """Whoever runs the emulator wants the caller to be told this."""

    event: Downlink


@dataclass(frozen=True, slots=True)
class FaultAsked(Line):
    """Whoever runs the emulator, or its agent, wants this to go wrong; see ``voxemu.spoiler``."""

    fault: Fault


@dataclass(frozen=True, slots=True)
class ReadingSlowed(Line):
    """From now on this end waits so many seconds before it reads each message; None: it reads no more."""

    seconds: float | None


@dataclass(frozen=True, slots=True)
class Unrecognised(Line):
    """A message that the protocol has no words for.

    ``problem`` is a stable word (not_json, not_object, unknown_type, bad_field, not_base64, odd_bytes,
    empty_audio, binary_frame, text_frame, wrong_rate); ``text`` is a sentence for the peer; ``excerpt`` the
    first characters of what came, or the first bytes in hex.
    """

    problem: str
    text: str
    excerpt: str = ""


@dataclass(frozen=True, slots=True)
class MicrophoneCaptured(Line):
    """Audio from a microphone, at the caller's sending rate, on its way to becoming UserAudioSent."""

    pcm: bytes


# --- remarks -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class InputStarted(Note):
    """The user's audio begins, or begins again, at this position."""

    position: int


@dataclass(frozen=True, slots=True)
class InputGapped(Note):
    """No user audio came: silence on the recording's left, never counted as sent.

    Said once when the gap is noticed (``open``), and once more with its final length.
    """

    position: int
    samples: int
    open: bool


@dataclass(frozen=True, slots=True)
class TurnStarted(Note):
    turn: int
    position: int
    # Of the first spoken sample.
    confirmed: int


@dataclass(frozen=True, slots=True)
class TurnEnded(Note):
    turn: int
    start: int
    end: int
    # One past the last spoken sample.
    confirmed: int
    seconds: float
    # Of speech, hangover excluded.
    why: Literal["silence", "input_gap", "limit", "hang_up"]


@dataclass(frozen=True, slots=True)
class TurnDiscarded(Note):
    """Sound shorter than the minimum utterance: no turn."""

    start: int
    end: int
    seconds: float


@dataclass(frozen=True, slots=True)
class EchoHeard(Note):
    """The agent's own voice comes back through the user's microphone: so many seconds of it so far."""

    seconds: float


@dataclass(frozen=True, slots=True)
class ReplyCancelled(Note):
    """The user went on talking before the reply was audible."""

    generation: int


@dataclass(frozen=True, slots=True)
class ReplyEnded(Note):
    generation: int
    heard: int
    dropped: int
    interrupted: bool


@dataclass(frozen=True, slots=True)
class BargedIn(Note):
    """The user interrupted the agent."""

    generation: int
    onset: int
    # Position of the first spoken sample.
    position: int
    # Where the agent stopped sounding.
    heard: int
    dropped: int
    # Samples of the reply sent and never heard; what was never sent is not among them.
    after: float
    # Seconds of agent audio before it stopped.
    stop: float
    # Seconds from the first spoken sample to the agent's stop.


@dataclass(frozen=True, slots=True)
class PlaybackStarted(Note):
    """The next agent sample sounds at this position, and the ones after it without a gap."""

    position: int


@dataclass(frozen=True, slots=True)
class PlaybackFlushed(Note):
    """Agent audio from this position on never sounded."""

    position: int
    dropped: int


@dataclass(frozen=True, slots=True)
class PlaybackUnderran(Note):
    """Agent audio came too late to sound without a hole."""

    position: int
    samples: int


@dataclass(frozen=True, slots=True)
class MicrophoneDropped(Note):
    """The line was congested: this much of the user's audio was never sent."""

    samples: int


@dataclass(frozen=True, slots=True)
class AgentFailed(Note):
    """The agent raised; the session goes on."""

    error: str
    trace: str


@dataclass(frozen=True, slots=True)
class ScriptStepBegan(Note):
    """A scripted agent took a step; steps are counted from 1."""

    step: int
    what: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class ScriptStepInterrupted(Note):
    """The user barged in while a step was being said."""

    step: int
    heard: float
    # Milliseconds.
    share: float
    # Of the step's audio, 0 to 1.
    text: str = ""
    # What of its text that comes to, in whole words.
    name: str = ""


@dataclass(frozen=True, slots=True)
class ScriptStepMissed(Note):
    """The call is over, and this step was never begun."""

    step: int
    what: str
    place: str = ""
    # file:line
    name: str = ""


@dataclass(frozen=True, slots=True)
class LimitReached(Note):
    limit: str
    value: float


@dataclass(frozen=True, slots=True)
class FindingMade(Note):
    """Something the user's client does against the provider's page. It never changes the call."""

    code: str
    rule: str
    page: str
    seen: str


@dataclass(frozen=True, slots=True)
class FaultInjected(Note):
    """Something goes wrong on purpose; where it spoils a message, that is the next one."""

    kind: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class RecordingFailed(Note):
    """The recording stopped here; the call goes on."""

    text: str
