"""The newest of what the microphone heard, as it came."""

from __future__ import annotations


class MicrophoneTape:
    """S16LE since the stream began or broke off, the last `keep` samples of it at least."""

    def __init__(self, keep: int) -> None:
        self._keep = 2 * keep
        self.cut(0)

    def cut(self, position: int) -> None:
        """The stream breaks off and goes on at `position`."""
        self._pcm = bytearray()
        self.start = self.end = position

    def add(self, pcm: bytes, position: int) -> None:
        if position != self.end:
            self.cut(position)
        self._pcm += pcm
        self.end += len(pcm) // 2
        if len(self._pcm) > 4 * self._keep:
            # Deleting from the front moves the rest, so it is done now and then.
            del self._pcm[: -self._keep]

    def since(self, position: int) -> bytes:
        """The samples from this position on, which may lie before the stream's start: zeros there."""
        first = self.end - len(self._pcm) // 2
        if position < first:
            return bytes(2 * (first - position)) + self._pcm
        return bytes(self._pcm[2 * (position - first) :])
