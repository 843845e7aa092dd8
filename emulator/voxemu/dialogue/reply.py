"""One reply on its way: the steps still to take, and the account of what was sent and heard of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from voxemu.agent import Step


@dataclass(slots=True)
class Reply:
    generation: int
    # Replies are counted from 1.
    due: float
    # When the next step may be taken; the playout clock may hold it longer.
    steps: deque[Step] = field(default_factory=deque)
    speaking: bool = False
    # Something of it was audible.
    thinks: bool = False
    # It paused to think in mid-reply, and says so when it goes on.
    sent: int = 0
    dropped: int = 0
    cut: bool = False
    # Broken off before its end.
    said: list[str] = field(default_factory=list)
    # Transcripts of what was begun.
    waits_for: str | None = None
    # The id of a tool call without an answer.

    line_from: int = 0
    line_samples: int = 1
    # Where the line being said begins in the reply, and how long it is.

    def share(self, samples: int) -> float:
        """How much of the line being said lies before this sample of the reply."""
        return min(1.0, max(0, samples - self.line_from) / self.line_samples)

    @property
    def heard(self) -> int:
        return self.sent - self.dropped

    def add_first(self, steps: Iterable[Step]) -> None:
        self.steps.extendleft(reversed(list(steps)))
