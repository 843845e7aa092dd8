"""The agent of one room on a LiveKit server, in a child: ``python -m voxemu.rooms.sdk_agent FD``.

It joins through the ``livekit`` SDK, whose native part may abort its process: then one room is over and
nothing else happens. One child holds one room, so that this is true of every room; it costs half a second
of start, which the spare that ``agent_child`` keeps ready takes out of the way, and some memory of its own.

Words on the line (``agent_line``): from the emulator ``open`` (where and what), then ``leave``; to it
``warm``, ``ready`` or ``failed``, ``user`` (came, hears), ``taken`` (a track, by the user), ``flushed``,
``over`` (how the room ended) and ``left``. Messages of the port go both ways between ready and over.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import sys
from collections.abc import Coroutine
from typing import Any

from livekit import rtc

from voxemu.rooms.agent_face import (
    Act,
    AgentFace,
    CloseText,
    FallSilent,
    OpenText,
    SendData,
    ShowAttributes,
    ShowSegment,
    Speak,
    WriteText,
)
from voxemu.rooms.agent_line import AgentLine, Word
from voxemu.rooms.backdrop import LOOP_FRAMES, backdrop
from voxemu.rooms.port import (
    BACKGROUND_TRACK,
    FRAME_SAMPLES,
    RATE,
    TRANSCRIPTION_TOPIC,
    VOICE_TRACK,
    Background,
    RoomPlan,
)
from voxemu.rooms.voice_feed import CHUNK, VoiceFeed

TICK = FRAME_SAMPLES / RATE
PIECE = 50
# Frames of background sound that the SDK is given at a time, and
MARGIN = 0.1
# how many seconds before it has played them it is given the next.
TOLD_WAIT = 5.0
# Seconds within which the server tells of a user; of one who publishes nothing, every three at most.
HEARING_WAIT = 2.0
# Seconds that a user who joined is given to subscribe to the voice.
ANSWER_WAIT = 0.3
# Seconds that the server may take to say that it has set an attribute.
LAST_WORDS = 3.0
# Seconds that what was said last, and the leaving itself, may take to go out; less than LEAVE_WAIT.

log = logging.getLogger("voxemu.rooms.sdk_agent")


class SdkAgent:
    def __init__(self, line: AgentLine, plan: RoomPlan) -> None:
        self._line = line
        self._plan = plan
        self._room = rtc.Room()
        self._face = AgentFace(plan.agent, plan.user)
        self._loop = asyncio.get_running_loop()
        self._voice = rtc.AudioSource(RATE, 1, queue_size_ms=0)
        self._feed = VoiceFeed(self._loop.time())
        self._turned = asyncio.Event()
        self._fed = asyncio.Event()
        self._acts: asyncio.Queue[Act] = asyncio.Queue()
        self._writers: dict[str, rtc.TextStreamWriter] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._hearing: asyncio.Task[None] | None = None
        self._voicing: asyncio.Task[None] | None = None
        self._microphone = ""
        self._away: asyncio.TimerHandle | None = None
        self._there = asyncio.Event()
        # The user is: while nobody listens, nothing is encoded.
        self._over = False

    # --- beginning and end ------------------------------------------------------------

    async def join(self, url: str, token: str) -> None:
        """Joins and publishes, the background before the voice.

        A server tells newcomers of the tracks there are in no order. So that the background is the first of
        the two for everybody, the voice follows when the user is there.
        """
        self._listen()
        await self._room.connect(url, token, rtc.RoomOptions(auto_subscribe=False))
        if self._plan.background != "off":
            background = rtc.AudioSource(RATE, 1, queue_size_ms=2000)
            await self._publish(BACKGROUND_TRACK, background, rtc.TrackSource.SOURCE_UNKNOWN)
            self._begin(self._sound_background(background))
        else:
            await self._publish_voice()
        self._begin(self._show_all())
        for participant in self._room.remote_participants.values():
            self._user_came(participant)

    async def _publish_voice(self) -> None:
        if not self._face.voice:
            source = rtc.TrackSource.SOURCE_MICROPHONE
            self._face.voice = (await self._publish(VOICE_TRACK, self._voice, source)).sid
            self._begin(self._play())

    async def _publish(self, name: str, source: rtc.AudioSource, kind: Any) -> rtc.LocalTrackPublication:
        track = rtc.LocalAudioTrack.create_audio_track(name, source)
        options = rtc.TrackPublishOptions(source=kind, dtx=False, red=False)
        return await self._room.local_participant.publish_track(track, options)

    async def run(self) -> None:
        """Until the emulator says leave, or is gone."""
        while (got := await self._line.receive()) is not None:
            if isinstance(got, dict):
                if "leave" in got:
                    await self._leave()
                    return
                continue
            for act in self._face.take(got):
                self._do(act)

    async def _leave(self) -> None:
        self._over = True
        try:
            async with asyncio.timeout(LAST_WORDS):
                for act in self._face.take('{"type":"end","cause":"closed"}'):
                    self._do(act)
                await self._acts.join()
                await self._room.disconnect()
        except TimeoutError:
            log.warning("the room took longer than %g s to leave", LAST_WORDS)
        await self._line.tell(left=True)

    def _begin(self, part: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(part)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("the agent broke", exc_info=error)
            self._end(1006, f"the agent broke: {error}", "line")

    def _end(self, code: int, reason: str, by: str) -> None:
        if not self._over:
            self._over = True
            self._begin(self._line.tell(over={"code": code, "reason": reason, "by": by}))

    # --- who comes and goes ------------------------------------------------------------

    def _listen(self) -> None:
        room = self._room
        room.on("participant_connected", self._user_came)
        room.on("participant_disconnected", self._user_went)
        room.on("local_track_subscribed", self._was_subscribed)
        room.on("track_published", self._was_published)
        room.on("track_unpublished", self._was_unpublished)
        room.on("track_subscribed", self._subscribed)
        room.on("disconnected", self._disconnected)

    def _user_came(self, participant: rtc.RemoteParticipant) -> None:
        if participant.identity != self._plan.user:
            return
        self._be_present()
        for publication in participant.track_publications.values():
            self._was_published(publication, participant)

    def _be_present(self) -> None:
        if self._away is not None:
            self._away.cancel()
            self._away = None
        if not self._there.is_set():
            self._there.set()
            self._begin(self._line.tell(user="came"))
            if self._plan.background != "off" and self._voicing is None:
                self._voicing = self._begin(self._publish_voice())
            self._loop.call_later(HEARING_WAIT, self._hears)

    def _hears(self) -> None:
        if self._there.is_set() and not self._over:
            self._begin(self._line.tell(user="hears"))

    def _was_subscribed(self, track: rtc.Track) -> None:
        """By the user: nobody else is let in. The server tells of them otherwise only seconds later, as
        long as they publish nothing."""
        if not self._there.is_set():
            self._be_present()
            self._loop.call_later(TOLD_WAIT, self._look_for_user)
        self._begin(self._line.tell(taken=track.name))
        if track.name == VOICE_TRACK:
            self._hears()

    def _look_for_user(self) -> None:
        """Of a user who left before the server told of them, it will never tell."""
        if self._there.is_set() and self._plan.user not in self._room.remote_participants:
            self._miss_user(1000, "the user left", "caller")

    def _user_went(self, participant: rtc.RemoteParticipant) -> None:
        if participant.identity != self._plan.user:
            return
        current = self._room.remote_participants.get(participant.identity)
        if current is not None and current.sid != participant.sid:
            return  # The same user came in a second time, and the first is out.
        if participant.disconnect_reason == rtc.DisconnectReason.CLIENT_INITIATED:
            self._miss_user(1000, "the user left", "caller")
        else:
            reason = _named(participant.disconnect_reason)
            self._miss_user(1006, f"the user's connection was lost ({reason})", "line")

    def _miss_user(self, code: int, reason: str, by: str) -> None:
        """The session ends like this unless they come back in time."""
        self._there.clear()
        self._stop_hearing()
        self._away = self._loop.call_later(self._plan.rejoin_wait, self._end, code, reason, by)

    def _disconnected(self, reason: rtc.DisconnectReason.ValueType) -> None:
        if reason in (rtc.DisconnectReason.ROOM_DELETED, rtc.DisconnectReason.ROOM_CLOSED):
            self._end(1000, "the room was closed", "provider")
        else:
            self._end(1006, f"the agent lost the room ({_named(reason)})", "line")

    # --- hearing ------------------------------------------------------------

    def _was_published(
        self, publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant
    ) -> None:
        """The user's microphone is what we hear: by its source, or by being audio where there is none."""
        if participant.identity != self._plan.user or publication.kind != rtc.TrackKind.KIND_AUDIO:
            return
        if publication.source == rtc.TrackSource.SOURCE_MICROPHONE or not self._microphone:
            publication.set_subscribed(True)

    def _subscribed(
        self, track: rtc.Track, publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant
    ) -> None:
        self._stop_hearing()
        self._microphone = self._face.microphone = publication.sid
        self._hearing = self._begin(self._hear(track))

    def _was_unpublished(
        self, publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant
    ) -> None:
        if publication.sid == self._microphone:
            self._stop_hearing()

    def _stop_hearing(self) -> None:
        self._microphone = ""
        # The face keeps the last sid: what was said on it may be transcribed yet.
        if self._hearing is not None:
            self._hearing.cancel()
            self._hearing = None

    async def _hear(self, track: rtc.Track) -> None:
        """The SDK's stream goes on without packets (Opus DTX, a muted microphone): it fills in silence."""
        stream = rtc.AudioStream.from_track(
            track=track, capacity=50, sample_rate=RATE, num_channels=1, frame_size_ms=20
        )
        try:
            async for heard in stream:
                await self._line.send(bytes(heard.frame.data))
        except ConnectionError:
            return
        finally:
            await stream.aclose()

    # --- speaking ------------------------------------------------------------

    def _do(self, act: Act) -> None:
        match act:
            case Speak(pcm=pcm):
                self._feed.say(pcm)
                self._fed.set()
            case FallSilent():
                dropped = self._feed.fall_silent()
                if dropped:
                    self._begin(self._line.tell(flushed=dropped))
            case _:
                if isinstance(act, ShowAttributes):
                    self._turned.set()
                self._acts.put_nowait(act)

    async def _play(self) -> None:
        """Gives the voice what is due, at each tick and whenever there is more to say."""
        while True:
            if not self._there.is_set():
                await self._there.wait()
                self._feed = VoiceFeed(self._loop.time())
            for chunk in self._feed.take(self._loop.time()):
                await self._voice.capture_frame(rtc.AudioFrame(chunk, RATE, 1, CHUNK))
            self._fed.clear()
            try:
                async with asyncio.timeout(TICK):
                    await self._fed.wait()
            except TimeoutError:
                pass

    async def _sound_background(self, source: rtc.AudioSource) -> None:
        """The SDK paces this one: it is given a piece at a time, and a new one when the state changes."""
        tick = 0
        while True:
            await self._there.wait()
            loop = backdrop(self._plan.background, thinking=self._face.thinking)
            piece = b"".join(loop[(tick + n) % LOOP_FRAMES] for n in range(PIECE))
            tick += PIECE
            await source.capture_frame(rtc.AudioFrame(piece, RATE, 1, PIECE * FRAME_SAMPLES))
            self._turned.clear()
            try:
                async with asyncio.timeout(max(0.0, source.queued_duration - MARGIN)):
                    await self._turned.wait()
                tick -= int(source.queued_duration / TICK)
                source.clear_queue()
            except TimeoutError:
                pass

    # --- showing ------------------------------------------------------------

    async def _show_all(self) -> None:
        """One after the other, in the order of the session; nothing of it holds up the voice."""
        while True:
            act = await self._acts.get()
            try:
                await self._show(act)
            finally:
                self._acts.task_done()

    async def _show(self, act: Act) -> None:
        if not self._room.isconnected():
            return
        me = self._room.local_participant
        match act:
            case ShowAttributes(attributes=attributes):
                # SDK 1.2.0 misses an answer that is quicker than its own bookkeeping, and would wait for it
                # for five seconds, with everything else behind. What it asked for is done all the same.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(ANSWER_WAIT):
                        await me.set_attributes(dict(attributes))
            case ShowSegment(identity=identity, track=track, segment=segment, text=text, final=final):
                line = rtc.TranscriptionSegment(segment, text, 0, 0, "", final)
                await me.publish_transcription(rtc.Transcription(identity, track, [line]))
            case SendData(topic=topic, text=text):
                await me.publish_data(text, topic=topic)
            case OpenText(stream=stream, identity=identity, attributes=attributes):
                self._writers[stream] = await me.stream_text(
                    topic=TRANSCRIPTION_TOPIC,
                    attributes=dict(attributes),
                    stream_id=stream,
                    sender_identity=identity,
                )
            case WriteText(stream=stream, text=text):
                await self._writers[stream].write(text)
            case CloseText(stream=stream, attributes=attributes):
                await self._writers.pop(stream).aclose(attributes=dict(attributes))


def _named(reason: rtc.DisconnectReason.ValueType | None) -> str:
    return "no reason given" if reason is None else rtc.DisconnectReason.Name(reason)


def _plan(word: Word) -> RoomPlan:
    background: Background = word["background"]
    return RoomPlan(
        word["room"],
        word["user"],
        word["agent"],
        background,
        join_wait=word["join_wait"],
        rejoin_wait=word["rejoin_wait"],
    )


async def hold(end: socket.socket) -> None:
    line = await AgentLine.over(end)
    # Loads and starts the native part, before anybody waits for it.
    await rtc.AudioSource(RATE, 1, queue_size_ms=0).aclose()
    await line.tell(warm=True)
    order = await line.receive()
    if not isinstance(order, dict) or "open" not in order:
        return
    asked = order["open"]
    agent = SdkAgent(line, _plan(asked["plan"]))
    try:
        await agent.join(asked["url"], asked["token"])
    except Exception as error:
        # Whatever keeps the agent out of its room is for the emulator to say.
        log.exception("the agent could not join")
        await line.tell(failed=f"{type(error).__name__}: {getattr(error, 'message', error)}")
        return
    await line.tell(ready=True)
    await agent.run()


def main() -> None:
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        asyncio.run(hold(socket.socket(fileno=int(sys.argv[1]))))
    finally:
        # The native part is not asked to take itself down: that may hang, or abort.
        sys.stderr.flush()
        os._exit(0)


if __name__ == "__main__":
    main()
