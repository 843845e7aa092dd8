"""A microphone and a loudspeaker in real time, without a sound card."""

from __future__ import annotations

import asyncio
import math
from array import array
from collections.abc import AsyncIterator

BLOCK = 0.02
# Seconds.


def speech(seconds: float, rate: int) -> bytes:
    """Something like a voice: 180 Hz and two partials, PCM16."""
    turn = 2 * math.pi * 180 / rate
    partials = ((1, 0.6), (2, 0.3), (5, 0.1))
    samples = (
        sum(level * math.sin(turn * k * n) for k, level in partials) for n in range(round(seconds * rate))
    )
    return array("h", (round(8000 * sample) for sample in samples)).tobytes()


class Microphone:
    """Gives 20 ms every 20 ms: what the user says, else silence."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._said = bytearray()
        self._on = True

    def speak(self, seconds: float) -> None:
        self._said += speech(seconds, self._rate)

    def hang_up(self) -> None:
        self._on = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        size, began, count = 2 * round(BLOCK * self._rate), loop.time(), 0
        while self._on:
            block = bytes(self._said[:size])
            del self._said[:size]
            yield block.ljust(size, b"\0")
            count += 1
            await asyncio.sleep(began + count * BLOCK - loop.time())


class Speaker:
    """Plays in real time, and keeps what it played."""

    def __init__(self, rate: int = 0) -> None:
        self.rate = rate
        self.played = bytearray()
        self._busy_until = 0.0
        self._sounded = asyncio.Event()

    @property
    def seconds(self) -> float:
        return len(self.played) / 2 / self.rate

    async def play(self, pcm: bytes) -> None:
        loop = asyncio.get_running_loop()
        self.played += pcm
        self._busy_until = max(self._busy_until, loop.time()) + len(pcm) / 2 / self.rate
        self._sounded.set()
        # As a sound card does, it holds one block while another one sounds.
        await asyncio.sleep(self._busy_until - BLOCK - loop.time())

    async def until_sounding(self) -> None:
        self._sounded.clear()
        await self._sounded.wait()

    async def until_quiet(self, seconds: float = 0.3) -> None:
        """Until something has sounded, and then nothing for so long."""
        await self._sounded.wait()
        loop = asyncio.get_running_loop()
        while (left := self._busy_until + seconds - loop.time()) > 0:
            await asyncio.sleep(left)
