"""When the agent's audio goes out: at once while it comes in time, paced when it comes in a heap.

A pure clockwork of frames of 20 ms: ``now`` is the number of the frame whose time has come.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

BEHIND = 2
# Frames that the track runs behind the clock while it is silent: what a late frame of speech may take up.
ABANDONED = 50
# Frames behind after which nobody was listening, and the track starts afresh.


@dataclass(frozen=True, slots=True)
class Sound:
    number: int
    pcm: bytes | None
    # None is silence.
    first: bool = False
    # Of a talk spurt.


class Voice:
    def __init__(self) -> None:
        self._queue: deque[bytes] = deque()
        self._next = 0
        self._silent = True

    @property
    def waiting(self) -> int:
        return len(self._queue)

    def push(self, frame: bytes) -> None:
        self._queue.append(frame)

    def flush(self) -> int:
        """Drops what has not been sent; says how many frames that were."""
        dropped = len(self._queue)
        self._queue.clear()
        return dropped

    def take(self, now: int) -> list[Sound]:
        if self._next < now - ABANDONED:
            self._next = now - BEHIND
        sounds = []
        while self._queue and self._next <= now:
            sounds.append(Sound(self._next, self._queue.popleft(), self._silent))
            self._silent = False
            self._next += 1
        while not self._queue and self._next < now - BEHIND:
            sounds.append(Sound(self._next, None))
            self._silent = True
            self._next += 1
        return sounds
