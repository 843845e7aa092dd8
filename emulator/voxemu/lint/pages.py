"""What each provider's page says about a rule: its words in ours, where they stand, and the figures in them.

A provider without an entry, a new protocol for instance, has the rules that hold everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from voxemu.lint.rules import RULES


@dataclass(frozen=True, slots=True)
class Advice:
    rule: str
    source: str


@dataclass(frozen=True, slots=True)
class Frames:
    """How long the page wants an audio message: in seconds, or exactly so many bytes."""

    shortest: float = 0.0
    longest: float = 0.0
    size: int | None = None


def _formats(rule: str, source: str, *codes: str) -> dict[str, Advice]:
    return dict.fromkeys(codes, Advice(rule, source))


_PAYLOAD = ("F-CONTAINER", "F-FLOAT32", "F-BYTE-ORDER", "F-STEREO", "F-ODD-BYTES")

ADVICE: Mapping[str, Mapping[str, Advice]] = {
    "lyzr-sip": {
        **_formats(
            "Audio is base64 of raw PCM16 bytes, mono: not WAV, not MP3, not float32.",
            "lyzr-voice-sip page, Important Rules",
            *_PAYLOAD,
            "F-NOT-BASE64",
        ),
        "F-FRAME-SIZE": Advice(
            "Audio messages of 20–100 ms each.", "lyzr-voice-sip page, Audio Pacing & Backpressure"
        ),
        **_formats(
            "Watch the send buffer and slow down when it grows: audio goes out in real time.",
            "lyzr-voice-sip page, Audio Pacing & Backpressure",
            "F-PACE-BURST",
            "F-PACE-FAST",
            "F-PACE-SLOW",
        ),
        **_formats(
            "The audio really is 24 kHz; resample what is not.",
            "lyzr-voice-sip page, Important Rules",
            "F-RATE-APPARENT",
            "F-RATE-DECLARED",
        ),
        **_formats(
            "Clamp samples to [-1, 1] before they become PCM16.",
            "lyzr-voice-sip page, Troubleshooting",
            "F-CLIPPED",
            "F-WRAPPED",
        ),
        "F-AFTER-HANGUP": Advice(
            "Stop the microphone before closing the websocket.", "lyzr-voice-sip page, Connection Lifecycle"
        ),
        "F-AFTER-END": Advice(
            "Send only while the websocket is open, and stop the microphone before it closes.",
            "lyzr-voice-sip page, Connection Lifecycle and Audio Pacing & Backpressure",
        ),
        "F-URL-REUSED": Advice(
            "A closed socket means a new session/start and a new URL; old URLs are not used again.",
            "lyzr-voice-sip page, Connection Lifecycle",
        ),
        "F-FRAME-KIND": Advice("Audio goes out inside JSON text.", "lyzr-voice-sip page, Message Formats"),
        **_formats(
            "The wsUrl is opaque: use it exactly as returned, do not construct it yourself.",
            "lyzr-voice-sip page, Important Rules, Response Shape and Troubleshooting",
            "F-URL-CHANGED",
            "F-URL-EXPIRED",
        ),
        "F-UNKNOWN-AGENT": Advice(
            "Immediate disconnect: check that the agent ID is valid.",
            "lyzr-voice-sip page, Troubleshooting",
        ),
        "F-CONTENT-TYPE": Advice(
            "The start request has the header Content-Type: application/json.",
            "lyzr-voice-sip page, 1. Create a Session (HTTP)",
        ),
        "F-BAD-START": Advice(
            "POST /session/start with the agent's id.", "lyzr-voice-sip page, 1. Create a Session (HTTP)"
        ),
        "F-IDLE": Advice(
            "Send periodic silence frames (PCM16 zeros) where pings are not answered.",
            "lyzr-voice-sip page, Connection Lifecycle",
        ),
        "F-NO-BACKPRESSURE": Advice(
            "Monitor ws.bufferedAmount; if it climbs, throttle your sending speed.",
            "lyzr-voice-sip page, Audio Pacing & Backpressure",
        ),
        **_formats(
            "Messages have the shapes that the page gives.",
            "lyzr-voice-sip page, Message Formats",
            "F-BAD-JSON",
            "F-BAD-FIELD",
            "F-UNKNOWN-TYPE",
        ),
    },
    "workbuddy": {
        **_formats(
            "Audio is Int16 samples, mono, 16 kHz, in binary messages.",
            "workbuddy page, 3. Microphone Capture",
            *_PAYLOAD,
            "F-RATE-APPARENT",
        ),
        "F-FRAME-SIZE": Advice(
            "Audio goes out in frames of 640 bytes (20 ms).", "workbuddy page, 3. Microphone Capture"
        ),
        **_formats(
            "Clamp floats to [-1, 1] and scale them to Int16.",
            "workbuddy page, 3. Microphone Capture (float32ToInt16)",
            "F-CLIPPED",
            "F-WRAPPED",
        ),
        "F-BEFORE-READY": Advice(
            "The microphone starts with the message connected.", "workbuddy page, 2. Connect WebSocket"
        ),
        "F-AFTER-END": Advice(
            "session_ended is the time to clean up: the microphone stops.",
            "workbuddy page, 2. Connect WebSocket and 5. Complete Example",
        ),
        "F-TOKEN-REUSED": Advice(
            "Every session fetches its own token.", "workbuddy page, 1. Fetch Session Token"
        ),
        "F-TOKEN-EXPIRED": Advice(
            "The token is fetched when the user starts the call.", "workbuddy page, 5. Complete Example"
        ),
        "F-TOKEN-UNKNOWN": Advice(
            "The token is what the token request returned.", "workbuddy page, 2. Connect WebSocket"
        ),
        "F-NO-TOKEN": Advice(
            "Open the connection and send the token as the first message.",
            "workbuddy page, 2. Connect WebSocket",
        ),
        **_formats(
            "Resume an AudioContext that the browser suspended, and connect the processor to a destination.",
            "workbuddy page, 3. Microphone Capture",
            "F-NO-AUDIO",
            "F-ONLY-SILENCE",
        ),
        "F-ECHO": Advice(
            "The microphone is taken with echoCancellation, noiseSuppression and autoGainControl.",
            "workbuddy page, 3. Microphone Capture",
        ),
        "F-FRAME-KIND": Advice(
            "Text is control, binary is audio; after the token a client sends audio only.",
            "workbuddy page, 2. Connect WebSocket",
        ),
        "F-KEY-MISPLACED": Advice(
            "The API key goes into the Authorization header of the token request.",
            "workbuddy page, 1. Fetch Session Token",
        ),
    },
    "lokutor": {
        **_formats(
            "Audio is signed 16-bit PCM, little-endian, one channel.",
            "lokutor page, Audio Specifications",
            *_PAYLOAD,
        ),
        "F-RATE-APPARENT": Advice(
            "Audio is 44.1 kHz, or what the client announced with rates (as the vendor's SDKs do).",
            "lokutor page, Audio Specifications",
        ),
        "F-RATE-PLAYBACK": Advice(
            "Agent audio is 44.1 kHz.",
            "lokutor page, Audio Specifications and Binary Data (Audio)",
        ),
        "F-SILENCE-FLOOD": Advice(
            "Silence and mere noise are better not sent, to save bandwidth.",
            "lokutor page, Best Practices",
        ),
        "F-KEY-MISPLACED": Advice(
            "The API key is the query parameter api_key (the vendor's SDKs send the header X-API-Key).",
            "lokutor page, WebSocket API",
        ),
        "F-FRAME-KIND": Advice("Audio is binary, control is JSON text.", "lokutor page, WebSocket API"),
        "F-NOT-FLUSHED": Advice(
            "On interrupted, clear the playback buffer and stop audio output immediately.",
            "lokutor page, Intelligent Barge-In and Best Practices",
        ),
        "F-RECONNECTS": Advice(
            "Keep the WebSocket open for the duration of the user's session.", "lokutor page, Best Practices"
        ),
        **_formats(
            "Configuration goes out as individual JSON messages, each with type and data.",
            "lokutor page, 1. Initialization",
            "F-BAD-JSON",
            "F-BAD-FIELD",
            "F-UNKNOWN-TYPE",
        ),
        "F-BAD-SETTING": Advice(
            "max_context_messages bounds the conversation history.", "lokutor page, Session Management"
        ),
    },
    "lyzr-livekit": {
        "F-BAD-START": Advice(
            "A session is started with POST /v1/sessions/start and a JSON body.",
            "lyzr-livekit page, Step 1: Start a Session",
        ),
        "F-CONTENT-TYPE": Advice(
            "Requests have the header Content-Type: application/json.",
            "lyzr-livekit page, API Client (apiFetch)",
        ),
        "F-NO-AUDIO": Advice(
            "Once connected, publish your microphone track.",
            "lyzr-livekit page, Step 3: Stream Audio & Handle Events",
        ),
        "F-TRACK-UNHEARD": Advice(
            "RoomAudioRenderer plays the agent's voice; the track background_audio is attached besides.",
            "lyzr-livekit page, Step 3: Stream Audio & Handle Events",
        ),
        "F-NO-END-CALL": Advice(
            "A session is ended with POST /v1/sessions/end when the user hangs up.",
            "lyzr-livekit page, Step 4: End the Session",
        ),
        "F-KEY-MISPLACED": Advice(
            "The API key goes into the header x-api-key.",
            "lyzr-livekit page, 1. Authentication & Configuration",
        ),
    },
}

_MEDIA_STACK = ("F-PACE-", "F-RATE-", "F-CONTAINER", "F-ODD-", "F-EMPTY-", "F-NOT-BASE64", "F-FRAME-KIND")
_NO_TOKEN = ("F-TOKEN-", "F-NO-TOKEN")
_NO_SOCKET = ("F-TIME-STOPPED", "F-MESSAGE-SIZE", "F-NOT-READING")

WITHOUT: Mapping[str, tuple[str, ...]] = {
    # Rules that hold everywhere else; the beginning of a code names all codes that begin so.
    "lyzr-sip": (*_NO_TOKEN, "F-KEY-MISPLACED", "F-BEFORE-READY", "F-BAD-SETTING"),
    "workbuddy": (
        "F-NOT-BASE64",
        "F-RATE-DECLARED",
        "F-URL-",
        "F-BAD-SETTING",
        "F-NOT-FLUSHED",
        "F-AFTER-HANGUP",
        "F-UNKNOWN-AGENT",
        "F-BAD-START",
    ),
    # It has no word for an interruption or for hanging up, no settings, and its start request has no body and
    # names no agent.
    "lokutor": (
        *_NO_TOKEN,
        "F-NOT-BASE64",
        "F-RATE-DECLARED",
        "F-BEFORE-READY",
        "F-AFTER-HANGUP",
        "F-URL-",
        "F-NEVER-CONNECTED",
        "F-BAD-START",
    ),
    "lyzr-livekit": (
        *_MEDIA_STACK,
        *_NO_TOKEN,
        *_NO_SOCKET,
        "F-BEFORE-READY",
        "F-URL-",
        "F-BAD-SETTING",
        "F-BAD-FIELD",
        "F-BAD-JSON",
        "F-UNKNOWN-TYPE",
        "F-IDLE",
        "F-NO-BACKPRESSURE",
        "F-AFTER-END",
        "F-AFTER-HANGUP",
    ),
    # WebRTC paces, resamples and encodes by itself, until the room is gone; a room's token may be used to
    # join again.
}

FRAMES: Mapping[str, Frames] = {
    "lyzr-sip": Frames(0.020, 0.100),
    "workbuddy": Frames(size=640),
}

SILENCE: Mapping[str, float] = {
    # Seconds of zeros in a row. lyzr-sip recommends zeros as keep-alive, and the others do not speak of them.
    "lokutor": 10.0,
}

NOT_ON_MEDIA = (
    "F-FRAME-SIZE",
    "F-PACE-BURST",
    "F-PACE-FAST",
    "F-PACE-SLOW",
    "F-RATE-APPARENT",
    "F-SILENCE-FLOOD",
)
# On the media clock audio has no pace and may be cut anyhow, and silence must be sent, whatever a page says.

GENERAL = "a general rule, in no page's words"


def applies(code: str, provider: str) -> bool:
    """Whether this provider has this rule."""
    if any(code.startswith(without) for without in WITHOUT.get(provider, ())):
        return False
    return RULES[code].everywhere or code in ADVICE.get(provider, {})


def advice(code: str, provider: str) -> Advice:
    """What the provider's page says; the rule in general where it says nothing of its own."""
    found = ADVICE.get(provider, {}).get(code)
    return found or Advice(RULES[code].rule, GENERAL)


def providers_advising(code: str) -> dict[str, Advice]:
    return {provider: said[code] for provider, said in ADVICE.items() if code in said}
