"""Explains one band of what the microphone carries by what was played: a delay, and a short filter around it.

An echo is what was played a moment ago, through one short filter (loudspeaker, room, resamplers, a
fraction of a sample of delay). So the last 160 ms of the microphone are compared with everything that
sounded up to `max_delay` before: normalised cross-correlation finds the delay, least squares the filter
around it, and what the filter cannot explain of the newest 20 ms is what somebody else may have said.

It is tried from cheap to dear, and the first explanation that leaves no more than asked for ends the
search: a short filter at the delay that worked last; one at the best delay of all; a long filter there,
for rooms that ring, unless the short one was far from it; and one for the newest 40 ms alone, for the
moments after a player ran dry and the delay jumped. A loud sound that nothing played resembles is not
looked at any closer.

A model is never perfect (clipping, a room longer than the filter), so a residual under a quarter of the
explained echo, taken at its loudest within the 160 ms, counts as nothing: somebody 12 dB below the echo
is not heard through it.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from voxemu.dialogue.microphone_tape import MicrophoneTape
from voxemu.dialogue.reference import Floats, Reference, Thinner

Doubles = npt.NDArray[np.float64]

SPAN: Final = 0.16  # seconds compared at once: longer was no better, in less a filter explains too much
LEAST: Final = 0.1  # with less than this since the stream began or broke off nothing is said to remain
NEWEST: Final = 0.02  # the residual is measured here
RECENT: Final = 0.04
EARLY: Final = 0.04  # an echo may seem to come before its cause, by the jitter of the network,
LATE: Final = 0.05  # and by this much later than the longest delay
LEAD: Final = 0.001  # filter before the delay found, for fractions of a sample and a peak found off its place
SHORT: Final = 0.006  # and after it
LONG: Final = 0.015
HOPELESS: Final = 12.0  # a long filter has been seen to leave a tenth of what the short one left, never less
UNLIKE: Final = (0.05, 0.12)  # of so loud a sound an echo has left more than a tenth; in 40 ms a quarter
LEAK: Final = 0.25
VECTOR: Final = 32
EMPHASIS: Final = 0.9  # voices are loudest where they tell least about the delay
LOOSE: Final = 1e-3  # ridge, as a share of the reference's energy: thinned audio is empty near its edge
ROOM_NOISE: Final = 2e-5  # ridge, mean square: near silence, blown up, must not explain a voice


class EchoBand:
    """What was played and what the microphone heard, in one band, and what of the one is not the other.

    All positions are samples before thinning, on the user's axis; `max_delay` is in seconds.
    """

    def __init__(
        self, thinner: Thinner, reference: Reference, tape: MicrophoneTape, max_delay: float
    ) -> None:
        self._thinner = thinner
        self._reference = reference
        self._tape = tape
        self._span = self._thinned(SPAN)
        self._early = self._thinned(EARLY)
        self._late = self._thinned(max_delay + LATE)
        self._lead, self._short, self._long = self._thinned(LEAD), self._thinned(SHORT), self._thinned(LONG)
        self.cut()

    def cut(self) -> None:
        """The microphone broke off; what was played stays."""
        self._heard: Floats = np.zeros(0, np.float32)
        self._heard_to = self._tape.start
        self._lag: int | None = None

    def remains(self, enough: float, *, reached: bool = True) -> float:
        """RMS (full scale 1.0) of the newest 20 ms that what was played does not explain.

        A value under `enough` need not be the least that could be found. Not `reached`: nothing sounded that
        any delay and any filter could bring into them.
        """
        self._catch_up()
        mic = self._heard
        if len(mic) < self._thinned(LEAST):
            return 0.0
        level = _rms(mic[-self._thinned(NEWEST) :])
        if level < enough or (not reached and level > LEAK * math.sqrt(SPAN / NEWEST) * _rms(mic)):
            # Too quiet to matter; or all of it remains, and is more than a loud echo before it would cover.
            return level
        first = (self._tape.end - 1) // self._thinner.step - len(mic) + 1
        before = self._late + self._long
        ref = self._reference.read(
            self._thinner, first - before, before + len(mic) + self._early + self._lead
        )
        tracked = None if self._lag is None else before - self._lag
        least = math.inf if tracked is None else self._unexplained(mic, ref, tracked, self._short)
        if least < enough:
            return least
        played = _Played(ref)
        loud = level > HOPELESS * enough
        offset, likeness = self._best_offset(mic, played)
        if loud and likeness < UNLIKE[0]:
            return min(least, level, self._unexplained_recently(mic, ref, played, loud=loud))
        if offset != tracked:
            again = self._unexplained(mic, ref, offset, self._short)
            offset = offset if again < least or tracked is None else tracked
            least = min(least, again)
        if enough <= least < HOPELESS * enough:
            least = min(least, self._unexplained(mic, ref, offset, self._long))
        if least < enough:
            self._lag = before - offset
            return least
        return min(least, self._unexplained_recently(mic, ref, played, loud=loud))

    def _unexplained_recently(self, mic: Floats, ref: Floats, played: _Played, *, loud: bool) -> float:
        recent = self._thinned(RECENT)
        skipped = len(mic) - recent
        offset, likeness = self._best_offset(mic[skipped:], played, skipped)
        if loud and likeness < UNLIKE[1]:
            return math.inf
        return self._unexplained(mic[skipped:], ref[skipped:], offset, self._short)

    def _best_offset(self, mic: Floats, played: _Played, skipped: int = 0) -> tuple[int, float]:
        """Where in what was played, its first samples skipped, a stretch resembles `mic` most, with room
        around it for the long filter; and how much of `mic`'s energy it makes up without any filter."""
        mic = _emphasised(mic)
        count = len(played.energy) - len(mic)
        spectrum = played.spectrum * np.conj(np.fft.rfft(mic, played.size, norm="ortho"))
        alike = np.fft.irfft(spectrum, played.size, norm="ortho")[skipped:count]
        stretch = played.energy[skipped + len(mic) :] - played.energy[skipped:count]
        likeness = alike * alike * played.size / (stretch + ROOM_NOISE * len(mic))
        best = self._long + int(np.argmax(likeness[self._long : len(likeness) - self._lead]))
        return best, float(likeness[best]) / float(mic.dot(mic))

    def _unexplained(self, mic: Floats, ref: Floats, offset: int, reach: int) -> float:
        """RMS left of the newest 20 ms by the best filter from `LEAD` before to `reach` after `offset`."""
        count = len(mic)
        taps = reach + self._lead + 1
        delayed = ref[offset - reach : offset + self._lead + count]
        normal = _normal_matrix(delayed, taps)
        diagonal = np.einsum("ii->i", normal)
        diagonal += LOOSE * float(diagonal.mean()) + ROOM_NOISE * count
        best: Doubles = np.linalg.solve(normal, np.correlate(delayed, mic)).astype(np.float64, copy=False)
        explained = _filtered(delayed, best)
        newest = self._thinned(NEWEST)
        level = _rms(mic[-newest:] - explained[-newest:])
        pieces = explained[count % newest :].reshape(-1, newest)
        loudest = math.sqrt(float(np.einsum("ij,ij->i", pieces, pieces).max()) / newest)
        return level if level > LEAK * loudest else 0.0

    def _catch_up(self) -> None:
        """Thins out what has come since the last time, or the newest of it."""
        first = self._tape.end - (self._span + 1) * self._thinner.step
        if first > self._heard_to:
            self._heard, self._heard_to = self._heard[:0], first
        fresh = self._thinner.thin(self._tape.since(self._heard_to - self._thinner.reach), self._heard_to)
        self._heard = np.concatenate([self._heard, fresh])[-self._span :]
        self._heard_to = self._tape.end

    def _thinned(self, seconds: float) -> int:
        return round(seconds * self._thinner.rate)


class _Played:
    """What was played, made ready to be searched for a stretch of the microphone."""

    def __init__(self, samples: Floats) -> None:
        samples = _emphasised(samples)
        self.size = _quick(len(samples))
        # The lags looked at do not wrap around.
        self.spectrum = np.fft.rfft(samples, self.size, norm="ortho")
        # Not the usual norm: with that numpy works in double precision, whatever it is given.
        self.energy = np.concatenate(([0.0], np.cumsum(samples.astype(np.float64) ** 2)))
        # Of all samples before each.


def _normal_matrix(samples: Floats, taps: int) -> Doubles:
    """What so many copies of `samples`, each a sample later than the one before, have in common: shape
    (taps, taps).

    Two copies and the two behind them overlap alike but for their ends: one product comes in, one goes. So
    a first product for every distance is worked out, and the rest of its diagonal is a running sum.
    """
    wide = samples.astype(np.float64)
    head, tail = wide[: taps - 1], wide[len(samples) - taps + 1 :]
    diagonals = np.empty((taps, taps))  # a row for every distance; beyond the end of its diagonal, no matter
    diagonals[:, 0] = np.correlate(samples, samples[: len(samples) - taps + 1])
    diagonals[:, 1:] = _shifted(tail) * tail - _shifted(head) * head
    np.cumsum(diagonals, axis=1, out=diagonals)
    normal: Doubles = diagonals.take(_places(taps))
    return normal


def _filtered(samples: Floats, taps: Doubles) -> Floats:
    """By as many taps as vectors hold, the last of them zero: a product of an odd length costs more than that
    of the next even one."""
    more = -len(taps) % VECTOR
    kernel = np.zeros(len(taps) + more, np.float32)
    kernel[: len(taps)] = taps
    filtered: Floats = np.correlate(np.concatenate((samples, np.zeros(more, np.float32))), kernel)
    return filtered


def _shifted(samples: Doubles) -> Doubles:
    """Row `n` holds the samples from `n` on, and zeros behind them; one row more than samples."""
    count = len(samples)
    padded = np.concatenate((samples, np.zeros(count)))
    (width,) = padded.strides
    return np.lib.stride_tricks.as_strided(padded, (count + 1, count), (width, width), writeable=False)


@lru_cache(maxsize=64)
def _quick(length: int) -> int:
    """The next length that is transformed quickly: a power of two, or three or five quarters of one."""
    power = 1 << (length - 1).bit_length()
    return min(size for size in (power // 8 * 5, power // 4 * 3, power) if size >= length)


@lru_cache(maxsize=8)
def _places(taps: int) -> npt.NDArray[np.intp]:
    """Where each entry of a symmetric matrix stands when its diagonals are written as rows."""
    row, column = np.indices((taps, taps))
    places: npt.NDArray[np.intp] = abs(row - column) * taps + np.minimum(row, column)
    return places


def _rms(samples: Floats) -> float:
    return math.sqrt(float(samples.dot(samples)) / len(samples))


def _emphasised(samples: Floats) -> Floats:
    slope: Floats = samples[1:] - np.float32(EMPHASIS) * samples[:-1]
    return slope
