"""What the agent's audio sounded like, where on the user's axis it sounded, thinned out for comparison."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

_BLOCK_SECONDS: Final = 0.02
_TAPS_PER_STEP: Final = 30
_CUTOFF: Final = 0.86  # of half the thinned rate; 40 dB down where folding would matter
_FULL_SCALE: Final = 32768.0
_SILENT: Final = 1.0  # mean square, in units of the last bit: rounding and dither are not audible


class Thinner:
    """Keeps one band, and of that every `step`-th sample, those whose position is a multiple of `step`.

    Zone 0 is the band below half the thinned rate, zone 1 the one above it, as wide; thinning folds it
    down, mirrored, which harms nothing: microphone and reference go through the same filter on the same
    grid, so a delay or a room between them is still one linear filter, and what is lost is lost on both.
    """

    def __init__(self, rate: int, step: int, zone: int = 0) -> None:
        self.step = step
        self.rate = rate / step
        count = _TAPS_PER_STEP * step if step > 1 else 1
        self.reach = count - 1  # samples needed before the first
        at = (np.arange(count) - (count - 1) / 2) / step
        width = _CUTOFF / (zone + 1)
        low_pass = np.sinc(at * width) * np.kaiser(count, 4.0)
        carrier = 2 * np.cos(2 * np.pi * 0.75 * at) if zone else np.ones(count)
        taps = low_pass / low_pass.sum() * carrier
        self._kernel: Floats = (taps / _FULL_SCALE).astype(np.float32)

    def thin(self, pcm: bytes, position: int) -> Floats:
        """S16LE from `reach` samples before `position`; what is kept from `position` on, full scale 1.0."""
        samples = np.frombuffer(pcm, "<i2").astype(np.float32)
        skip, taps = -position % self.step, self.reach + 1
        count = max(0, -(-(len(samples) - self.reach - skip) // self.step))
        if not count:
            return samples[:0]
        # A row of samples for each that is kept; what is not kept is not worked out.
        rows: Floats = np.ndarray(
            (count, taps), np.float32, samples.data, skip * samples.itemsize, (self.step * 4, 4)
        )
        kept: Floats = np.ascontiguousarray(rows) @ self._kernel
        return kept


class Reference:
    """Agent audio by position, silence elsewhere; kept for `keep` seconds behind what has `passed`.

    The thinners are those of the bands; they thin to the same grid.
    """

    def __init__(self, rate: int, thinners: Sequence[Thinner], keep: float) -> None:
        step = thinners[0].step
        self._length = round(_BLOCK_SECONDS * rate / step) * step  # samples in a block
        self._thinned_length = self._length // step
        self._silence = np.zeros(self._thinned_length, np.float32)
        self._keep = round(keep * rate)
        self._raw: dict[int, bytearray] = {}
        self._thinned: dict[Thinner, dict[int, Floats]] = {thinner: {} for thinner in thinners}
        self._audible: dict[int, bool] = {}
        self._known_to = -1
        # The newest block of which anything was worked out.
        self._oldest = 0
        self._newest = -1

    def write(self, pcm: bytes, position: int) -> None:
        """S16LE that sounds from `position` on; it replaces what was there."""
        at = 0
        while at < len(pcm):
            block, offset = divmod(position + at // 2, self._length)
            piece = pcm[at : at + 2 * (self._length - offset)]
            raw = self._raw.get(block)
            if raw is None:
                raw = self._raw[block] = bytearray(2 * self._length)
            raw[2 * offset : 2 * offset + len(piece)] = piece
            self._touched(block)
            self._newest = max(self._newest, block)
            at += len(piece)

    def erase_from(self, position: int) -> None:
        """Nothing sounds from here on."""
        block, offset = divmod(position, self._length)
        for index in [index for index in self._raw if index > block]:
            del self._raw[index]
            self._touched(index)
        self._newest = min(self._newest, block)
        raw = self._raw.get(block)
        if raw is not None:
            raw[2 * offset :] = bytes(len(raw) - 2 * offset)
            self._touched(block)

    def passed(self, position: int) -> None:
        """Nobody will ask for what lies `keep` before this position."""
        oldest = (position - self._keep) // self._length
        if oldest - self._oldest < 10:
            return
        self._oldest = oldest
        for index in [index for index in self._raw if index < oldest]:
            del self._raw[index]
            self._audible.pop(index, None)
        for thinned in self._thinned.values():
            for index in [index for index in thinned if index < oldest]:
                del thinned[index]

    def sounds(self, first: int, last: int) -> bool:
        """Whether anything sounds in the blocks that hold these positions."""
        # The newest first: an agent that has sounded all the time is found at once.
        newest = min(last // self._length, self._newest)
        return any(self._is_audible(index) for index in range(newest, first // self._length - 1, -1))

    def _is_audible(self, index: int) -> bool:
        audible = self._audible.get(index)
        if audible is None and index in self._raw:
            samples = np.frombuffer(self._raw[index], "<i2").astype(np.float32)
            audible = self._audible[index] = float(samples.dot(samples)) > _SILENT * len(samples)
            self._known_to = max(self._known_to, index)
        return bool(audible)

    def read(self, thinner: Thinner, first: int, count: int) -> Floats:
        """`count` thinned samples, the first of index `first` (position `first * step`)."""
        low, skip = divmod(first, self._thinned_length)
        high = (first + count - 1) // self._thinned_length
        joined = np.concatenate([self._block(thinner, index) for index in range(low, high + 1)])
        return joined[skip : skip + count]

    def _block(self, thinner: Thinner, index: int) -> Floats:
        found = self._thinned[thinner].get(index)
        if found is not None:
            return found
        raw, before = self._raw.get(index), self._raw.get(index - 1)
        if raw is None and before is None:
            return self._silence
        reach = thinner.reach
        pcm = bytes(before)[2 * (self._length - reach) :] if before is not None else bytes(2 * reach)
        pcm += bytes(raw) if raw is not None else bytes(2 * self._length)
        thinned = self._thinned[thinner][index] = thinner.thin(pcm, index * self._length)
        self._known_to = max(self._known_to, index)
        return thinned

    def _touched(self, block: int) -> None:
        if block > self._known_to:
            return
        self._audible.pop(block, None)
        for thinned in self._thinned.values():
            thinned.pop(block, None)
            thinned.pop(block + 1, None)  # the filter reaches back
