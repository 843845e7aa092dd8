"""Agent audio as the user heard it, and how much of it there was to hear."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator
from dataclasses import dataclass

BLOCK = 0.01
# Seconds: what is loud is found in steps of this length.
BRIDGE = 0.1
# Seconds of quiet that do not break a stretch: a pause inside a word.
QUIET = 64
# Peak of int16 below which nothing is heard: -54 dB of full scale.


@dataclass(frozen=True, slots=True)
class Heard:
    """PCM16 mono on the call's axis: sample 0 is when the connection opened, zeros where nobody spoke."""

    pcm: bytes
    rate: int

    @property
    def seconds(self) -> float:
        """How long there was something to hear."""
        return sum(end - start for start, end in self.stretches)

    @property
    def stretches(self) -> list[tuple[float, float]]:
        """From when to when there was something to hear, in seconds; pauses below 0.1 s are bridged."""
        found: list[tuple[float, float]] = []
        for start, end in self._loud():
            if found and start - found[-1][1] <= BRIDGE:
                found[-1] = (found[-1][0], end)
            else:
                found.append((start, end))
        return found

    @property
    def hertz(self) -> float | None:
        """The pitch of the longest stretch, as far as it is a tone; None where too little was heard."""
        start, end = max(self.stretches, key=lambda each: each[1] - each[0], default=(0.0, 0.0))
        if end - start < 0.1:
            return None
        # Its ends are faded and may be cut anywhere.
        samples = _samples(self.pcm)[round((start + 0.02) * self.rate) : round((end - 0.02) * self.rate)]
        rising = [at for at in range(1, len(samples)) if samples[at - 1] < 0 <= samples[at]]
        if len(rising) < 2:
            return None
        return (len(rising) - 1) * self.rate / (rising[-1] - rising[0])

    def _loud(self) -> Iterator[tuple[float, float]]:
        samples, step = _samples(self.pcm), round(BLOCK * self.rate)
        for at in range(0, len(samples), step):
            block = samples[at : at + step]
            if max(block) >= QUIET or min(block) <= -QUIET:
                yield at / self.rate, (at + len(block)) / self.rate


def _samples(pcm: bytes) -> array[int]:
    found = array("h")
    found.frombytes(pcm[: len(pcm) - len(pcm) % 2])
    if sys.byteorder == "big":
        found.byteswap()
    return found
