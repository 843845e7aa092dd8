"""Many durations, kept as counts of tenths of a millisecond: small, exact to that, and easily added up."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

GRAIN = 10_000
# Counts to the second.
SHARES = (50, 90, 99)
# Percentiles that are told.


class Spread:
    """Durations in seconds; what is below nothing counts as nothing.

    Percentiles are by nearest rank: the least duration that so many per cent of all do not exceed. So each
    is a duration that did occur, and the 99th of fewer than a hundred is the longest.
    """

    __slots__ = ("counts",)

    def __init__(self, seconds: Iterable[float] = ()) -> None:
        self.counts: dict[int, int] = {}
        for each in seconds:
            self.add(each)

    def add(self, seconds: float) -> None:
        grain = int(seconds * GRAIN + 0.5) if seconds > 0 else 0
        self.counts[grain] = self.counts.get(grain, 0) + 1

    def merge(self, other: Spread) -> None:
        for grain, times in other.counts.items():
            self.counts[grain] = self.counts.get(grain, 0) + times

    def __len__(self) -> int:
        return sum(self.counts.values())

    def percentile(self, share: float) -> float | None:
        """Seconds; None of nothing."""
        rank = max(1, math.ceil(len(self) * share / 100))
        for grain in sorted(self.counts):
            rank -= self.counts[grain]
            if rank <= 0:
                return grain / GRAIN
        return None

    @property
    def most(self) -> float | None:
        return max(self.counts) / GRAIN if self.counts else None

    def above(self, seconds: float) -> Spread:
        """What is longer than this."""
        some = Spread()
        some.counts = {grain: times for grain, times in self.counts.items() if grain > seconds * GRAIN}
        return some

    def figures(self) -> dict[str, float | int | None]:
        """In milliseconds, for people and JSON; null where nothing was seen."""

        def ms(seconds: float | None) -> float | None:
            return None if seconds is None else round(seconds * 1000, 1)

        shares = {f"p{share}": ms(self.percentile(share)) for share in SHARES}
        return {"count": len(self), **shares, "max": ms(self.most)}

    # --- between two of our own programs ------------------------------------------------------------

    def packed(self) -> dict[str, int]:
        return {str(grain): times for grain, times in self.counts.items()}

    @classmethod
    def unpacked(cls, said: Mapping[str, Any]) -> Spread:
        spread = cls()
        spread.counts = {int(grain): int(times) for grain, times in said.items()}
        return spread
