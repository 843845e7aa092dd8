"""The user's audio on its way to the left track: at the rate of the wire, then at the recording's."""

from __future__ import annotations

from voxemu.audio import Resampler


class Intake:
    """Resamples a stream whose rate may change; at the recording's own rate it passes samples untouched."""

    def __init__(self, rate: int, rate_in: int | None = None) -> None:
        self._rate = rate
        self._announced = rate_in or rate
        self._stream: Resampler | None = None

    def announce(self, rate: int) -> None:
        """From now on a message that declares no rate has this one."""
        self._announced = rate

    def push(self, pcm: bytes, declared: int | None) -> bytes:
        rate = declared or self._announced
        if rate == self._rate:
            return pcm if self._stream is None else self.flush() + pcm
        tail = b""
        if self._stream is None or self._stream.rate_in != rate:
            tail, self._stream = self.flush(), Resampler(rate, self._rate)
        return tail + self._stream.push(pcm)

    def flush(self) -> bytes:
        """What the filter still holds; the next sample begins a new stream."""
        stream, self._stream = self._stream, None
        return stream.flush() if stream else b""
