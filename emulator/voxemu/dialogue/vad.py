"""Who is speaking, and since which sample: energy against two thresholds, counted in samples.

The stream is cut into windows on a grid that begins at the first sample (and again after each `cut`), and
every decision is taken at the end of a window, so the answer does not depend on how the audio was cut
into messages. Sums over a window are exact (integers in float64), so it does not depend on the machine
either.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from voxemu.dialogue.echo_guard import EchoGuard
from voxemu.dialogue.noise_floor import NoiseFloor

RATES: Final = (8000, 48000)
_FULL_SCALE: Final = 32768.0


@dataclass(frozen=True, slots=True)
class DetectionSettings:
    """When a sound is speech. Times in seconds, levels as RMS of full scale.

    The threshold of 0.02 (-34 dBFS) is the one the vendors' own clients used: ordinary speech lies
    between -30 and -16 dBFS while it is voiced, a laptop in a quiet room under -45 dBFS, and a test tone
    far above. Three windows of 20 ms in a row keep clicks and key strokes out; half a second of hangover
    spans the pauses between words.

    Raises ValueError naming the field and its range.
    """

    start_confirm: float = 0.06  # as much loud sound in a row is needed
    hangover: float = 0.5
    threshold: float = 0.02
    over_floor: float = 2.0  # and this many times the noise floor
    hysteresis: float = 0.5
    # Speech goes on above this share of the threshold, and above this share of the way from the floor to
    # its multiple (a share of that multiple itself would fall below the noise).
    window: float = 0.02
    echo_guard: bool = False

    def __post_init__(self) -> None:
        _check("start_confirm", self.start_confirm, 0.0, 2.0)
        _check("hangover", self.hangover, 0.02, 10.0)
        _check("threshold", self.threshold, 0.0001, 1.0)
        _check("over_floor", self.over_floor, 1.0, 100.0)
        _check("hysteresis", self.hysteresis, 0.05, 1.0)
        _check("window", self.window, 0.005, 0.1)


def _check(field: str, value: float, lowest: float, highest: float) -> None:
    if not lowest <= value <= highest:  # also refuses NaN
        raise ValueError(f"{field} must lie between {lowest:g} and {highest:g}, not {value!r}")


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Somebody began to speak; both are sample positions."""

    start: int  # where the first loud window begins
    confirmed: int  # where it had lasted long enough


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """Somebody stopped speaking; all are sample positions."""

    start: int
    end: int  # where the last window with speech ends
    confirmed: int  # end + hangover, or where the stream broke off


class Detector:
    """Finds speech in a stream of S16LE mono at `rate` Hz whose next sample is at `position`.

    `guard` is asked what of a loud window is not the agent's own voice coming back; it is needed, and
    used, when `settings.echo_guard` says so. Raises ValueError for a rate out of range or a missing
    guard.
    """

    def __init__(
        self, rate: int, settings: DetectionSettings, guard: EchoGuard | None = None, position: int = 0
    ) -> None:
        if not RATES[0] <= rate <= RATES[1]:
            raise ValueError(f"rate must lie between {RATES[0]} and {RATES[1]} Hz, not {rate}")
        if settings.echo_guard and guard is None:
            raise ValueError("echo_guard is set, so a guard must be given")
        self._guard = guard if settings.echo_guard else None
        self._settings = settings
        self._size = max(1, round(settings.window * rate))  # samples in a window
        self._ones = np.ones(self._size)
        self._zeros = bytes(2 * self._size)
        self._needed = max(1, math.ceil(round(settings.start_confirm * rate) / self._size))
        self._hangover = round(settings.hangover * rate)
        self._room = NoiseFloor(rate, settings.window)
        self._set_bars()
        self._speaking = False
        self._partial = b""
        self._before = b""
        self._done = self._start = self._last = position  # where the next window begins
        self._forget_run()

    @property
    def speaking(self) -> bool:
        """Whether speech is confirmed and not yet ended."""
        return self._speaking

    @property
    def loud_to(self) -> int:
        """Where the last window with speech ends; meaningful while speaking."""
        return self._last

    @property
    def position(self) -> int:
        """Where the next sample fed will stand."""
        return self._done + len(self._partial) // 2

    @property
    def floor(self) -> float:
        """The level of the room, as RMS of full scale."""
        return self._room.level

    def feed(self, pcm: bytes) -> list[SpeechStarted | SpeechEnded]:
        """The next samples, any even number of bytes. Raises ValueError for an odd one."""
        if len(pcm) % 2:
            raise ValueError(f"S16LE audio has an even number of bytes, not {len(pcm)}")
        if self._partial:
            pcm = self._partial + pcm
        size = 2 * self._size
        whole = len(pcm) - len(pcm) % size
        found = []
        for at in range(0, whole, size):
            event = self._hear(pcm[at : at + size])
            if event is not None:
                found.append(event)
        self._partial = pcm[whole:]
        return found

    def cut(self, position: int) -> SpeechEnded | None:
        """The stream breaks off and goes on at `position`: an input gap, a full turn, the end of the call.

        Open speech ends with its last loud window. A part of a window and a sound not yet confirmed are
        dropped, because nothing may join across the break. The noise floor is kept. Raises ValueError for
        a position already passed.
        """
        broke_off = self.position
        if position < broke_off:
            raise ValueError(f"the stream is at sample {broke_off} and cannot go back to {position}")
        ended = SpeechEnded(self._start, self._last, broke_off) if self._speaking else None
        self._speaking = False
        self._partial = self._before = b""
        self._done = position
        self._forget_run()
        self._room.forget_sound()
        if self._guard is not None:
            self._guard.cut(position)
        return ended

    def _hear(self, window: bytes) -> SpeechStarted | SpeechEnded | None:
        level = self._level(window)
        explained = False
        if self._guard is not None:
            self._guard.heard(window, self._done)
            if level >= self._stay_bar and self._guard.sounding():
                level = min(level, self._guard.remains(self._stay_bar))
                explained = True
        self._done += self._size
        if self._speaking:
            return self._go_on(level, window, explained)
        if level < self._start_bar and not self._run:
            if not explained:
                self._room.quiet(level)
                self._set_bars()
            return None
        return self._wait(level, window)

    def _level(self, window: bytes) -> float:
        """RMS of full scale, without the mean: an offset is no sound."""
        if window == self._zeros:
            return 0.0
        samples = np.frombuffer(window, "<i2").astype(np.float64)
        total = float(samples.dot(self._ones))
        power = float(samples.dot(samples)) - total * total / self._size
        return math.sqrt(max(0.0, power) / self._size) / _FULL_SCALE

    def _wait(self, level: float, window: bytes) -> SpeechStarted | None:
        """Not yet speech: a run of loud windows. One weaker window is forgiven, no two of them in a row."""
        if level >= self._start_bar:
            if not self._run:
                self._start = self._done - self._size
                self._room.forget_sound()
            self._run += 1
            self._dipped = False
            self._last = self._done
        elif level >= self._stay_bar and not self._dipped:
            self._dipped = True
        else:
            self._forget_run()
            return None
        self._before = window
        if self._run < self._needed:
            return None
        self._speaking = True
        return SpeechStarted(self._start, self._done)

    def _go_on(self, level: float, window: bytes, explained: bool) -> SpeechEnded | None:
        # What the guard looked at is the agent, who is no part of the room's noise.
        self._room.loud(0.0 if explained else level, self._before, window)
        self._before = window
        self._set_bars()
        if level >= self._stay_bar:
            self._last = self._done
        if self._done - self._last < self._hangover:
            return None
        self._speaking = False
        self._forget_run()
        return SpeechEnded(self._start, self._last, self._last + self._hangover)

    def _forget_run(self) -> None:
        self._run = 0
        self._dipped = False
        if not self._speaking:
            self._before = b""

    def _set_bars(self) -> None:
        """Both thresholds follow the floor."""
        settings, floor = self._settings, self._room.level
        self._start_bar = max(settings.threshold, settings.over_floor * floor)
        above_floor = settings.hysteresis * (settings.over_floor - 1)
        self._stay_bar = max(settings.hysteresis * settings.threshold, floor * (1 + above_floor))
