"""What the user says: clips at the sending rate, and where in them there is speech."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from voxemu.audio import SAMPLE_BYTES, floats, peak, sample_count

AUDIBLE = 0.01
# Of full scale, about -40 dBFS. A quiet clip is judged by its own peak instead.
BELOW_PEAK = 20
_SMALL = b"\x00\xff"
FAINT = 0.003
# About -50 dBFS: below it an agent that streams its silence is silent.


@dataclass(frozen=True, slots=True)
class Clip:
    """Something to say: PCM16 mono at the rate it will be sent at."""

    name: str
    pcm: bytes
    is_speech: bool = True
    # False for silence that is said on purpose: it is no turn, and nobody answers it.

    def trimmed(self) -> Clip:
        """Without its leading silence."""
        start, _ = spoken(self.pcm)
        return Clip(self.name, self.pcm[start * SAMPLE_BYTES :])


@lru_cache(maxsize=32)
def spoken(pcm: bytes) -> tuple[int, int]:
    """The first spoken sample and one past the last; the whole of it where nothing is to be heard."""
    if not pcm:
        return 0, 0
    level = abs(floats(pcm))
    loud = level > min(AUDIBLE, float(level.max()) / BELOW_PEAK)
    if not loud.any():
        return 0, sample_count(pcm)
    return int(loud.argmax()), len(loud) - int(loud[::-1].argmax())


def audible(pcm: bytes) -> bool:
    """Whether an agent's chunk is more than silence."""
    # Most of them are told by their high bytes, and by the first of those: 256 of 32768 is three times as
    # loud as faint.
    if pcm[1:128:2].strip(_SMALL) or pcm[1::2].translate(None, _SMALL):
        return True
    return pcm != bytes(len(pcm)) and peak(pcm) > FAINT
