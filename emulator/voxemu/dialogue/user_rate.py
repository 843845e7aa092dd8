"""The user's audio at the call's rate, whatever rate it comes at."""

from __future__ import annotations

from voxemu.audio import Resampler
from voxemu.events import UserAudioSent


class UserRate:
    """Converts from what a message declares, else from ``announced``, to ``ours``. Rates in Hz."""

    def __init__(self, ours: int, announced: int) -> None:
        self.announced = announced
        # Of audio that declares none.
        self._ours = ours
        self._stream: Resampler | None = None

    def announce(self, rate: int) -> str | None:
        """From now on audio has this rate; else what is wrong with that, in words for the client."""
        if not 8000 <= rate <= 192_000:
            return f"an input rate of {rate} Hz is outside 8000 to 192000; it stays {self.announced}"
        self.announced = rate
        return None

    def converted(self, audio: UserAudioSent) -> bytes:
        rate = audio.rate or self.announced
        if self._stream is None or self._stream.rate_in != rate:
            if rate == self._ours and self._stream is None:
                return audio.pcm
            tail = self._stream.flush() if self._stream else b""
            self._stream = Resampler(rate, self._ours)
            return tail + self._stream.push(audio.pcm)
        return self._stream.push(audio.pcm)
