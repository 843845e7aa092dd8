"""Tells the agent's own voice, coming back through the microphone, from a user's.

Waveforms are compared, not levels: see `echo_band` for how. A user's words, even the same words in the same
voice, do not follow from the agent's by any short filter; where they nearly do, for a moment, enough of an
ordinary voice remains. What nobody can tell apart is a user who plays the agent's own words within
`max_delay` of hearing them.

It happens in two bands, below 4 kHz and from 4 to 8, each thinned out to about 8 kHz. Voices live in the
first and settle most questions there; in the second a user who begins with an s is heard before the vowel
comes, and an agent who says one is recognised. Above 8 kHz nothing counts, on either side.
"""

from __future__ import annotations

import math
from typing import Final

from voxemu.dialogue.echo_band import EARLY, LATE, LONG, SPAN, EchoBand
from voxemu.dialogue.reference import Thinner

BAND_RATE: Final = 8000  # or a little more, where that divides the rate


class EchoGuard:
    """Knows what sounds when, hears the microphone, and says what of its last window is unexplained.

    All positions are samples at `rate` Hz on the user's axis. Audio that sounds up to 40 ms after a
    window must be known (`played`) before the window is heard, or the answer depends on the order of
    calls. Raises ValueError for a rate or a longest delay (seconds) out of range.
    """

    def __init__(self, rate: int, max_delay: float = 0.4) -> None:
        if not 8000 <= rate <= 48000:
            raise ValueError(f"rate must lie between 8000 and 48000 Hz, not {rate}")
        if not 0.0 <= max_delay <= 2.0:
            raise ValueError(f"max_delay must lie between 0 and 2 seconds, not {max_delay!r}")
        step = rate // BAND_RATE
        zones = (0,) if step == 1 else (0, 1)
        self._bands = [EchoBand(rate, Thinner(rate, step, zone), max_delay) for zone in zones]
        self._back = round((SPAN + max_delay + LATE + LONG) * rate)
        self._ahead = round(EARLY * rate)
        self._end = 0

    def played(self, pcm: bytes, position: int) -> None:
        """Agent audio, S16LE, that sounds from `position` on, now or later; the rest is silence."""
        if len(pcm) % 2:
            raise ValueError(f"S16LE audio has an even number of bytes, not {len(pcm)}")
        for band in self._bands:
            band.reference.write(pcm, position)

    def flushed(self, position: int) -> None:
        """What was to sound from `position` on never did."""
        for band in self._bands:
            band.reference.erase_from(position)

    def cut(self, position: int) -> None:
        """The microphone broke off and goes on at `position`; what was played stays."""
        self._end = position
        for band in self._bands:
            band.cut(position)

    def heard(self, pcm: bytes, position: int) -> None:
        """The microphone's next window, S16LE of 5 ms or more; looked at only when asked about."""
        self._end = position + len(pcm) // 2
        for band in self._bands:
            band.heard(pcm, position)

    def sounding(self) -> bool:
        """Whether agent audio could be in the last window's comparison; else nothing is explained."""
        return self._bands[0].reference.sounds(self._end - self._back, self._end + self._ahead)

    def remains(self, enough: float) -> float:
        """RMS (full scale 1.0, below 8 kHz) of the newest 20 ms that the agent's audio does not explain.

        A value under `enough` need not be the least that could be found.
        """
        left = 0.0
        for band in self._bands:
            left = math.hypot(left, band.remains(enough))
            if left >= enough:
                break
        return left
