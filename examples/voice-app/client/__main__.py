"""``python -m client [provider]``: says something, hears the answer, hangs up. The devices are pretended."""

from __future__ import annotations

import asyncio
import os
import sys

from client.voice import VoiceClient
from emulator.devices import Microphone, Speaker


async def main(provider: str) -> None:
    speaker = Speaker()
    client = VoiceClient(provider, os.environ, speaker)
    speaker.rate = client.rate
    microphone = Microphone(client.rate)
    call = asyncio.create_task(client.call(microphone))
    microphone.speak(1.0)
    await speaker.until_quiet()
    microphone.hang_up()
    await call
    print(f"heard {speaker.seconds:.1f} s; " + " / ".join(client.transcript))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "lokutor"))
