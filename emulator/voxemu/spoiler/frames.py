"""What can be wrong with the samples of a message. PCM16 in, PCM16 out, always whole samples.

NumPy is loaded when a fault strikes: a server starts sooner without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from voxemu.audio import SAMPLE_BYTES, AudioFormat, pcm16, resample, sample_count
from voxemu.fault import MARK_HZ

if TYPE_CHECKING:
    from random import Random

LOUDER = 16
# Times, before it is clipped: 24 dB.
MARK_LEVEL = 0.25
# Of each of the mark's two tones; full scale is 1.


def halved(pcm: bytes) -> bytes:
    return pcm[: max(1, sample_count(pcm) // 2) * SAMPLE_BYTES]


def noise(pcm: bytes, rng: Random) -> bytes:
    return rng.randbytes(len(pcm))


def clipped(pcm: bytes) -> bytes:
    import numpy as np

    louder = np.frombuffer(pcm, "<i2").astype(np.int32) * LOUDER
    return np.clip(louder, -32768, 32767).astype("<i2").tobytes()


def at_rate(pcm: bytes, format: AudioFormat, rate: int) -> bytes:
    """The same sound in samples of another rate, which whoever plays them does not know."""
    return resample(pcm, format.rate, rate)


def mark(format: AudioFormat, seconds: float) -> bytes:
    """A sound of two tones that nobody speaks: the linter knows it again in a microphone."""
    import numpy as np

    time = np.arange(format.samples(seconds)) / format.rate
    low, high = (np.sin(2 * np.pi * hertz * time) for hertz in MARK_HZ)
    return pcm16((MARK_LEVEL * (low + high)).astype(np.float32))


def cut(pcm: bytes, samples: int) -> list[bytes]:
    """In pieces of so many samples, the last one shorter."""
    size = samples * SAMPLE_BYTES
    return [pcm[at : at + size] for at in range(0, len(pcm), size)]
