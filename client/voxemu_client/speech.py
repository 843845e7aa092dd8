"""What the user says: clips at the sending rate, and where in them there is speech."""

from __future__ import annotations

from dataclasses import dataclass

from voxemu.audio import SAMPLE_BYTES, floats, peak, sample_count

AUDIBLE = 0.01
# Of full scale, about -40 dBFS. A quiet clip is judged by its own peak instead.
BELOW_PEAK = 20
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


def spoken(pcm: bytes) -> tuple[int, int]:
    """The first spoken sample and one past the last; the whole of it where nothing is to be heard."""
    if not pcm:
        return 0, 0
    level = abs(floats(pcm))
    loud = (level > min(AUDIBLE, float(level.max()) / BELOW_PEAK)).nonzero()[0]
    if not len(loud):
        return 0, sample_count(pcm)
    return int(loud[0]), int(loud[-1]) + 1


def audible(pcm: bytes) -> bool:
    """Whether an agent's chunk is more than silence."""
    return peak(pcm) > FAINT
