"""A pretend network between two engines: latency, jitter, loss and a cut, the same for the same dice."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

RESEND = 0.2
# Seconds until a lost segment is sent again, as TCP's least retransmission timeout has it.


class Link:
    """One direction of a connection that keeps messages whole and in order, as a websocket's does.

    Times in seconds. ``latency`` holds for every message; ``jitter`` is the most that is added to it, evenly
    spread; ``loss`` is the probability that a message has to be sent again, and holds up those behind it;
    after ``cut`` nothing arrives any more. Jitter and loss need ``rng``.
    """

    def __init__(
        self,
        *,
        latency: float = 0.0,
        jitter: float = 0.0,
        loss: float = 0.0,
        cut: float | None = None,
        rng: Random | None = None,
    ) -> None:
        if (jitter or loss) and rng is None:
            raise ValueError("jitter and loss need dice: give rng=random.Random(seed)")
        if latency < 0 or jitter < 0 or not 0 <= loss < 1:
            raise ValueError("latency and jitter are 0 or more, loss is a probability below 1")
        self.cut = cut
        self._latency = latency
        self._jitter = jitter
        self._loss = loss
        self._rng = rng
        self._shaky = bool(jitter or loss)
        self._last = float("-inf")

    def carry(self, now: float) -> float | None:
        """When a message sent now arrives; None where it never does."""
        arrival = now + self._latency
        if self._shaky:
            arrival += self._held_up()
        if arrival > self._last:
            self._last = arrival
        return None if self.cut is not None and self._last >= self.cut else self._last

    def _held_up(self) -> float:
        assert self._rng is not None
        by = self._jitter * self._rng.random() if self._jitter else 0.0
        while self._loss and self._rng.random() < self._loss:
            by += RESEND
        return by
