"""What recordings say happened in a benchmark's calls, while they are still being made."""

from __future__ import annotations

from pathlib import Path

TURN, BARGE_IN, SOUND = b'"why":"silence"', b'"type":"barged_in"', b'"type":"user_audio_sent"'
# Turns that ended by themselves, not with the call.
FRAME = 0.02
# Seconds of each of them.


def happened(folder: Path, sessions: int) -> dict[str, float]:
    """Of the ``sessions`` newest calls: turns, barge-ins, and seconds of user audio in each."""
    timelines = sorted(folder.glob("*/*/timeline.jsonl"), key=lambda path: path.stat().st_mtime_ns)[
        -sessions:
    ]
    texts = [path.read_bytes() for path in timelines]
    frames = sum(text.count(SOUND) for text in texts)
    sounds = [path.with_name("call.wav").stat().st_size for path in timelines]
    return {
        "recorded_turns": sum(text.count(TURN) for text in texts),
        "recorded_barge_ins": sum(text.count(BARGE_IN) for text in texts),
        "recorded_seconds_each": frames * FRAME / max(1, sessions),
        "recorded_bytes": sum(sounds),
    }
