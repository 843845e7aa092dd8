"""What every contestant of a benchmark is asked to bear: the same call, over and over, in both directions.

The user streams a frame of 20 ms without pause: a second of speech, then a quiet room until the period is
over. The agent speaks (nearly) all the rest: its reply begins when the turn has ended and is longer than the
period, so the next turn always interrupts it. Each period is a turn, a reply and a barge-in.

    frame       0          25               50       60                                         period
    user        speech ...................  quiet ................................................
    agent       ...reply  | silent                  | reply ......................................
                          confirmed                 endpointed

So the agent sounds in all but ``SILENT`` frames of a period, whoever plays it: an emulator that detects and
decides, or a baseline that goes by the clock. What a contestant sends can be counted, and is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

PTIME = 0.02
# Seconds of a frame.
SPEECH, CONFIRM, HANGOVER = 50, 25, 10
# Frames: of a turn; of speech that stops the agent; of quiet that ends a turn.
THINK = 0.01
# Seconds from the end of a turn to its reply, so that the last frame of one and the barge-in never meet.
SILENT = SPEECH - CONFIRM + HANGOVER
# Frames of a period in which the agent has nothing to say.
LEVEL, HISS = 8000, 3
GOLDEN = (5**0.5 - 1) / 2
# Its multiples fall evenly between two whole numbers, however many there are.


@dataclass(frozen=True, slots=True)
class Workload:
    frames: int = 150
    # Of a period.

    @property
    def seconds(self) -> float:
        return self.frames * PTIME

    @property
    def spoken(self) -> int:
        """Frames of a period in which the agent sounds."""
        return self.frames - SILENT

    @property
    def duplex(self) -> float:
        """The share of the time in which both directions carry sound."""
        return self.spoken / self.frames

    @property
    def warm(self) -> int:
        """Frames after which every session is where it would be had it always been there."""
        return self.frames + CONFIRM + 5

    @property
    def answered(self) -> int:
        """Frames after which the first two sessions have been answered."""
        return self.quiet(1) + SPEECH + HANGOVER + 10

    def quiet(self, number: int) -> int:
        """Frames of quiet before the first turn of session ``number``; sessions are spread over a period."""
        return int(number * GOLDEN % 1 * self.frames)

    def at(self, number: int, frame: int) -> int:
        """Which frame of the period session ``number`` sends as its ``frame``-th."""
        since = frame - self.quiet(number)
        return since % self.frames if since >= 0 else self.frames - 1

    def turns(self, number: int, sent: int) -> int:
        """How many turns of session ``number`` have ended when it has sent so many frames."""
        return _times(SPEECH + HANGOVER, sent - self.quiet(number), self.frames)

    def barge_ins(self, number: int, sent: int) -> int:
        """How many replies it has interrupted: all but the first turn find the agent speaking."""
        return max(0, _times(CONFIRM, sent - self.quiet(number), self.frames) - 1)

    def talk(self, rate: int) -> list[bytes]:
        return talk(rate, self.frames)

    def settings(self) -> Iterator[str]:
        """Lines of an emu.toml for a server of ours that plays its part."""
        yield f'agent = "tone:330:{self.seconds:g}"'
        yield "[dialogue]"
        yield f"hangover = {HANGOVER * PTIME:g}"
        yield f"think_time = {THINK:g}"
        yield f"barge_in_confirm = {CONFIRM * PTIME:g}"
        yield "[lokutor]"
        # Its own is 60: three times fewer frames than the baseline sends.
        yield f"frame_ms = {1000 * PTIME:g}"


def talk(rate: int, frames: int = 150) -> list[bytes]:
    """PCM16 frames of a period: speech, then a quiet room."""
    # Here, so that the baselines, which only count, do not load it.
    import numpy as np

    dice = np.random.default_rng(1)
    size = round(PTIME * rate)
    pcm = dice.integers(-HISS, HISS + 1, frames * size)
    at = np.arange(SPEECH * size) / rate
    voice = sum(np.sin(2 * np.pi * 140 * n * at + n) / n for n in range(1, 12))
    pcm[: len(at)] += (LEVEL * voice * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * at)) / 2).astype(int)
    whole = np.clip(pcm, -32768, 32767).astype("<i2").tobytes()
    return [whole[n : n + 2 * size] for n in range(0, len(whole), 2 * size)]


def _times(first: int, sent: int, period: int) -> int:
    """How often frame ``first`` of a period is among ``sent``, counted from the beginning of one."""
    return 0 if sent < first else 1 + (sent - first) // period
