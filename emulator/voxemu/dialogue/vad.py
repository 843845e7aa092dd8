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

from voxemu.dialogue.detection import DetectionSettings
from voxemu.dialogue.echo_guard import EchoGuard
from voxemu.dialogue.noise_floor import NoiseFloor

RATES: Final = (8000, 48000)
TRUSTED: Final = 2
# Loud windows that follow one which the guard found to be the user's, within confirmed speech, and are taken
# for the user's too: an echo in the user's last 40 ms counts as theirs, and the guard works a third as much.
_FULL_SCALE: Final = 32768.0
FAINT: Final = 256 / _FULL_SCALE
# RMS of full scale: no window whose samples are no larger, either way, is louder; high bytes tell.
_FAINT_BYTES: Final = b"\x00\xff"
AT_ONCE: Final = 8
# Faint windows in which the room is learnt together.
_PCM16: Final = np.dtype("<i2")


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
        self._size = max(1, round(settings.window * rate))  # samples in a window
        self._bytes = 2 * self._size
        self._weighing = np.ones((2, self._size))
        # For one window: its samples go into the first row, so that one product gives the sum of their
        # squares, and theirs.
        self._zeros = bytes(self._bytes)
        self._needed = max(1, math.ceil(round(settings.start_confirm * rate) / self._size))
        self._hangover = round(settings.hangover * rate)
        self._room = NoiseFloor(rate, settings.window)
        self._faint: list[bytes] = []
        # Windows too faint to be anything but the room, still to be learnt from.
        self._start_over_floor, self._start_at_least = settings.over_floor, settings.threshold
        above_floor = settings.hysteresis * (settings.over_floor - 1)
        self._stay_over_floor = 1 + above_floor
        self._stay_at_least = settings.hysteresis * settings.threshold
        self._puts_off = self._stay_at_least > FAINT
        self._set_bars()
        self._speaking = False
        self._trusted = 0
        # Loud windows that are the user's without asking the guard.
        self.echoed = 0
        # Samples that were loud, and the agent's own voice.
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
        self._learn()
        return self._room.level

    def feed(self, pcm: bytes) -> list[SpeechStarted | SpeechEnded]:
        """The next samples, any even number of bytes. Raises ValueError for an odd one."""
        if len(pcm) % 2:
            raise ValueError(f"S16LE audio has an even number of bytes, not {len(pcm)}")
        if self._partial:
            pcm = self._partial + pcm
        size, at = self._bytes, 0
        found = []
        while len(pcm) - at >= size:
            event = self._hear(pcm[at : at + size])
            if event is not None:
                found.append(event)
            at += size
        self._partial = pcm[at:]
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
        self._learn()
        self._partial = self._before = b""
        self._done = position
        self._forget_run()
        self._room.forget_sound()
        if self._guard is not None:
            self._guard.cut(position)
        return ended

    def _hear(self, window: bytes) -> SpeechStarted | SpeechEnded | None:
        if self._guard is not None:
            self._guard.heard(window, self._done)
        if not self._speaking and not self._run and self._is_the_room(window):
            self._done += self._size
            return None
        if self._faint:
            self._learn()
        level, explained = self._level(window), False
        if self._guard is not None and level >= self._stay_bar and self._guard.sounding():
            explained = True
            if self._speaking and self._trusted:
                self._trusted -= 1
            else:
                level = min(level, self._guard.remains(self._stay_bar))
                self._trusted = TRUSTED if level >= self._stay_bar else 0
                self.echoed += 0 if self._trusted else self._size
        self._done += self._size
        if self._speaking:
            return self._go_on(level, window, explained)
        if self._run or level >= self._start_bar:
            return self._wait(level, window)
        if level and not explained:
            self._room.quiet(level)
            self._set_bars()
        return None

    def _is_the_room(self, window: bytes) -> bool:
        """Whether it can be nothing else; what it says of the room is learnt later, with that of others."""
        if window == self._zeros:
            return True
        if not self._puts_off or window[1::2].translate(None, _FAINT_BYTES):
            return False
        self._faint.append(window)
        if len(self._faint) == AT_ONCE:
            self._learn()
        return True

    def _learn(self) -> None:
        """What the faint windows say of the room, in their order. Sums are exact, so several at once give
        what each by itself would."""
        if not self._faint:
            return
        samples = np.frombuffer(b"".join(self._faint), _PCM16).astype(np.float64).reshape(-1, self._size)
        ones = self._weighing[1]
        totals, powers = samples.dot(ones), (samples * samples).dot(ones)
        self._faint.clear()
        for total, power in zip(totals.tolist(), powers.tolist(), strict=True):
            if level := self._rms(total, power):
                self._room.quiet(level)
        self._set_bars()

    def _level(self, window: bytes) -> float:
        """RMS of full scale, without the mean: an offset is no sound."""
        if window == self._zeros:
            return 0.0
        samples = self._weighing[0]
        samples[:] = np.frombuffer(window, _PCM16)
        power, total = self._weighing.dot(samples).tolist()
        return self._rms(total, power)

    def _rms(self, total: float, power: float) -> float:
        """Of the sum of a window's samples, and of their squares."""
        power -= total * total / self._size
        return math.sqrt(power / self._size) / _FULL_SCALE if power > 0.0 else 0.0

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
        floor = self._room.level
        start, stay = floor * self._start_over_floor, floor * self._stay_over_floor
        self._start_bar = start if start > self._start_at_least else self._start_at_least
        self._stay_bar = stay if stay > self._stay_at_least else self._stay_at_least
