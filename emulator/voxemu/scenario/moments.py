"""The moments of a call that a scenario can wait for and expect, by the names that it calls them.

A moment is an event as a person would tell of it: where it lies in the call, and its one telling figure or
text. Most are read off an event of either end; those that only the user's end knows (``ready``,
``agent_audio_started`` …) are told by the caller.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from voxemu.audio import AudioFormat
from voxemu.events import (
    AgentReadied,
    BargedIn,
    Closed,
    ErrorReported,
    Event,
    Interrupted,
    ListeningStarted,
    Opened,
    ScriptStepBegan,
    ScriptStepInterrupted,
    SessionEnded,
    SessionStarted,
    SpeakingStarted,
    ThinkingStarted,
    ToolCalled,
    Transcribed,
    TurnEnded,
    TurnStarted,
)

READY = "ready"
AGENT_STARTED = "agent_audio_started"
AGENT_STOPPED = "agent_audio_stopped"
SAID = "previous"
TURN_OVER = "turn_over"

AGENTS_OWN = ("step_began", "step_interrupted")
# No wire says them.

# What each name means, for the schema, the documentation and whoever mistyped one.
MOMENTS = {
    "connected": "the connection opened: the call's zero",
    "session_started": "the provider said that the session is on",
    "agent_ready": "the provider said that its agent is there",
    READY: "the provider lets audio in: the microphone opened",
    "turn_started": "the first spoken sample of something the user says",
    "turn_ended": "the last spoken sample of something the user says",
    SAID: "what the user said last is out, its closing silence included",
    "listening": "the provider said that it listens",
    "thinking": "the provider said that a reply is coming",
    "speaking": "the provider said that its agent speaks",
    "transcript": "a final line of anybody's",
    "user_transcript": "a final line of the user's",
    "agent_transcript": "a final line of the agent's",
    AGENT_STARTED: "the first sample of a reply sounds",
    AGENT_STOPPED: "the last sample of a reply has sounded, or the rest was dropped; known 0.2 s later",
    TURN_OVER: "a reply has played out and `quiet` has passed, or none came for `patience`",
    "interrupted": "the provider said that what has not sounded yet must not",
    "barge_in": "the agent fell silent because the user spoke over it",
    "error": "the provider reported an error",
    "tool_call": "the agent asked for a tool",
    "step_began": "a scripted agent began a step",
    "step_interrupted": "the user interrupted a step of a scripted agent",
    "session_ended": "the provider said that the session is over",
    "closed": "the connection closed",
}


@dataclass(frozen=True, slots=True)
class Moment:
    name: str
    at: float
    # Seconds since the connection opened.
    text: str = ""
    # What a transcript or an error says, why a call was closed.
    seconds: float | None = None
    # Of a barge-in: from the first spoken sample to the agent's last. Of an interrupted step: what was heard.
    step: int | None = None
    # Which of a scripted agent's.


_PLAIN: dict[type[Event], str] = {
    Opened: "connected",
    AgentReadied: "agent_ready",
    SessionStarted: "session_started",
    ListeningStarted: "listening",
    ThinkingStarted: "thinking",
    SpeakingStarted: "speaking",
    Interrupted: "interrupted",
}

# The classes of event that hold any.
MOMENTOUS = frozenset(
    {
        *_PLAIN,
        *(Transcribed, TurnStarted, TurnEnded, BargedIn, ErrorReported, SessionEnded, Closed, ToolCalled),
        *(ScriptStepBegan, ScriptStepInterrupted),
    }
)


def moments_in(event: Event, since: float, axis: AudioFormat) -> Iterator[Moment]:
    """What an event is, if it is a moment; ``since`` is when it was seen, in seconds since the call opened.

    What carries a position lies there, and not where it was noticed.
    """
    name = _PLAIN.get(type(event))
    if name is not None:
        yield Moment(name, since)
        return
    match event:
        case Transcribed(speaker=speaker, text=text, final=True):
            yield Moment(f"{speaker}_transcript", since, text)
            yield Moment("transcript", since, text)
        case TurnStarted(position=position):
            yield Moment("turn_started", axis.seconds(position))
        case TurnEnded(end=end):
            yield Moment("turn_ended", axis.seconds(end))
        case BargedIn(position=position, stop=stop):
            yield Moment("barge_in", axis.seconds(position), seconds=stop)
        case ErrorReported(message=text, code=code):
            yield Moment("error", since, f"{code}: {text}" if code else text)
        case ToolCalled(name=name):
            yield Moment("tool_call", since, name)
        case ScriptStepBegan(step=step, name=name):
            yield Moment("step_began", since, name, step=step)
        case ScriptStepInterrupted(step=step, name=name, heard=heard):
            yield Moment("step_interrupted", since, name, heard / 1000, step)
        case SessionEnded(cause=cause, reason=reason):
            yield Moment("session_ended", since, reason or cause)
        case Closed(code=code, reason=reason, by=by):
            yield Moment("closed", since, f"{code} {reason}".strip() + f", by the {by}")
