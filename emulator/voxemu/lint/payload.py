"""What the bytes are, when they are not little-endian mono PCM16.

Beginnings are looked at in every message; the arithmetic is done for the first messages with sound in them
and for one in many afterwards, since a client that sends floats sends floats all the time.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from voxemu.lint.tally import Tally

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Ints = NDArray[np.int32]

_BEGINNING = re.compile(
    rb"(?P<WAV>RIFF....WAVE)|(?P<Ogg>OggS)|(?P<FLAC>fLaC)|(?P<WebM>\x1a\x45\xdf\xa3)"
    rb"|(?P<MP3>ID3[\x02-\x04])|(?P<MP4>....ftyp)",
    re.DOTALL,
)
# Of a file, by what it is.

FIRST = 16
EVERY, SLOWING = 32, 8
# Of the messages with sound the first are all examined, then one in 32, and one in ever more after 256.
ROUGH = 8000
# The mean step from sample to sample of what may be noise at full volume.
ENOUGH = 16_384
# Bytes of one message that are examined.
VARIOUS = 16
# Values that samples have at least, where something can be told from them.
HEAD = 4096
# Bytes of the stream's beginning in which MP3 frames are looked for.


class Vote:
    """Certain when several messages say yes and hardly any says no."""

    def __init__(self) -> None:
        self.yes = 0
        self.no = 0

    def cast(self, verdict: bool) -> bool:
        self.yes += verdict
        self.no += not verdict
        return self.yes >= 4 and self.yes >= 4 * self.no


class Payload:
    """F-CONTAINER, F-FLOAT32, F-BYTE-ORDER and F-STEREO."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._head: bytearray | None = bytearray()
        self._messages = 0
        self._next = 0
        self._float32 = Vote()
        self._swapped = Vote()
        self._pairs = Vote()

    def heard(self, pcm: bytes) -> None:
        if kind := container(pcm):
            self._tally.suspect("F-CONTAINER")
            self._tally.find(
                "F-CONTAINER", f"a {kind} file's beginning in an audio message of {len(pcm)} bytes"
            )
        if self._head is not None:
            self._collect(self._head, pcm)
        self._messages += 1
        if self._messages >= self._next:
            if self._messages >= FIRST:
                self._next = self._messages + max(EVERY, self._messages // SLOWING)
            self._examine(pcm)

    def _collect(self, head: bytearray, pcm: bytes) -> None:
        head += pcm[: HEAD - len(head)]
        if len(head) < HEAD:
            return
        self._head = None
        if _mp3_frames(head) >= 3:
            self._tally.suspect("F-CONTAINER")
            self._tally.find("F-CONTAINER", "MP3 frames one after another")

    def _examine(self, pcm: bytes) -> None:
        import numpy as np

        if len(pcm) < 128:
            return
        pcm = pcm[:ENOUGH]
        if len(pcm) % 4 == 0:
            floats = np.frombuffer(pcm, "<f4")
            verdict = _reads_as_float32(floats)
            if self._vote("F-FLOAT32", self._float32, verdict):
                loudest = float(np.abs(floats).max())
                self._tally.find("F-FLOAT32", f"read as float32, every sample lies within ±{loudest:.2f}")
            if verdict:
                # Halves of floats come in patterns that have nothing to do with the sound.
                return
        samples = np.frombuffer(pcm, "<i2").astype(np.int32)
        if self._vote("F-BYTE-ORDER", self._swapped, _reads_as_swapped(samples, pcm)):
            self._tally.find(
                "F-BYTE-ORDER", "noise as it is, smooth sound with the bytes of each sample swapped"
            )
        if self._vote("F-STEREO", self._pairs, _comes_in_pairs(samples)):
            self._tally.find("F-STEREO", "every other sample repeats the one before it, or is zero")

    def _vote(self, code: str, vote: Vote, verdict: bool | None) -> bool:
        """Whether it is certain; None abstains: too quiet to tell."""
        if verdict is None:
            return False
        if verdict:
            self._tally.suspect(code)
        return vote.cast(verdict)


def container(pcm: bytes) -> str | None:
    begins = _BEGINNING.match(pcm)
    return None if begins is None else begins.lastgroup


_MP3_KBPS = {
    # Layer III, by MPEG version.
    1: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_MP3_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8000)}


def _mp3_frames(head: bytearray) -> int:
    """How many MPEG layer III frames follow one another from the very beginning (ISO 11172-3, 13818-3)."""
    at = frames = 0
    while at + 4 <= len(head):
        length = _mp3_frame_length(head[at : at + 4])
        if not length:
            break
        frames += 1
        at += length
    return frames


def _mp3_frame_length(header: bytearray) -> int:
    version, layer = header[1] >> 3 & 3, header[1] >> 1 & 3
    kbps, rate, padding = header[2] >> 4, header[2] >> 2 & 3, header[2] >> 1 & 1
    if header[0] != 0xFF or header[1] >> 5 != 7 or version == 1 or layer != 1 or kbps in (0, 15) or rate == 3:
        return 0
    bits = _MP3_KBPS[1 if version == 3 else 2][kbps] * 1000
    return (144 if version == 3 else 72) * bits // _MP3_RATES[version][rate] + padding


def _reads_as_float32(floats: NDArray[np.float32]) -> bool | None:
    """Whether nearly all are floats of ordinary audio, of both signs.

    Integers do not read so: a small negative sample makes a float that is no number or enormous, a small
    positive one makes one that is nearly nothing.
    """
    import numpy as np

    heard = np.count_nonzero(floats)
    if heard < 32:
        return None
    size = np.abs(floats)
    if not (size <= 1.5).all():  # false for NaN too
        return False
    audible = np.count_nonzero(size > 1e-7) >= 0.95 * heard
    negative = np.count_nonzero(floats < 0) / heard
    return bool(audible and 0.02 < negative < 0.98)


def _reads_as_swapped(samples: Ints, pcm: bytes) -> bool | None:
    """Whether this is noise that becomes smooth with its bytes swapped."""
    import numpy as np

    swapped = np.frombuffer(pcm, ">i2").astype(np.int32)
    step, swapped_step = _mean_step(samples), _mean_step(swapped)
    if swapped_step > max(ROUGH, step / 2):
        return False
    if not (step > 4 * swapped_step if step > ROUGH else step > max(2000, 20 * swapped_step)):
        return None
    # A tone of few values may look rough one way and smooth the other. Samples made of 8 bits are smooth both
    # ways, and swapped all of one sign.
    both_signs = 0.02 < np.count_nonzero(swapped < 0) / swapped.size < 0.98
    return True if both_signs and _vary(samples) else None


def _mean_step(samples: Ints) -> float:
    """From one sample to the next, either way."""
    import numpy as np

    return int(np.add.reduce(np.abs(samples[1:] - samples[:-1]))) / (samples.size - 1)


def _vary(samples: Ints) -> bool:
    """Whether they have many values. A few of them tell, mostly."""
    return len(set(samples[: VARIOUS * 4].tolist())) >= VARIOUS or len(set(samples.tolist())) >= VARIOUS


def _comes_in_pairs(samples: Ints) -> bool | None:
    """Whether samples come in equal pairs, or every other one is zero; None when nothing much varies."""
    if not _vary(samples):
        return None
    return any(_paired(samples[shift:]) for shift in (0, 1))


def _paired(samples: Ints) -> bool:
    import numpy as np

    left, right = samples[0 : len(samples) // 2 * 2 : 2], samples[1::2]
    equal = np.count_nonzero(left == right) >= 0.97 * left.size
    if not equal and right.any():
        return False
    changes = np.count_nonzero(left[1:] != left[:-1])
    return bool(changes >= 0.5 * left.size)
