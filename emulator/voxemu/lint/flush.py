"""F-NOT-FLUSHED: marked audio, sent after an interruption, is heard in the microphone."""

from __future__ import annotations

from voxemu.audio import floats
from voxemu.events import Event, FaultInjected
from voxemu.fault import MARK_HZ
from voxemu.lint.tally import Tally

LISTENS = 5.0
# Seconds after the marked audio in which it may sound.
WINDOW = 0.1
# Seconds that are judged at once.
FAINT = 0.002
# A mark below this level (full scale is 1) is nobody's loudspeaker.
SHARE = 0.25
# Of the energy in a window that each of the two tones has at least; alone they have half each.
CERTAIN = 2
# Windows.


class FlushCheck:
    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self.until = -1.0
        # When marked audio may sound at the latest.
        self._waiting = b""
        self._windows = 0

    def saw(self, event: Event, now: float) -> None:
        if isinstance(event, FaultInjected) and event.kind == "late_audio" and "text=mark" in event.detail:
            self.until = now + LISTENS
            self._waiting, self._windows = b"", 0

    def heard(self, pcm: bytes, rate: int) -> None:
        """Of the microphone, until then."""
        self._waiting += pcm
        size = 2 * round(WINDOW * rate)
        while len(self._waiting) >= size:
            window, self._waiting = self._waiting[:size], self._waiting[size:]
            self._windows += _is_marked(window, rate)
            if self._windows >= CERTAIN:
                self._tally.suspect("F-NOT-FLUSHED")
                seen = "audio that was sent after the interruption sounds in the microphone"
                self._tally.find("F-NOT-FLUSHED", seen)


def _is_marked(window: bytes, rate: int) -> bool:
    # Where nobody asks for this check, nothing waits for numpy.
    import numpy as np

    samples = floats(window).astype(np.float64)
    energy = float(np.mean(samples**2))
    if energy < FAINT**2:
        return False
    time = np.arange(len(samples)) / rate
    for hertz in MARK_HZ:
        amplitude = 2 * abs(np.mean(samples * np.exp(-2j * np.pi * hertz * time)))
        if amplitude**2 / 2 < SHARE * energy:
            return False
    return True
