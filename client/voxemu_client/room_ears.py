"""What a user hears and sees in a LiveKit room, as the port's messages (rooms/port.py).

The agent's voice, its state, transcripts in either form without doubles, and the end. Its second track,
``background_audio``, is no message: whoever wants it gives ``on_background``.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from voxemu.audio import sample_count
from voxemu.events import Closed
from voxemu.provider import Message
from voxemu.rooms.port import BACKGROUND_TRACK, RATE, STATE_ATTRIBUTE, TRANSCRIPTION_TOPIC
from voxemu.wire.spelling import spell_json
from voxemu_client.captions import Captions
from voxemu_client.voice_gate import VoiceGate

if TYPE_CHECKING:
    from livekit import rtc

BROKEN = 1006
STATES = ("listening", "thinking", "speaking")
ABSENCE = 1.0
# Seconds that the agent may be missing: a client that connects anew sees everybody leave and come.


class RoomEars:
    """Attends to a room from before it is joined; ``put`` takes each message, and Closed at the end."""

    def __init__(self, room: rtc.Room, put: Callable[[Message | Closed], None]) -> None:
        self.on_background: Callable[[bytes], None] | None = None
        self.background_samples = 0
        self._room = room
        self._put = put
        self._gate = VoiceGate()
        self._captions = Captions()
        self._tasks: set[asyncio.Task[None]] = set()
        self._hearing: dict[str, asyncio.Task[None]] = {}
        # By the sid of the publication.
        self._agent = ""
        self._attend()

    def look_around(self) -> None:
        """Who was there before us is told of by no event."""
        for participant in self._room.remote_participants.values():
            self._came(participant)

    async def close(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _tell(self, **message: Any) -> None:
        self._put(spell_json(**message))

    def _attend(self) -> None:
        on = self._room.on
        on("participant_connected", self._came)
        on("participant_disconnected", self._went)
        on("participant_attributes_changed", lambda changed, who: self._changed(changed, who))
        on("track_subscribed", self._subscribed)
        on("track_unsubscribed", lambda track, publication, who: self._deafen(publication.sid))
        on("transcription_received", self._transcribed)
        on("reconnected", self._look_later)
        on("disconnected", self._disconnected)
        self._room.register_text_stream_handler(TRANSCRIPTION_TOPIC, self._text_came)

    def _begin(self, part: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(part)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._put(Closed(BROKEN, f"the room broke: {type(error).__name__}: {error}", "line"))

    # --- who is there ------------------------------------------------------------

    def _came(self, who: rtc.RemoteParticipant) -> None:
        if _is_agent(who):
            self._agent = who.identity
            self._changed(who.attributes, who)

    def _went(self, who: rtc.RemoteParticipant) -> None:
        if who.identity == self._agent:
            self._look_later()

    def _look_later(self) -> None:
        asyncio.get_running_loop().call_later(ABSENCE, self._look_for_agent)

    def _look_for_agent(self) -> None:
        """The agent that left and did not come back has ended the session."""
        if self._room.isconnected() and self._agent and self._agent not in self._room.remote_participants:
            self._tell(type="end", cause="agent_left")

    def _changed(self, changed: Any, who: rtc.Participant) -> None:
        state = changed.get(STATE_ATTRIBUTE)
        if who.identity == self._agent and state is not None:
            self._gate.state(state)
            if state in STATES:
                self._tell(type="state", state=state)

    def _disconnected(self, reason: int) -> None:
        from livekit import rtc

        name = rtc.DisconnectReason.Name(reason)  # type: ignore[arg-type]
        match name:
            case "ROOM_DELETED" | "ROOM_CLOSED" | "PARTICIPANT_REMOVED":
                self._tell(type="end", cause="closed")
                self._put(Closed(1000, "the room was closed", "line"))
            case "SERVER_SHUTDOWN":
                self._tell(type="end", cause="shutdown")
                self._put(Closed(1012, "the room's server shuts down", "line"))
            case "DUPLICATE_IDENTITY":
                self._put(Closed(1008, "somebody else joined under this identity", "line"))
            case _:
                self._put(Closed(BROKEN, f"the connection to the room was lost ({name})", "line"))

    # --- hearing ------------------------------------------------------------

    def _subscribed(
        self, track: rtc.Track, publication: rtc.RemoteTrackPublication, who: rtc.RemoteParticipant
    ) -> None:
        from livekit import rtc

        if not _is_agent(who) or publication.kind != rtc.TrackKind.KIND_AUDIO:
            return
        self._deafen(publication.sid)
        behind = publication.name == BACKGROUND_TRACK
        hear = self._hear(track, self._overhear if behind else self._listen)
        self._hearing[publication.sid] = self._begin(hear)

    def _deafen(self, sid: str) -> None:
        hearing = self._hearing.pop(sid, None)
        if hearing is not None:
            hearing.cancel()

    async def _hear(self, track: rtc.Track, take: Callable[[bytes], None]) -> None:
        from livekit import rtc

        stream = rtc.AudioStream.from_track(track=track, sample_rate=RATE, num_channels=1, frame_size_ms=20)
        try:
            async for heard in stream:
                take(bytes(heard.frame.data))
        finally:
            await stream.aclose()

    def _listen(self, pcm: bytes) -> None:
        for frame in self._gate.take(pcm):
            self._put(frame)

    def _overhear(self, pcm: bytes) -> None:
        self.background_samples += sample_count(pcm)
        if self.on_background is not None:
            self.on_background(pcm)

    # --- reading ------------------------------------------------------------

    def _transcribed(self, segments: Any, who: rtc.Participant | None, publication: Any) -> None:
        for one in segments:
            self._caption(one.id, "" if who is None else who.identity, one.text, one.final)

    def _text_came(self, reader: rtc.TextStreamReader, identity: str) -> None:
        self._begin(self._read(reader, identity))

    async def _read(self, reader: rtc.TextStreamReader, identity: str) -> None:
        from livekit import rtc

        said = reader.info.attributes or {}
        segment, text = said.get("lk.segment_id") or reader.info.stream_id, ""
        with contextlib.suppress(rtc.StreamError):
            # A stream that breaks off with its room: what it said is said.
            async for piece in reader:
                text += piece
                self._caption(segment, identity, text, False)
            attributes = reader.info.attributes or {}
            if attributes.get("lk.transcription_final") == "true":
                self._caption(segment, identity, text, True)

    def _caption(self, segment: str, identity: str, text: str, final: bool) -> None:
        if text and self._captions.is_news(segment, text, final):
            mine = identity == self._room.local_participant.identity
            speaker = "user" if mine else "agent"
            self._tell(type="segment", id=segment, speaker=speaker, text=text, final=final)


def _is_agent(who: rtc.Participant) -> bool:
    from livekit import rtc

    return who.kind == rtc.ParticipantKind.PARTICIPANT_KIND_AGENT or who.identity.startswith("agent-")
