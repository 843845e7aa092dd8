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
from typing import Any, Literal

from msgspec import Struct

from voxemu.fault import Fault

Speaker = Literal["user", "agent"]
Side = Literal["caller", "provider", "line"]


class Event(Struct, frozen=True, gc=False):
    """Something that happened in a call."""


class Uplink(Event, frozen=True):
    """From the caller to the provider."""


class Downlink(Event, frozen=True):
    """From the provider to the caller."""


class Line(Event, frozen=True):
    """Of the connection itself."""


class Note(Event, frozen=True):
    """A remark; never on a wire."""


def named(kind: type[Event]) -> str:
    """``UserAudioSent`` is ``user_audio_sent``: part of the timeline's schema, so a class keeps its name."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", kind.__name__).lower()


# --- from the caller ---------------------------------------------------------------------------------


class UserAudioSent(Uplink, frozen=True):
    pcm: bytes
    rate: int | None = None
    # What the message itself declares; None where the protocol declares none.


class TokenPresented(Uplink, frozen=True):
    token: str


class SettingSent(Uplink, frozen=True):
    """A session setting: prompt, voice, language, visemes, tools, max_context_messages."""

    name: str
    value: Any


class RatesAnnounced(Uplink, frozen=True):
    playback: int | None
    input: int | None


class ToolResultSent(Uplink, frozen=True):
    call_id: str
    result: Any


class InterruptSent(Uplink, frozen=True):
    """The client detected a barge-in itself."""


class StopSent(Uplink, frozen=True):
    """The client is about to hang up."""


# --- from the provider -------------------------------------------------------------------------------


class SessionStarted(Downlink, frozen=True):
    session_id: str


class AgentReadied(Downlink, frozen=True):
    pass


class RatesDeclared(Downlink, frozen=True):
    playback: int
    input: int


class SettingConfirmed(Downlink, frozen=True):
    name: str


class ListeningStarted(Downlink, frozen=True):
    cause: Literal["speech", "waiting", ""] = ""
    # Why: the user began to talk, or it is the user's turn. "" when read off a wire that does not say.


class ThinkingStarted(Downlink, frozen=True):
    generation: int = 0
    # Replies are counted from 1; 0 where the wire does not say.


class ThinkingStopped(Downlink, frozen=True):
    pass


class SpeakingStarted(Downlink, frozen=True):
    generation: int = 0


class Interrupted(Downlink, frozen=True):
    """Barge-in: whatever the caller has not played yet must not sound."""


class Transcribed(Downlink, frozen=True):
    speaker: Speaker
    text: str
    final: bool = True
    # False while the line still grows; the final one says it whole, or what was heard of it.
    segment: int = 0
    # Lines are counted from 1, each with its interim forms; 0 where the wire does not say.


class AgentAudioSent(Downlink, frozen=True):
    pcm: bytes
    generation: int = 0


class ThinkingSoundSent(Downlink, frozen=True):
    pcm: bytes
    rate: int


class Viseme(Struct, frozen=True):
    id: int
    character: str
    seconds: float


class VisemesSent(Downlink, frozen=True):
    visemes: tuple[Viseme, ...]
    generation: int = 0


class ToolCalled(Downlink, frozen=True):
    name: str
    arguments: str
    # JSON text.
    call_id: str


class ErrorReported(Downlink, frozen=True):
    message: str
    code: str = ""
    # Where the provider has codes: INVALID_MESSAGE, AUTH_TIMEOUT …


class SessionEnded(Downlink, frozen=True):
    """The provider ends the session; the close follows."""

    cause: Literal["agent_left", "closed", "shutdown"]
    reason: str = ""
    # As spelled on the wire, when it was read off one.


# --- of the line -------------------------------------------------------------------------------------


class Opened(Line, frozen=True):
    pass


class Closed(Line, frozen=True):
    """The connection is over, or (when an engine answers it) to be closed.

    ``code`` is the websocket close code; 1005 a close without one, 1006 a connection that broke.
    """

    code: int
    reason: str = ""
    by: Side = "line"


class EndAsked(Line, frozen=True):
    """Whoever runs the emulator wants this session to end, in the provider's own way."""

    cause: Literal["agent_left", "closed", "shutdown"]
    reason: str = ""


class Ponged(Line, frozen=True):
    """The peer answered a ping: a sign of life, not of speech."""


class Congested(Line, frozen=True):
    """More is waiting to be sent than the line takes."""


class Cleared(Line, frozen=True):
    """The line takes messages again."""


class SayAsked(Line, frozen=True):
    """Whoever runs the emulator wants the agent to say this; ``pcm`` is at the call's rate."""

    text: str
    pcm: bytes


class InterruptAsked(Line, frozen=True):
    """Whoever runs the emulator wants the agent to be interrupted, as if the user had."""


class TellAsked(Line, frozen=True):
    """Whoever runs the emulator wants the caller to be told this."""

    event: Downlink


class FaultAsked(Line, frozen=True):
    """Whoever runs the emulator, or its agent, wants this to go wrong; see ``voxemu.spoiler``."""

    fault: Fault


class ReadingSlowed(Line, frozen=True):
    """From now on this end waits so many seconds before it reads each message; None: it reads no more."""

    seconds: float | None


class Unrecognised(Line, frozen=True):
    """A message that the protocol has no words for.

    ``problem`` is a stable word (not_json, not_object, unknown_type, bad_field, not_base64, odd_bytes,
    empty_audio, binary_frame, text_frame, wrong_rate); ``text`` is a sentence for the peer; ``excerpt`` the
    first characters of what came, or the first bytes in hex.
    """

    problem: str
    text: str
    excerpt: str = ""


class MicrophoneCaptured(Line, frozen=True):
    """Audio from a microphone, at the caller's sending rate, on its way to becoming UserAudioSent."""

    pcm: bytes


# --- remarks -----------------------------------------------------------------------------------------


class InputStarted(Note, frozen=True):
    """The user's audio begins, or begins again, at this position."""

    position: int


class InputGapped(Note, frozen=True):
    """No user audio came: silence on the recording's left, never counted as sent.

    Said once when the gap is noticed (``open``), and once more with its final length.
    """

    position: int
    samples: int
    open: bool


class TurnStarted(Note, frozen=True):
    turn: int
    position: int
    # Of the first spoken sample.
    confirmed: int


class TurnEnded(Note, frozen=True):
    turn: int
    start: int
    end: int
    # One past the last spoken sample.
    confirmed: int
    seconds: float
    # Of speech, hangover excluded.
    why: Literal["silence", "input_gap", "limit", "hang_up"]


class TurnDiscarded(Note, frozen=True):
    """Sound shorter than the minimum utterance: no turn."""

    start: int
    end: int
    seconds: float


class EchoHeard(Note, frozen=True):
    """The agent's own voice comes back through the user's microphone: so many seconds of it so far."""

    seconds: float


class ReplyCancelled(Note, frozen=True):
    """The user went on talking before the reply was audible."""

    generation: int


class ReplyEnded(Note, frozen=True):
    generation: int
    heard: int
    dropped: int
    interrupted: bool


class BargedIn(Note, frozen=True):
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


class PlaybackStarted(Note, frozen=True):
    """The next agent sample sounds at this position, and the ones after it without a gap."""

    position: int


class PlaybackFlushed(Note, frozen=True):
    """Agent audio from this position on never sounded."""

    position: int
    dropped: int


class PlaybackUnderran(Note, frozen=True):
    """Agent audio came too late to sound without a hole."""

    position: int
    samples: int


class MicrophoneDropped(Note, frozen=True):
    """The line was congested: this much of the user's audio was never sent."""

    samples: int


class AgentFailed(Note, frozen=True):
    """The agent raised; the session goes on."""

    error: str
    trace: str


class ScriptStepBegan(Note, frozen=True):
    """A scripted agent took a step; steps are counted from 1."""

    step: int
    what: str
    name: str = ""


class ScriptStepInterrupted(Note, frozen=True):
    """The user barged in while a step was being said."""

    step: int
    heard: float
    # Milliseconds.
    share: float
    # Of the step's audio, 0 to 1.
    text: str = ""
    # What of its text that comes to, in whole words.
    name: str = ""


class ScriptStepMissed(Note, frozen=True):
    """The call is over, and this step was never begun."""

    step: int
    what: str
    place: str = ""
    # file:line
    name: str = ""


class LimitReached(Note, frozen=True):
    limit: str
    value: float


class FindingMade(Note, frozen=True):
    """Something the user's client does against the provider's page. It never changes the call."""

    code: str
    rule: str
    page: str
    seen: str


class FaultInjected(Note, frozen=True):
    """Something goes wrong on purpose; where it spoils a message, that is the next one."""

    kind: str
    detail: str = ""


class RecordingFailed(Note, frozen=True):
    """The recording stopped here; the call goes on."""

    text: str
