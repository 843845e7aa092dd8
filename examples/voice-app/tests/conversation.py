"""A user at the app's devices."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from client.voice import VoiceClient
from emulator.devices import Microphone, Speaker


class Conversation:
    """The app with a microphone and a loudspeaker that a test holds."""

    def __init__(self, provider: str, environ: Mapping[str, str]) -> None:
        self.speaker = Speaker()
        self.client = VoiceClient(provider, environ, self.speaker)
        self.speaker.rate = self.client.rate
        self.microphone = Microphone(self.client.rate)

    async def ask(self, seconds: float = 0.6, *, patience: float = 10) -> None:
        """The user says something, hears the answer and hangs up."""
        call = asyncio.create_task(self.client.call(self.microphone))
        self.microphone.speak(seconds)
        await self._end(call, patience)

    async def interrupt(self, after: float) -> None:
        """The same, but the user interrupts the agent after this many seconds of its answer."""
        call = asyncio.create_task(self.client.call(self.microphone))
        self.microphone.speak(0.6)
        await self.speaker.until_sounding()
        await asyncio.sleep(after)
        self.microphone.speak(0.6)
        await self._end(call)

    async def _end(self, call: asyncio.Task[None], patience: float = 10) -> None:
        async with asyncio.timeout(patience):
            await self.speaker.until_quiet()
            self.microphone.hang_up()
            await call
