"""Arithmetic on two channels: where they part, what sounds in them, and how alike two sounds are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from voxemu.audio import AudioFormat

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

    Wide = NDArray[float64]

WINDOW = 0.01
# Seconds over which a level is taken.
SOUND = 0.005
# RMS of full scale above which something sounds: -46 dBFS.
PAUSE = 0.3
# Seconds of silence that part two sounds; words of one turn lie closer.
SHORTEST = 0.03
PIECE = 0.4
# Seconds that are aligned at a time, so that a hole in the middle costs no more than its piece.
SEARCH = 0.1
# Seconds to either side in which the same sound is looked for.


@dataclass(frozen=True, slots=True)
class Parting:
    """Where two channels part: positions and counts in samples, levels of 32768."""

    first: int
    count: int
    # Of the samples that both have.
    most: int
    was: int
    now: int
    gained: int
    # By which the second is longer.


def parting(was: bytes, now: bytes) -> Parting | None:
    """None for two channels that are the same."""
    import numpy as np

    if was == now:
        return None
    first, second = np.frombuffer(was, "<i2").astype(np.int32), np.frombuffer(now, "<i2").astype(np.int32)
    both = min(len(first), len(second))
    gap = np.abs(second[:both] - first[:both])
    where = gap.nonzero()[0]
    gained = len(second) - len(first)
    if not len(where):
        return Parting(both, 0, 0, 0, 0, gained)
    at = int(where[0])
    return Parting(at, len(where), int(gap.max()), int(first[at]), int(second[at]), gained)


@dataclass(frozen=True, slots=True)
class Sound:
    """Positions in samples."""

    start: int
    end: int


def sounds_in(pcm: bytes, axis: AudioFormat) -> list[Sound]:
    """What sounds, parted by pauses."""
    import numpy as np

    step = axis.samples(WINDOW)
    wide = np.frombuffer(pcm, "<i2").astype(np.float64) / 32768
    whole = len(wide) // step * step
    loud = np.sqrt((wide[:whole].reshape(-1, step) ** 2).mean(axis=1)) > SOUND
    found: list[Sound] = []
    for window in loud.nonzero()[0]:
        start, end = int(window) * step, (int(window) + 1) * step
        if found and start - found[-1].end < axis.samples(PAUSE):
            found[-1] = Sound(found[-1].start, end)
        else:
            found.append(Sound(start, end))
    return [sound for sound in found if sound.end - sound.start >= axis.samples(SHORTEST)]


@dataclass(frozen=True, slots=True)
class Alikeness:
    """``likeness`` is the normalised cross-correlation at the best alignment, 1 for the same sound."""

    likeness: float
    shift: int
    # Samples by which the second lies later than its own beginning, at the first piece.
    level_db: float
    # By which the second is louder.


def alike(was: bytes, old: Sound, now: bytes, new: Sound, axis: AudioFormat) -> Alikeness:
    """How alike two sounds are, piece by piece, over the shorter of them."""
    import numpy as np

    first, second = (np.frombuffer(pcm, "<i2").astype(np.float64) for pcm in (was, now))
    length = min(old.end - old.start, new.end - new.start)
    piece, reach = min(length, axis.samples(PIECE)), axis.samples(SEARCH)
    found: list[tuple[float, int, float, float]] = []
    for at in range(0, max(1, length - piece + 1), piece):
        wanted = first[old.start + at : old.start + at + piece]
        begin = max(0, new.start + at - reach)
        room = second[begin : new.start + at + piece + reach]
        likeness, offset = _best(wanted, room)
        matched = room[offset : offset + len(wanted)]
        shift = begin + offset - (new.start + at)
        found.append((likeness, shift, float(wanted @ wanted), float(matched @ matched)))
    energy = sum(each[2] for each in found) or 1.0
    likeness = sum(each[0] * each[2] for each in found) / energy
    louder = sum(each[3] for each in found) / energy
    return Alikeness(likeness, found[0][1], 10 * float(np.log10(max(louder, 1e-12))))


def _best(wanted: Wide, room: Wide) -> tuple[float, int]:
    """The best normalised cross-correlation of ``wanted`` within ``room``, and where it lies."""
    import numpy as np

    if len(room) < len(wanted):
        room = np.concatenate([room, np.zeros(len(wanted) - len(room))])
    size = 1 << (len(room) + len(wanted) - 1).bit_length()
    spectrum = np.fft.rfft(room, size) * np.conj(np.fft.rfft(wanted, size))
    products = np.fft.irfft(spectrum, size)[: len(room) - len(wanted) + 1]
    sums = np.concatenate(([0.0], np.cumsum(room * room)))
    energies = sums[len(wanted) :] - sums[: len(room) - len(wanted) + 1]
    scale = np.sqrt(np.maximum(energies, 1.0) * max(float(wanted @ wanted), 1.0))
    alike_at = products / scale
    best = int(np.argmax(alike_at))
    return float(alike_at[best]), best
