"""Many users with LiveKit's Python SDK in one child, some at a time: ``… <at a time> <url> <token>…``.

Each joins, publishes, waits until it hears the agent's tracks, and leaves. Prints how many heard.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys

import numpy as np
from livekit import rtc

PATIENCE = 120
# Seconds.


async def once(url: str, token: str, turn: asyncio.Semaphore, single: bool) -> bool:
    async with turn:
        room, heard = rtc.Room(), asyncio.Event()
        tasks = []

        async def listen(track: rtc.Track) -> None:
            async for got in rtc.AudioStream(track, sample_rate=48000, num_channels=1):
                if np.abs(np.frombuffer(got.frame.data, np.int16).astype(int)).max() > 100:
                    heard.set()

        @room.on("track_subscribed")
        def on_track(track: rtc.Track, publication: rtc.RemoteTrackPublication, who: object) -> None:
            if publication.name == "background_audio":
                tasks.append(asyncio.ensure_future(listen(track)))

        await room.connect(url, token, rtc.RoomOptions(single_peer_connection=single))
        source = rtc.AudioSource(48000, 1)
        track = rtc.LocalAudioTrack.create_audio_track("mic", source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        await room.local_participant.publish_track(track, options)
        await source.capture_frame(rtc.AudioFrame(bytes(960), 48000, 1, 480))
        try:
            await asyncio.wait_for(heard.wait(), PATIENCE)
        except TimeoutError:
            return False
        finally:
            await room.disconnect()
        return True


async def everybody(at_a_time: int, url: str, tokens: list[str]) -> None:
    turn = asyncio.Semaphore(at_a_time)
    found = await asyncio.gather(*(once(url, token, turn, n % 2 == 1) for n, token in enumerate(tokens)))
    print(json.dumps({"heard": sum(found)}), flush=True)  # noqa: T201
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(everybody(int(sys.argv[1]), sys.argv[2], sys.argv[3:]))
