"""Samples that were spoilt on their way: clipped, wrapped, or off zero."""

from __future__ import annotations

from collections import deque

from .tally import Tally

_QUIET = bytes(high for high in range(256) if not 0x70 <= high <= 0x8F)
# High bytes of samples well inside full scale. Taking them out of a message costs less than half a
# microsecond and leaves nothing of most messages.
_RAILS = (0x7F, 0x80)

RUN = 3
# Equal samples at full scale in a row that make a flat top.
CLIPPED_MESSAGES, CLIPPED_SECONDS = 10, 10.0
# So many messages with flat tops within so much sound are no accident.
WRAPS = 5
WRAPPED_MESSAGES = 3
OFFSET = 1500
# Of 32768: a twentieth of full scale.
OFFSET_ONE_IN, OFFSET_LOOKS = 8, 12
PATIENCE, THEN_ONE_IN = 100, 4
# Loud messages that were all in order before only one in so many is looked at.


class Samples:
    """F-CLIPPED, F-WRAPPED and F-DC-OFFSET."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._seconds = 0.0
        self._messages = 0
        self._loud = 0
        self._spoilt = False
        self._clipped: deque[float] = deque(maxlen=CLIPPED_MESSAGES)
        self._wraps = 0
        self._big_steps = 0
        self._wrapped_messages = 0
        self._offsets: deque[float] = deque(maxlen=OFFSET_LOOKS)

    def heard(self, pcm: bytes, seconds: float) -> None:
        self._seconds += seconds
        self._messages += 1
        if self._messages % OFFSET_ONE_IN == 0:
            self._weigh(pcm)
        loud = pcm[1::2].translate(None, _QUIET)
        if loud:
            self._loud += 1
            if self._spoilt or self._loud <= PATIENCE or self._loud % THEN_ONE_IN == 0:
                self._examine(pcm, min(loud) < 0x80 <= max(loud), any(rail in loud for rail in _RAILS))

    def _examine(self, pcm: bytes, both_signs: bool, near_rail: bool) -> None:
        if near_rail:
            self._look_for_flat_tops(pcm)
        if both_signs:
            self._look_for_wraps(pcm)

    def _look_for_flat_tops(self, pcm: bytes) -> None:
        import numpy as np

        samples = np.frombuffer(pcm, "<i2")
        rail = (samples == 32767) | (samples <= -32767)
        same = samples[1:] == samples[:-1]
        runs = int(np.count_nonzero(rail[2:] & same[1:] & same[:-1]))
        if not runs:
            return
        self._spoilt = True
        self._tally.suspect("F-CLIPPED")
        self._clipped.append(self._seconds)
        if len(self._clipped) == CLIPPED_MESSAGES and self._seconds - self._clipped[0] <= CLIPPED_SECONDS:
            self._tally.find(
                "F-CLIPPED",
                f"{RUN} or more samples in a row at full scale in {CLIPPED_MESSAGES} messages within "
                f"{self._seconds - self._clipped[0]:.1f} s of sound; in the last one "
                f"{np.count_nonzero(rail)} of {samples.size} samples",
            )

    def _look_for_wraps(self, pcm: bytes) -> None:
        """Steps of nearly 65536 between two samples, where few other steps are large.

        Noise at full volume has large steps of every size; speech clipped hard steps from rail to rail.
        """
        import numpy as np

        samples = np.frombuffer(pcm, "<i2").astype(np.int32)
        step = np.abs(np.diff(samples))
        big = step > 32_768
        if not big.any():
            return
        off_rail = np.abs(samples) < 32_767
        wraps = int(np.count_nonzero((step > 49_152) & off_rail[1:] & off_rail[:-1]))
        self._big_steps += int(np.count_nonzero(big))
        if not wraps:
            return
        self._spoilt = True
        self._wraps += wraps
        self._wrapped_messages += 1
        self._tally.suspect("F-WRAPPED")
        enough = self._wraps >= WRAPS and self._wrapped_messages >= WRAPPED_MESSAGES
        if enough and self._wraps >= 0.6 * self._big_steps:
            at = int(np.argmax(step))
            self._tally.find(
                "F-WRAPPED",
                f"{self._wraps} jumps over nearly the whole range from one sample to the next, "
                f"such as {samples[at]} to {samples[at + 1]}",
            )

    def _weigh(self, pcm: bytes) -> None:
        import numpy as np

        offset = float(np.frombuffer(pcm, "<i2").mean())
        self._offsets.append(offset)
        if abs(offset) < OFFSET:
            return
        self._tally.suspect("F-DC-OFFSET")
        if len(self._offsets) == OFFSET_LOOKS:
            low, high = min(self._offsets), max(self._offsets)
            if low >= OFFSET or high <= -OFFSET:
                mean = sum(self._offsets) / OFFSET_LOOKS
                self._tally.find("F-DC-OFFSET", f"samples swing around {mean:+.0f} instead of 0")
