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

from voxemu.dialogue.echo_band import EARLY, LATE, LONG, NEWEST, SPAN, EchoBand
from voxemu.dialogue.microphone_tape import MicrophoneTape
from voxemu.dialogue.reference import Reference, Thinner

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
        thinners = [Thinner(rate, step, zone) for zone in zones]
        back = SPAN + max_delay + LATE + LONG
        self._reference = Reference(rate, thinners, back + 0.1)
        self._tape = MicrophoneTape(round(SPAN * rate) + thinners[0].reach + step)
        self._bands = [EchoBand(thinner, self._reference, self._tape, max_delay) for thinner in thinners]
        self._back = round(back * rate)
        self._ahead = round(EARLY * rate)
        self._reach = round((NEWEST + max_delay + LATE + LONG) * rate) + thinners[0].reach

    def played(self, pcm: bytes, position: int) -> None:
        """Agent audio, S16LE, that sounds from `position` on, now or later; the rest is silence."""
        if len(pcm) % 2:
            raise ValueError(f"S16LE audio has an even number of bytes, not {len(pcm)}")
        self._reference.passed(self._tape.end)
        self._reference.write(pcm, position)

    def flushed(self, position: int) -> None:
        """What was to sound from `position` on never did."""
        self._reference.erase_from(position)

    def cut(self, position: int) -> None:
        """The microphone broke off and goes on at `position`; what was played stays."""
        self._tape.cut(position)
        for band in self._bands:
            band.cut()

    def heard(self, pcm: bytes, position: int) -> None:
        """The microphone's next window, S16LE of 5 ms or more; looked at only when asked about."""
        self._tape.add(pcm, position)

    def sounding(self) -> bool:
        """Whether agent audio could be in the last window's comparison; else nothing is explained."""
        end = self._tape.end
        return self._reference.sounds(end - self._back, end + self._ahead)

    def remains(self, enough: float) -> float:
        """RMS (full scale 1.0, below 8 kHz) of the newest 20 ms that the agent's audio does not explain.

        A value under `enough` need not be the least that could be found.
        """
        left, end = 0.0, self._tape.end
        reached = self._reference.sounds(end - self._reach, end + self._ahead)
        for band in self._bands:
            left = math.hypot(left, band.remains(enough, reached=reached))
            if left >= enough:
                break
        return left
