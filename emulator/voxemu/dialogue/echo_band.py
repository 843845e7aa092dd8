"""Explains one band of what the microphone carries by what was played: a delay, and a short filter around it.

An echo is what was played a moment ago, through one short filter (loudspeaker, room, resamplers, a
fraction of a sample of delay). So the last 160 ms of the microphone are compared with everything that
sounded up to `max_delay` before: normalised cross-correlation finds the delay, least squares the filter
around it, and what the filter cannot explain of the newest 20 ms is what somebody else may have said.

It is tried from cheap to dear, and the first explanation that leaves no more than asked for ends the
search: a short filter at the delay that worked last; one at the best delay of all; a long filter there,
for rooms that ring; and one for the newest 40 ms alone, for the moments after a player ran dry and the
delay jumped.

A model is never perfect (clipping, a room longer than the filter), so a residual under a quarter of the
explained echo, taken at its loudest within the 160 ms, counts as nothing: somebody 12 dB below the echo
is not heard through it.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final

import numpy as np

from voxemu.dialogue.reference import Floats, Reference, Thinner

SPAN: Final = 0.16  # seconds compared at once: longer was no better, in less a filter explains too much
LEAST: Final = 0.1  # with less than this since the stream began or broke off nothing is said to remain
NEWEST: Final = 0.02  # the residual is measured here
RECENT: Final = 0.04
EARLY: Final = 0.04  # an echo may seem to come before its cause, by the jitter of the network,
LATE: Final = 0.05  # and by this much later than the longest delay
LEAD: Final = 0.001  # filter before the delay found, for fractions of a sample and a peak found off its place
SHORT: Final = 0.006  # and after it
LONG: Final = 0.015
LEAK: Final = 0.25
EMPHASIS: Final = 0.9  # voices are loudest where they tell least about the delay
LOOSE: Final = 1e-3  # ridge, as a share of the reference's energy: thinned audio is empty near its edge
ROOM_NOISE: Final = 2e-5  # ridge, mean square: near silence, blown up, must not explain a voice


class EchoBand:
    """What was played and what the microphone heard, in one band, and what of the one is not the other.

    All positions are samples before thinning, on the user's axis; `max_delay` is in seconds.
    """

    def __init__(self, rate: int, thinner: Thinner, max_delay: float) -> None:
        self._thinner = thinner
        self._span = self._thinned(SPAN)
        self._early = self._thinned(EARLY)
        self._late = self._thinned(max_delay + LATE)
        self._lead, self._short, self._long = self._thinned(LEAD), self._thinned(SHORT), self._thinned(LONG)
        self.reference = Reference(rate, thinner, SPAN + max_delay + LATE + LONG + 0.1)
        self.cut(0)

    def cut(self, position: int) -> None:
        """The microphone broke off and goes on at `position`; what was played stays."""
        self._end = position
        self._heard: Floats = np.zeros(0, np.float32)
        self._waiting: deque[tuple[bytes, int]] = deque()
        self._waiting_samples = 0
        self._before = bytes(2 * self._thinner.reach)
        self._lag: int | None = None
        self.reference.passed(position)

    def heard(self, pcm: bytes, position: int) -> None:
        """The microphone's next window, S16LE of 5 ms or more; thinned out only when asked about."""
        self._end = position + len(pcm) // 2
        self._waiting.append((pcm, position))
        self._waiting_samples += len(pcm) // 2
        oldest = len(self._waiting[0][0]) // 2
        if self._waiting_samples - oldest > (self._span + 1) * self._thinner.step:
            self._before = self._tail(self._waiting.popleft()[0])
            self._waiting_samples -= oldest
            self._heard = self._heard[:0]
        self.reference.passed(self._end)

    def remains(self, enough: float) -> float:
        """RMS (full scale 1.0) of the newest 20 ms that what was played does not explain.

        A value under `enough` need not be the least that could be found.
        """
        self._catch_up()
        mic = self._heard
        if len(mic) < self._thinned(LEAST):
            return 0.0
        level = _rms(mic[-self._thinned(NEWEST) :])
        if level < enough:
            return level
        first = (self._end - 1) // self._thinner.step - len(mic) + 1
        before = self._late + self._long
        ref = self.reference.read(first - before, before + len(mic) + self._early + self._lead)
        tracked = None if self._lag is None else before - self._lag
        least = math.inf if tracked is None else self._unexplained(mic, ref, tracked, self._short)
        if least < enough:
            return least
        offset = self._best_offset(mic, ref)
        if offset != tracked:
            again = self._unexplained(mic, ref, offset, self._short)
            offset = offset if again < least or tracked is None else tracked
            least = min(least, again)
        if least >= enough:
            least = min(least, self._unexplained(mic, ref, offset, self._long))
        if least < enough:
            self._lag = before - offset
            return least
        return min(least, self._unexplained_recently(mic, ref))

    def _unexplained_recently(self, mic: Floats, ref: Floats) -> float:
        recent = self._thinned(RECENT)
        mic, ref = mic[-recent:], ref[len(mic) - recent :]
        return self._unexplained(mic, ref, self._best_offset(mic, ref), self._short)

    def _best_offset(self, mic: Floats, ref: Floats) -> int:
        """Where in `ref` a stretch resembles `mic` most, with room around it for the long filter."""
        mic, ref = _emphasised(mic), _emphasised(ref)
        # Of a length that is transformed quickly; the lags looked at do not wrap around.
        size = 1 << (len(ref) - 1).bit_length()
        spectrum = np.fft.rfft(ref, size) * np.conj(np.fft.rfft(mic, size))
        alike = np.fft.irfft(spectrum, size)[: len(ref) - len(mic) + 1]
        energy = np.concatenate(([0.0], np.cumsum(ref.astype(np.float64) ** 2)))
        stretch = energy[len(mic) :] - energy[: -len(mic)]
        likeness = alike * alike / (stretch + ROOM_NOISE * len(mic))
        return self._long + int(np.argmax(likeness[self._long : len(likeness) - self._lead]))

    def _unexplained(self, mic: Floats, ref: Floats, offset: int, reach: int) -> float:
        """RMS left of the newest 20 ms by the best filter from `LEAD` before to `reach` after `offset`."""
        count = len(mic)
        taps = reach + self._lead + 1
        rows = np.lib.stride_tricks.sliding_window_view(ref, taps)[offset - reach : offset - reach + count]
        delayed: Floats = np.ascontiguousarray(rows)
        normal = delayed.T @ delayed
        diagonal = np.diagonal(normal)
        normal[np.diag_indices(taps)] += LOOSE * float(diagonal.mean()) + ROOM_NOISE * count
        explained: Floats = delayed @ np.linalg.solve(normal, delayed.T @ mic)
        newest = self._thinned(NEWEST)
        level = _rms(mic[-newest:] - explained[-newest:])
        pieces = explained[count % newest :].reshape(-1, newest)
        loudest = math.sqrt(float((pieces * pieces).mean(axis=1).max()))
        return level if level > LEAK * loudest else 0.0

    def _catch_up(self) -> None:
        fresh = []
        for pcm, position in self._waiting:
            fresh.append(self._thinner.thin(self._before + pcm, position))
            self._before = self._tail(pcm)
        self._waiting.clear()
        self._waiting_samples = 0
        self._heard = np.concatenate([self._heard, *fresh])[-self._span :]

    def _tail(self, pcm: bytes) -> bytes:
        return pcm[len(pcm) - 2 * self._thinner.reach :]

    def _thinned(self, seconds: float) -> int:
        return round(seconds * self._thinner.rate)


def _rms(samples: Floats) -> float:
    return math.sqrt(float(samples.dot(samples)) / len(samples))


def _emphasised(samples: Floats) -> Floats:
    slope: Floats = samples[1:] - np.float32(EMPHASIS) * samples[:-1]
    return slope
