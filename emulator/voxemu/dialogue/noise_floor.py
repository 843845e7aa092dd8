"""How loud the room is while nobody speaks, learnt from the levels of analysis windows.

Between utterances the floor follows the level, quickly down and slowly up. While a sound counts as speech
only a steady one can raise it: speech closes its lips every few syllables, a fan does not. A held vowel or
a test tone is steady too, so what has a pitch is given `PITCHED` seconds before it is taken
for machinery, what has none `UNPITCHED`. The price: a fan that is switched on counts as speech for two to
three seconds, a mains hum for about twelve, and somebody who hisses or whispers without a break for three
seconds is taken for a fan.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float64]

UNPITCHED: Final = 2.5
PITCHED: Final = 12.0
BLOCK: Final = 0.5  # seconds; the lowest level of each block is kept, and one probe for pitch
HIGHEST: Final = 0.06  # RMS of full scale; above it a room would make ordinary speakers inaudible
UP: Final = 0.02  # share of the distance covered in one 20 ms window: about a second upwards,
DOWN: Final = 0.1  # a fifth of that downwards
SMOOTHING: Final = 0.25  # of the power, before its lowest is taken: a rumble's level wavers between windows
STEADY: Final = 2.5  # between the highest and the lowest of such levels; speech has more within a second
LOWEST_TO_MEAN: Final = 1.15  # the quietest of a hundred such levels of noise lies this much under their mean
_REFERENCE_WINDOW: Final = 0.02
_PITCH_RATE: Final = 8000
_PITCH_PERIODS: Final = (0.002, 1 / 60)  # seconds; shorter periods show up as their multiples
_PITCHED_FROM: Final = 0.6


@dataclass(slots=True)
class _Block:
    """Half a second of a loud sound: its lowest window, and the range of its smoothed level."""

    lowest: float = math.inf
    smooth_lowest: float = math.inf
    smooth_highest: float = 0.0
    pitched: bool = True

    def add(self, level: float, smooth: float) -> None:
        """One window."""
        if level < self.lowest:
            self.lowest = level
        if smooth < self.smooth_lowest:
            self.smooth_lowest = smooth
        if smooth > self.smooth_highest:
            self.smooth_highest = smooth


class NoiseFloor:
    """The level of the room, as RMS of full scale, from the level of every window of `window` seconds."""

    def __init__(self, rate: int, window: float) -> None:
        self.level = 0.0
        self._rate = rate
        self._up = 1 - (1 - UP) ** (window / _REFERENCE_WINDOW)
        self._down = 1 - (1 - DOWN) ** (window / _REFERENCE_WINDOW)
        self._windows = max(1, round(BLOCK / window))
        self._short = round(UNPITCHED / BLOCK)
        self._blocks: deque[_Block] = deque(maxlen=round(PITCHED / BLOCK))
        self.forget_sound()

    def forget_sound(self) -> None:
        """A new sound begins, or the stream broke off: what was loud before says nothing about it."""
        self._blocks.clear()
        self._block = _Block()
        self._power: float | None = None
        self._left = self._windows

    def quiet(self, level: float) -> None:
        """One window in which nobody speaks. Zeros are a muted line, not a quiet room: they teach nothing."""
        if level > 0.0:
            step = self._up if level > self.level else self._down
            learnt = self.level + step * (level - self.level)
            self.level = learnt if learnt < HIGHEST else HIGHEST

    def loud(self, level: float, before: bytes, window: bytes) -> None:
        """One window of a sound that counts as speech; `before` is the window ahead of it, both S16LE.

        At the end of a block, a sound that was steady for long enough becomes the floor.
        """
        power = level * level
        self._power = power if self._power is None else self._power + SMOOTHING * (power - self._power)
        self._block.add(level, math.sqrt(self._power))
        self._left -= 1
        if self._left:
            return
        block = self._block
        if block.smooth_highest <= STEADY * block.smooth_lowest:
            block.pitched = pitched(np.frombuffer(before + window, "<i2"), self._rate)
        self._blocks.append(block)
        self._block = _Block()
        self._left = self._windows
        self._settle()

    def _settle(self) -> None:
        """Steady and without pitch for a while, or steady for long; else, for long, the quietest window."""
        recent = list(self._blocks)[-self._short :]
        if len(recent) == self._short and sum(block.pitched for block in recent) <= 1 and _steady(recent):
            self._raise(min(block.smooth_lowest for block in recent))
        elif len(self._blocks) == self._blocks.maxlen:
            steady = _steady(self._blocks)
            self._raise(min(block.smooth_lowest if steady else block.lowest for block in self._blocks))

    def _raise(self, lowest: float) -> None:
        self.level = min(HIGHEST, max(self.level, lowest * LOWEST_TO_MEAN))


def _steady(blocks: Collection[_Block]) -> bool:
    lowest = min(block.smooth_lowest for block in blocks)
    return max(block.smooth_highest for block in blocks) <= STEADY * lowest


def pitched(pcm: npt.NDArray[np.int16], rate: int) -> bool:
    """Whether these samples (40 ms are enough) repeat themselves with a period between 2 ms and 1/60 s.

    Compared is the slope of the signal at about 8 kHz: a fan's rumble is smooth and would resemble itself
    a few milliseconds later, its slope does not.
    """
    step = max(1, rate // _PITCH_RATE)
    whole = len(pcm) // step * step
    slow: Samples = pcm[:whole].astype(np.float64).reshape(-1, step).mean(axis=1)
    slope = np.diff(slow)
    shortest, longest = (round(period * rate / step) for period in _PITCH_PERIODS)
    longest = min(longest, len(slope) // 2)
    energy = np.concatenate(([0.0], np.cumsum(slope * slope)))
    if energy[-1] == 0.0 or longest <= shortest:
        return False
    alike = np.correlate(slope, slope, "full")[len(slope) - 1 :]
    lags = np.arange(shortest, longest + 1)
    both = np.sqrt(energy[len(slope) - lags] * (energy[-1] - energy[lags]))
    return bool(np.max(alike[lags] / np.maximum(both, 1e-9)) >= _PITCHED_FROM)
