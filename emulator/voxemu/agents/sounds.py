"""Sounds that agents make: tones and chimes, PCM16, the same bytes for the same arguments."""

from __future__ import annotations

import math
from functools import lru_cache

from voxemu.audio import AudioFormat, pcm16
from voxemu.events import Viseme

LEVEL = 0.3
# Of full scale: clearly speech-like in level, far from clipping.
FADE = 0.01
# Seconds in and out, so that a tone has no click at its ends.


@lru_cache(maxsize=64)
def sine(format: AudioFormat, hertz: float, seconds: float) -> bytes:
    """A sine, phase-continuous from its first sample to its last, faded at both ends."""
    import numpy as np

    samples = format.samples(seconds)
    ramp = np.arange(samples, dtype=np.float64)
    wave = LEVEL * np.sin(2 * math.pi * hertz / format.rate * ramp)
    fade = min(format.samples(FADE), samples // 2)
    if fade:
        edge = 0.5 - 0.5 * np.cos(math.pi * (np.arange(fade) + 0.5) / fade)
        wave[:fade] *= edge
        wave[-fade:] *= edge[::-1]
    return pcm16(wave.astype(np.float32))


def noise(format: AudioFormat, seconds: float, level: float, seed: int) -> bytes:
    """White noise of this RMS (full scale 1.0), the same for the same seed on every machine."""
    import numpy as np

    # The generator's raw bytes are stable between versions of NumPy, its distributions are not.
    dice = np.random.default_rng(seed)
    drawn = np.frombuffer(dice.bytes(2 * format.samples(seconds)), "<i2")
    # Evenly spread samples have 1/√3 of their peak as RMS.
    return pcm16((drawn / np.float32(32768) * np.float32(level * math.sqrt(3))).astype(np.float32))


def chime(format: AudioFormat) -> bytes:
    """Two notes: what a greeting sounds like when only its text is known."""
    return sine(format, 660.0, 0.25) + sine(format, 880.0, 0.35)


# One mouth shape a letter: closed, open, wide, round; 5 for the rest. The vendor's ids are not documented.
_SHAPES = {
    **dict.fromkeys("mbp", 1),
    **dict.fromkeys("aeh", 2),
    **dict.fromkeys("iysz", 3),
    **dict.fromkeys("ouw", 4),
}


def mouth(text: str, seconds: float) -> tuple[Viseme, ...]:
    """The letters of ``text`` spread evenly over its audio."""
    letters = [letter for letter in text.lower() if letter.isalnum()]
    return tuple(
        Viseme(_SHAPES.get(letter, 5), letter, round(at * seconds / len(letters), 3))
        for at, letter in enumerate(letters)
    )
