"""A user with LiveKit's Python SDK, in a process of its own: the SDK's native layer can abort it.

``python -m tests.rooms.sdk_user '<json>'`` joins, does what it is told to and says what happens, in the same
lines as the pages in tests/rooms/browser; see tests/rooms/visits.py. It is gone when its input ends.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import sys
import time
import wave
from typing import Any

import numpy as np
from livekit import rtc

STEP = 0.01
FRAME_MS = 20
BYTES = 2 * round(48000 * STEP)


def tell(**line: Any) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def note(kind: str, **detail: Any) -> None:
    tell(event={"at": _now(), "kind": kind, **detail})


def _now() -> int:
    return round(1000 * time.time())


class User:
    def __init__(self, given: dict[str, Any]) -> None:
        self._given = given
        self._room = rtc.Room()
        self._tasks: list[asyncio.Task[None]] = []
        self._source: rtc.AudioSource | None = None
        self._track: rtc.LocalAudioTrack | None = None
        self._sid = ""
        self._to_say: asyncio.Queue[tuple[bytes, asyncio.Future[None]]] = asyncio.Queue()

    async def join(self) -> None:
        self._attend()
        options = rtc.RoomOptions(single_peer_connection=self._given["single"])
        try:
            await self._room.connect(self._given["url"], self._given["token"], options)
        except rtc.ConnectError as error:
            note("refused", message=error.message)
            return
        agents = [
            {"identity": one.identity, "agent": one.kind == 4, "attributes": dict(one.attributes)}
            for one in self._room.remote_participants.values()
        ]
        note("connected", agents=agents, version=rtc.__version__)
        if self._given["publish"]:
            await self.republish()
            note("published", sid=self._sid)
            self._later(self._speak())
        note("ready")

    async def act(self, number: int, name: str, *arguments: Any) -> None:
        try:
            await getattr(self, name)(*arguments)
            note(f"did {name}", number=number)
        except Exception as error:
            note(f"failed {name}", number=number, error=repr(error))

    async def leave(self) -> None:
        await self._room.disconnect()

    def _later(self, work: Any) -> None:
        self._tasks.append(asyncio.ensure_future(work))

    # --- listening ------------------------------------------------------------

    def _attend(self) -> None:
        on = self._room.on
        on("track_subscribed", self._subscribed)
        on("track_unsubscribed", lambda track, pub, who: note("unsubscribed", name=pub.name))
        on("participant_attributes_changed", lambda new, who: note(
            "attributes", changed=dict(new), who=who.identity
        ))  # fmt: skip
        on("transcription_received", self._transcribed)
        on("data_received", lambda packet: note(
            "data", text=packet.data.decode(), topic=packet.topic, reliable=packet.kind == 1
        ))  # fmt: skip
        on("active_speakers_changed", lambda who: note("speakers", who=[one.identity for one in who]))
        on("participant_disconnected", lambda who: note("left", who=who.identity))
        on("participant_connected", lambda who: note("came", who=who.identity))
        on("reconnecting", lambda: note("reconnecting"))
        on("reconnected", lambda: note("reconnected"))
        on("disconnected", self._disconnected)
        self._room.register_text_stream_handler(
            "lk.transcription", lambda reader, who: self._later(self._read(reader, who))
        )

    def _subscribed(self, track: rtc.Track, pub: rtc.RemoteTrackPublication, who: Any) -> None:
        source = {0: "unknown", 2: "microphone"}.get(pub.source, str(pub.source))
        note("subscribed", name=pub.name, source=source, who=who.identity, agent=who.kind == 4)
        self._later(self._listen(track, pub.name))

    async def _listen(self, track: rtc.Track, name: str) -> None:
        stream = rtc.AudioStream(track, sample_rate=48000, num_channels=1, frame_size_ms=FRAME_MS)
        async for got in stream:
            tell(heard=[name, _now(), level(got.frame.data)])

    def _transcribed(self, segments: list[Any], who: Any, pub: Any) -> None:
        for one in segments:
            track = pub.sid if pub else None
            note("transcription", id=one.id, text=one.text, final=one.final, who=who.identity, track=track)

    async def _read(self, reader: rtc.TextStreamReader, who: str) -> None:
        before = dict(reader.info.attributes or {})
        chunks = [chunk async for chunk in reader]
        after = dict(reader.info.attributes or {})
        note("text", who=who, attributes=before, after=after, chunks=chunks)

    def _disconnected(self, reason: int) -> None:
        note("disconnected", reason=rtc.DisconnectReason.Name(reason))  # type: ignore[arg-type]

    # --- speaking and acting ------------------------------------------------------------

    async def _speak(self) -> None:
        """What there is to say, and silence, in real time."""
        start, at = time.perf_counter(), 0
        pcm, said, again = b"", None, b""
        if self._given.get("speech"):
            with wave.open(self._given["speech"]) as file:
                again = file.readframes(file.getnframes())
        while True:
            if not pcm:
                if said is not None:
                    said.set_result(None)
                pcm, said = self._to_say.get_nowait() if self._to_say.qsize() else (again, None)
            piece, pcm = pcm[:BYTES].ljust(BYTES, b"\0"), pcm[BYTES:]
            if self._source is not None:
                await self._source.capture_frame(rtc.AudioFrame(piece, 48000, 1, BYTES // 2))
                if at % 2:
                    tell(heard=["microphone", _now(), level(piece)])
            at += 1
            await asyncio.sleep(max(0.0, start + at * STEP - time.perf_counter()))

    async def say(self, wav: str) -> None:
        with wave.open(io.BytesIO(base64.b64decode(wav))) as file:
            pcm = file.readframes(file.getnframes())
        said: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._to_say.put_nowait((pcm, said))
        await said

    async def mute(self) -> None:
        assert self._track is not None
        self._track.mute()

    async def unmute(self) -> None:
        assert self._track is not None
        self._track.unmute()

    async def republish(self) -> None:
        self._source = rtc.AudioSource(48000, 1, queue_size_ms=50)
        self._track = rtc.LocalAudioTrack.create_audio_track("mic", self._source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        publication = await self._room.local_participant.publish_track(self._track, options)
        self._sid = publication.sid

    async def unpublish(self) -> None:
        self._source = None
        await self._room.local_participant.unpublish_track(self._sid)

    async def reliable(self, text: str) -> None:
        await self._room.local_participant.publish_data(text.encode(), reliable=True)

    async def lossy(self, text: str) -> None:
        await self._room.local_participant.publish_data(text.encode(), reliable=False)

    async def attributes(self, given: dict[str, str]) -> None:
        await self._room.local_participant.set_attributes(given)

    async def subscribe(self, name: str, wanted: bool = True) -> None:
        for who in self._room.remote_participants.values():
            for publication in who.track_publications.values():
                if publication.name == name:
                    publication.set_subscribed(wanted)

    async def unsubscribe(self, name: str) -> None:
        await self.subscribe(name, False)

    async def loseSignal(self) -> None:  # noqa: N802 - named as in the pages
        await self._room.simulate_scenario(rtc.SimulateScenarioKind.SIMULATE_SIGNAL_RECONNECT)

    async def sent(self) -> None:
        """How many packets, the Python SDK does not tell."""

    async def rpc(self) -> None:
        (agent,) = self._room.remote_participants
        try:
            await self._room.local_participant.perform_rpc(destination_identity=agent, method="x", payload="")
        except rtc.RpcError as error:
            note("rpc", code=error.code)


def level(pcm: Any) -> float:
    """Root mean square, of full scale."""
    samples = np.frombuffer(pcm, np.int16) / 32768
    return round(float(np.sqrt(np.mean(samples**2))), 5)


class Refused:
    """Tries to join with each of these tokens; tells what it was told, "" where it was let in."""

    def __init__(self, given: dict[str, Any]) -> None:
        self._given = given

    async def join(self) -> None:
        for name, token in self._given["tokens"].items():
            room = rtc.Room()
            options = rtc.RoomOptions(single_peer_connection=self._given["single"])
            try:
                await room.connect(self._given["url"], token, options)
                note("attempt", token=name, refusal="")
                await room.disconnect()
            except rtc.ConnectError as error:
                note("attempt", token=name, refusal=error.message or "refused")
        note("ready")

    async def act(self, number: int, name: str) -> None:
        note(f"did {name}", number=number)


async def serve(given: dict[str, Any]) -> None:
    """Joins, and does what standard input says, each act at once, until it ends."""
    user = Refused(given) if "tokens" in given else User(given)
    told = asyncio.StreamReader(limit=1 << 22)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(told), sys.stdin)
    async with asyncio.TaskGroup() as doing:
        # What breaks one ends the program, so that whoever waits for it learns at once.
        doing.create_task(user.join())
        async for line in told:
            doing.create_task(user.act(*json.loads(line)))
        # Streams that are being read do not always end with their room.
        os._exit(0)


if __name__ == "__main__":
    asyncio.run(serve(json.loads(sys.argv[1])))
