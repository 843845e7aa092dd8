"""The sound of somebody typing, for clients that play one while the agent thinks."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from voxemu.audio import AudioFormat, pcm16

KEY = 0.11
# Seconds between two key strokes; every third is late, so that it does not sound like a clock.
LEVEL = 0.06


@lru_cache(maxsize=32)
def typing(format: AudioFormat, seconds: float) -> bytes:
    """Quiet clicks for so long, PCM16; the same bytes every time."""
    sound = np.zeros(format.samples(max(seconds, KEY)), np.float64)
    time = np.arange(format.samples(0.03)) / format.rate
    at, stroke = 0.0, 0
    while (begin := format.samples(at)) + len(time) <= len(sound):
        pitch = 1700.0 + 240.0 * (stroke % 4)
        sound[begin : begin + len(time)] += LEVEL * np.sin(2 * np.pi * pitch * time) * np.exp(-time * 180)
        at += KEY * (1.7 if stroke % 3 == 2 else 1.0)
        stroke += 1
    return pcm16(sound.astype(np.float32))
