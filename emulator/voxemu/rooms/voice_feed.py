"""What the agent's voice track is given, and when: audio as it comes, silence where none is due.

A track whose sender stops and goes on later looks to a receiver like one whose packets are seconds late,
and its jitter buffer grows by as much. So the track gets samples all the time, as many as the clock says:
audio at once when it comes, a hole in the middle of a reply only after waiting for what may be late.
"""

from __future__ import annotations

from collections import deque

from voxemu.audio import SAMPLE_BYTES, sample_count
from voxemu.rooms.port import RATE

CHUNK = 480
# Samples the SDK takes at a time: 10 ms.
LEAD = 9600
# Samples that may be given before they are due: what was late catches up, in the listener's buffer.
PATIENCE = 0.06
# Seconds that audio may be late in the middle of a reply before silence takes its place.


class VoiceFeed:
    """Pure: ``now`` is an argument, in seconds, and never goes back."""

    def __init__(self, now: float) -> None:
        self._start = now
        self._given = 0
        self._waiting: deque[bytes] = deque()
        self._queued = 0
        self._rest = b""
        self._last_audio: float | None = None

    @property
    def queued(self) -> int:
        """Samples that were said and are not given yet."""
        return self._queued

    def say(self, pcm: bytes) -> None:
        stream = self._rest + pcm
        size = CHUNK * SAMPLE_BYTES
        whole = len(stream) - len(stream) % size
        self._waiting.extend(stream[at : at + size] for at in range(0, whole, size))
        self._rest = stream[whole:]
        self._queued += sample_count(pcm)

    def fall_silent(self) -> int:
        """Drops what was not given yet; answers how many samples that was."""
        dropped, self._queued = self._queued, 0
        self._waiting.clear()
        self._rest = b""
        self._last_audio = None
        return dropped

    def take(self, now: float) -> list[bytes]:
        """The chunks to be given to the track now, each of ``CHUNK`` samples."""
        due = round((now - self._start) * RATE)
        taken = self._fill(due - self._given - len(self._waiting) * CHUNK, now)
        while self._waiting and self._given + CHUNK <= due + LEAD:
            taken.append(self._waiting.popleft())
            self._given += CHUNK
            self._queued -= CHUNK
            self._last_audio = now
        return taken

    def _fill(self, hole: int, now: float) -> list[bytes]:
        """Silence for a hole of so many samples; while it is small, it may be audio that is late."""
        patient = self._last_audio is not None and now - self._last_audio < PATIENCE
        if patient and hole <= PATIENCE * RATE:
            return []
        filled = [bytes(CHUNK * SAMPLE_BYTES)] * (hole // CHUNK)
        if filled and self._rest and not self._waiting:
            # The end of a reply that was no whole chunk.
            filled[0] = self._rest.ljust(CHUNK * SAMPLE_BYTES, b"\0")
            self._queued -= sample_count(self._rest)
            self._rest = b""
        self._given += len(filled) * CHUNK
        return filled
