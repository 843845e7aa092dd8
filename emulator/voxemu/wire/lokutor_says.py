"""Reading what Lokutor says, in every form that its page and its SDKs show.

Statuses, transcripts and errors are the page's; the rest is [client] in the protocol notes. Each reader
raises Unreadable for a field that is not what it should be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from voxemu.events import (
    AgentAudioSent,
    ErrorReported,
    Event,
    Interrupted,
    ListeningStarted,
    RatesDeclared,
    SessionStarted,
    SettingConfirmed,
    SpeakingStarted,
    ThinkingStarted,
    ToolCalled,
    Transcribed,
    Viseme,
    VisemesSent,
)
from voxemu.wire.reading import Unreadable, audio_from_base64, field, sample_rate, text_field


def _generation(said: Mapping[str, Any]) -> int:
    return int(field(said, "generation", int, what="an integer")) if "generation" in said else 0


def _read_status(said: Mapping[str, Any]) -> Event:
    match text_field(said, "data"):
        case "connected":
            return SessionStarted("")
        case "prompt_set":
            return SettingConfirmed("prompt")
        case "listening":
            return ListeningStarted()
        case "thinking":
            return ThinkingStarted(_generation(said))
        case "speaking":
            return SpeakingStarted(_generation(said))
        case "interrupted":
            return Interrupted()
        case other:
            raise Unreadable("bad_field", f"unknown status {other[:40]!r}")


def _read_transcript(said: Mapping[str, Any]) -> Event:
    """The text is under ``data``; the SDK also takes ``text``, and a line without a role for the user's."""
    text = said.get("data") or text_field(said, "text" if "text" in said else "data")
    if not isinstance(text, str):
        raise Unreadable("bad_field", "'data' must be a string")
    match said.get("role", "user"):
        case "user":
            return Transcribed("user", text)
        case "agent" | "assistant":
            return Transcribed("agent", text)
    raise Unreadable("bad_field", "'role' must be user or agent")


def _read_error(said: Mapping[str, Any]) -> Event:
    match said.get("data"):
        case str(text):
            return ErrorReported(text)
        case {"message": str(text), **rest}:
            code = rest.get("code", "")
            return ErrorReported(text, code if isinstance(code, str) else str(code))
    raise Unreadable("bad_field", "'data' must be a string, or an object with a message")


def _read_audio(said: Mapping[str, Any]) -> Event:
    return AgentAudioSent(audio_from_base64(text_field(said, "data")), _generation(said))


def _read_rates(said: Mapping[str, Any]) -> Event:
    playback, rate = sample_rate(said, "playback"), sample_rate(said, "input")
    if playback is None or rate is None:
        raise Unreadable("bad_field", "server_rates needs playback and input")
    return RatesDeclared(playback, rate)


def _read_visemes(said: Mapping[str, Any]) -> Event:
    marks = field(said, "data", list, what="an array of visemes")
    return VisemesSent(tuple(_viseme(mark) for mark in marks), _generation(said))


def _viseme(mark: object) -> Viseme:
    if not isinstance(mark, dict):
        raise Unreadable("bad_field", "a viseme must be an object with v, c and t")
    try:
        seconds = float(field(mark, "t", (int, float), what="seconds", within="viseme"))
    except OverflowError:
        raise Unreadable("bad_field", "'viseme.t' is too large") from None
    number = field(mark, "v", int, what="an integer", within="viseme")
    return Viseme(number, text_field(mark, "c", within="viseme"), seconds)


def _read_tool_call(said: Mapping[str, Any]) -> Event:
    return ToolCalled(text_field(said, "name"), text_field(said, "arguments"), text_field(said, "call_id"))


READERS: Mapping[str, Callable[[Mapping[str, Any]], Event]] = {
    "status": _read_status,
    "transcript": _read_transcript,
    "audio": _read_audio,
    "error": _read_error,
    "server_rates": _read_rates,
    "visemes": _read_visemes,
    "tool_call": _read_tool_call,
}
