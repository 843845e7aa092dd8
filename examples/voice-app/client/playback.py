"""What the user hears: agent audio waits here for its turn at the loudspeaker."""

from __future__ import annotations

import asyncio
from typing import Protocol


class Speaker(Protocol):
    """A sound device."""

    async def play(self, pcm: bytes) -> None:
        """Returns when it takes the next block."""


class Playback:
    """A queue in front of a loudspeaker, which gets 20 ms at a time."""

    def __init__(self, speaker: Speaker, rate: int) -> None:
        self._speaker = speaker
        self._block = 2 * rate // 50
        self._waiting = bytearray()
        self._more = asyncio.Event()

    def add(self, pcm: bytes) -> None:
        self._waiting += pcm
        self._more.set()

    def flush(self) -> None:
        """The agent was interrupted: what has not been played is not to be heard any more."""
        self._waiting.clear()

    async def run(self) -> None:
        while True:
            await self._more.wait()
            self._more.clear()
            while self._waiting:
                block = bytes(self._waiting[: self._block])
                del self._waiting[: self._block]
                await self._speaker.play(block)
