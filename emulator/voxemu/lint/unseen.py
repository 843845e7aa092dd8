"""What the pages ask of clients and nobody can see from the provider's end; what tries it all the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Unseen:
    rule: str
    source: str
    instead: str


UNSEEN: Mapping[str, tuple[Unseen, ...]] = {
    "lyzr-sip": (
        Unseen(
            "The client runs on HTTPS.",
            "lyzr-voice-sip page, Prerequisites",
            "A browser gives no microphone otherwise, which is F-NO-AUDIO.",
        ),
        Unseen(
            "Send only while ws.readyState is OPEN.",
            "lyzr-voice-sip page, Audio Pacing & Backpressure",
            "What is sent earlier or later leaves no client; what still arrives is F-AFTER-END.",
        ),
        Unseen(
            "Decode agent audio as Int16 divided by 32768, into a buffer of 24,000 Hz.",
            "lyzr-voice-sip page, Playback Notes",
            "Compare what the app played: assert_played in a test, the faults wrong_rate and clipping.",
        ),
        Unseen(
            "Look for transcripts in every field.",
            "lyzr-voice-sip page, Message Formats and Troubleshooting",
            "The setting lyzr_sip.transcript_shape sends each shape, or all of them in turn.",
        ),
    ),
    "workbuddy": (
        Unseen(
            "binaryType is arraybuffer; text is JSON and binary is audio, also when it is received.",
            "workbuddy page, 2. Connect WebSocket",
            "The faults unknown_message and extra_fields.",
        ),
        Unseen(
            "Copy the callback's buffer, which is used again.",
            "workbuddy page, 3. Microphone Capture",
            "Samples that repeat themselves may be a tone; listen to the recording.",
        ),
        Unseen(
            "noiseSuppression and autoGainControl.",
            "workbuddy page, 3. Microphone Capture",
            "Nobody knows how loud the room was; what is too loud is F-CLIPPED.",
        ),
        Unseen(
            "Hanging up disconnects the microphone first and closes the socket last.",
            "workbuddy page, 5. Complete Example",
            "The close is the only word for it, and nothing can be sent behind that.",
        ),
        Unseen(
            "Schedule agent audio without gaps, at 16 kHz.",
            "workbuddy page, 4. Audio Playback",
            "assert_played in a test, the faults delay and jitter.",
        ),
    ),
    "lokutor": (
        Unseen(
            "Play agent audio as it is specified: 44.1 kHz, one channel.",
            "lokutor page, Audio Specifications and Binary Data (Audio)",
            "What is announced is seen: F-RATE-PLAYBACK. Else assert_played, the fault wrong_rate.",
        ),
    ),
    "lyzr-livekit": (
        Unseen(
            "Attach the track background_audio to an audio element.",
            "lyzr-livekit page, Step 3: Stream Audio & Handle Events",
            "A track that was never subscribed is F-TRACK-UNHEARD; what the app did with it is not known.",
        ),
        Unseen(
            "Show captions of both sides.",
            "lyzr-livekit page, Step 3: Stream Audio & Handle Events",
            "The faults endless_interim and doubled_transcript.",
        ),
    ),
}
