"""Samples that were spoilt on their way: clipped, wrapped, or off zero."""

from __future__ import annotations

from collections import deque
from math import ceil

from voxemu.audio import SAMPLE_BYTES
from voxemu.lint.tally import Tally

_LOUD = bytes(0x70 <= high <= 0x8F for high in range(256))
# By the high byte of a sample, whether it is near full scale. In most messages none is.
_QUIET = bytes(high for high in range(256) if not _LOUD[high])
_NEGATIVE = bytes(range(0x80, 0x100))
_HIGHEST, _LOWEST = 0x7F, 0x80
_RAILS = {_HIGHEST: (b"\xff\x7f",), _LOWEST: (b"\x00\x80", b"\x01\x80")}
# By their high byte. Some clamp to -32767, some to -32768.

RUN_SECONDS = 1 / 16_000
# Two equal samples at full scale and this much more make a flat top; a low tone that just reaches full scale
# stays there a moment too.
CLIPPED_MESSAGES, CLIPPED_SECONDS = 10, 10.0
# So many messages with flat tops within so much sound are no accident.
WRAPS = 5
STEPS_IN_VOICE = 0.2
WRAPPED_MESSAGES = 3
OFFSET = 1500
# Of 32768: a twentieth of full scale.
OFFSET_EVERY, OFFSET_LOOK, OFFSET_LOOKS = 0.8, 0.1, 6
# Seconds of sound between looks and of one look, which is longer than one swing of a low voice; and how many
# looks must agree.
PATIENCE, THEN_ONE_IN = 50, 16
# Loud messages without a jump before only one in so many is looked at.


class Samples:
    """F-CLIPPED, F-WRAPPED and F-DC-OFFSET."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._seconds = 0.0
        self._both_signs = 0
        self._clipped: deque[float] = deque(maxlen=CLIPPED_MESSAGES)
        self._wraps = 0
        self._big_steps = 0
        self._wrapped_messages = 0
        self._look_at = 0.0
        self._looked: list[bytes] = []
        # What was sent since then.
        self._offsets: deque[float] = deque(maxlen=OFFSET_LOOKS)

    def heard(self, pcm: bytes, seconds: float) -> None:
        self._seconds += seconds
        if self._seconds >= self._look_at:
            self._looked.append(pcm)
            if self._seconds >= self._look_at + OFFSET_LOOK:
                self._weigh()
        high = pcm[1::2]
        if 1 in high.translate(_LOUD):
            loud = high.translate(None, _QUIET)
            self._look_for_flat_tops(pcm, loud, seconds)
            if not loud.isascii() and loud.translate(None, _NEGATIVE):
                self._both_signs += 1
                if self._wraps or self._both_signs <= PATIENCE or self._both_signs % THEN_ONE_IN == 0:
                    self._look_for_wraps(pcm)

    def _look_for_flat_tops(self, pcm: bytes, loud: bytes, seconds: float) -> None:
        run = 2 + ceil(len(pcm) / SAMPLE_BYTES / seconds * RUN_SECONDS)
        rails = [rail for high, rails in _RAILS.items() if high in loud for rail in rails]
        if not any(_holds(pcm, rail * run) for rail in rails):
            return
        self._tally.suspect("F-CLIPPED")
        self._clipped.append(self._seconds)
        within = self._seconds - self._clipped[0]
        if len(self._clipped) == CLIPPED_MESSAGES and within <= CLIPPED_SECONDS:
            self._tally.find(
                "F-CLIPPED",
                f"{run} or more samples in a row at full scale in {CLIPPED_MESSAGES} messages within "
                f"{within:.1f} s of sound",
            )

    def _look_for_wraps(self, pcm: bytes) -> None:
        """Steps of nearly 65536 between two samples, where few other steps are large.

        Noise at full volume has large steps of every size, very high tones have them all the time; speech
        clipped hard steps from rail to rail.
        """
        import numpy as np

        samples = np.frombuffer(pcm, "<i2").astype(np.int32)
        step = np.abs(np.diff(samples))
        big = step > 32_768
        if not big.any():
            return
        if np.count_nonzero(big) > STEPS_IN_VOICE * step.size or _smoother_swapped(pcm, float(step.mean())):
            return
        off_rail = np.abs(samples) < 32_767
        wraps = int(np.count_nonzero((step > 49_152) & off_rail[1:] & off_rail[:-1]))
        self._big_steps += int(np.count_nonzero(big))
        if not wraps:
            return
        self._wraps += wraps
        self._wrapped_messages += 1
        self._tally.suspect("F-WRAPPED")
        enough = self._wraps >= WRAPS and self._wrapped_messages >= WRAPPED_MESSAGES
        if enough and self._wraps >= 0.4 * self._big_steps:
            at = int(np.argmax(step))
            self._tally.find(
                "F-WRAPPED",
                f"{self._wraps} jumps over nearly the whole range from one sample to the next, "
                f"such as {samples[at]} to {samples[at + 1]}",
            )

    def _weigh(self) -> None:
        import numpy as np

        samples = np.frombuffer(b"".join(self._looked), "<i2")
        self._looked.clear()
        self._look_at = self._seconds + OFFSET_EVERY
        self._offsets.append(int(np.add.reduce(samples)) / samples.size)
        if abs(self._offsets[-1]) >= OFFSET:
            self._tally.suspect("F-DC-OFFSET")
        if len(self._offsets) == OFFSET_LOOKS and (
            min(self._offsets) >= OFFSET or max(self._offsets) <= -OFFSET
        ):
            mean = sum(self._offsets) / OFFSET_LOOKS
            self._tally.find("F-DC-OFFSET", f"samples swing around {mean:+.0f} instead of 0")


def _holds(pcm: bytes, run: bytes) -> bool:
    """Whether these samples are in there, at the beginning of a sample."""
    at = pcm.find(run)
    while at >= 0 and at % SAMPLE_BYTES:
        at = pcm.find(run, at + 1)
    return at >= 0


def _smoother_swapped(pcm: bytes, step: float) -> bool:
    """Whether the jumps are those of big-endian samples, which are another finding's."""
    import numpy as np

    swapped = np.frombuffer(pcm, ">i2").astype(np.int32)
    return float(np.abs(np.diff(swapped)).mean()) < step / 2
