"""Somebody in a LiveKit room, through the Python SDK: speaks, hears every track, keeps what happens."""

from __future__ import annotations

import asyncio
import time
from array import array
from collections import defaultdict
from typing import Any

from livekit import rtc

RATE = 48_000
FRAME = 960
PATIENCE = 60.0
# Seconds, for whatever comes about on any machine.


class Visitor:
    def __init__(self, url: str, token: str, *, single: bool = False, subscribes: bool = True) -> None:
        self._url = url
        self._token = token
        self._single = single
        self._subscribes = subscribes
        self.room = rtc.Room()
        self.heard: dict[str, list[tuple[float, bytes]]] = defaultdict(list)
        # By the name of the publication: when, PCM16 at 48 kHz.
        self.published: list[tuple[str, int, int]] = []
        # Name, source and kind of participant, in the order they were seen.
        self.states: list[str] = []
        self.state_times: list[float] = []
        self.packets: list[tuple[str, str, str, bool]] = []
        # Legacy transcriptions: identity, segment, text, final.
        self.streams: list[tuple[str, dict[str, str], str]] = []
        # Text streams: identity, attributes, text.
        self.broken: list[str] = []
        # Text streams that did not come to their end.
        self.left: list[str] = []
        self.app_packets: list[tuple[str, bytes]] = []
        # Of the app's own kind: topic and payload.
        self.reconnects = 0
        # Times that it lost the room and looked for it again.
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._mouth: rtc.AudioSource | None = None
        self._publication: rtc.LocalTrackPublication | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def come(self) -> Visitor:
        room = self.room
        room.on("track_published", lambda publication, who: self._saw(publication, who))
        room.on(
            "track_subscribed", lambda track, publication, _: self._do(self._hear(track, publication.name))
        )
        room.on("participant_attributes_changed", self._changed)
        room.on("transcription_received", self._transcribed)
        room.on("participant_disconnected", lambda who: self.left.append(who.identity))
        room.on("data_received", lambda packet: self.app_packets.append((packet.topic, packet.data)))
        room.on("reconnecting", self._reconnecting)
        room.on("disconnected", self._disconnected)
        room.register_text_stream_handler(
            "lk.transcription", lambda reader, identity: self._do(self._read(reader, identity))
        )
        await room.connect(self._url, self._token, self._options())
        for who in room.remote_participants.values():
            for publication in who.track_publications.values():
                self._saw(publication, who)
        return self

    def _options(self) -> rtc.RoomOptions:
        return rtc.RoomOptions(auto_subscribe=self._subscribes, single_peer_connection=self._single)

    def _reconnecting(self) -> None:
        self.reconnects += 1

    def _disconnected(self, why: int) -> None:
        if not self.ended.done():
            self.ended.set_result(why)

    def _saw(self, publication: Any, who: Any) -> None:
        self.published.append((publication.name, publication.source, who.kind))

    def _changed(self, changed: dict[str, str], who: Any) -> None:
        if "lk.agent.state" in changed:
            self.states.append(changed["lk.agent.state"])
            self.state_times.append(time.monotonic())

    def _transcribed(self, segments: Any, who: Any, publication: Any) -> None:
        identity = who.identity if who is not None else ""
        self.packets += [(identity, one.id, one.text, one.final) for one in segments]

    async def _read(self, reader: rtc.TextStreamReader, identity: str) -> None:
        try:
            text = await reader.read_all()
        except rtc.StreamError as error:
            self.broken.append(str(error))
            return
        self.streams.append((identity, dict(reader.info.attributes or {}), text))

    def _do(self, part: Any) -> None:
        task = asyncio.ensure_future(part)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _hear(self, track: rtc.Track, name: str) -> None:
        stream = rtc.AudioStream.from_track(track=track, sample_rate=RATE, num_channels=1)
        try:
            async for heard in stream:
                self.heard[name].append((time.monotonic(), bytes(heard.frame.data)))
        finally:
            await stream.aclose()

    async def take_microphone(self, *, dtx: bool = True) -> rtc.LocalTrackPublication:
        self._mouth = rtc.AudioSource(RATE, 1, queue_size_ms=0)
        self._track = rtc.LocalAudioTrack.create_audio_track("microphone", self._mouth)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE, dtx=dtx)
        self._publication = await self.room.local_participant.publish_track(self._track, options)
        return self._publication

    async def put_microphone_away(self) -> None:
        assert self._publication is not None
        await self.room.local_participant.unpublish_track(self._publication.sid)

    def mute(self) -> None:
        self._track.mute()

    def unmute(self) -> None:
        self._track.unmute()

    async def say(self, pcm: bytes) -> None:
        """In real time; returns when it has been said."""
        assert self._mouth is not None
        begin = time.monotonic()
        for count, at in enumerate(range(0, len(pcm), 2 * FRAME)):
            frame = pcm[at : at + 2 * FRAME].ljust(2 * FRAME, b"\0")
            for half in (frame[:FRAME], frame[FRAME:]):
                await self._mouth.capture_frame(rtc.AudioFrame(half, RATE, 1, FRAME // 2))
            await asyncio.sleep(max(0.0, begin + (count + 1) * FRAME / RATE - time.monotonic()))

    def loud(self, name: str, above: int = 1500) -> list[float]:
        """When something was to be heard on this track."""
        return [when for when, pcm in self.heard[name] if peak(pcm) > above]

    async def leave(self) -> None:
        await self.room.disconnect()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def peak(pcm: bytes) -> int:
    samples = array("h", pcm)
    return max(max(samples), -min(samples)) if samples else 0


async def until(true: Any, seconds: float = PATIENCE) -> None:
    """Waits for something to become true; fails by naming it."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not within {seconds:g} s: {true}"
        await asyncio.sleep(0.02)
