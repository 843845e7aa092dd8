"""The agent's seat in an embedded room: a ``RoomSocket`` for the pump, tracks and words for the user."""

from __future__ import annotations

import asyncio
import time
from collections import deque

from livekit.protocol import models

from voxemu.audio import Framer, sample_count
from voxemu.events import Closed, Ponged
from voxemu.provider import Message
from voxemu.rooms.agent_face import (
    Act,
    AgentFace,
    CloseText,
    FallSilent,
    Leave,
    OpenText,
    SendData,
    ShowAttributes,
    ShowSegment,
    Speak,
    WriteText,
)
from voxemu.rooms.embedded.encoded_loop import encoded_loop
from voxemu.rooms.embedded.opus import SILENCE, OpusEncoder
from voxemu.rooms.embedded.room import Room
from voxemu.rooms.embedded.spelled import (
    Participant,
    TextStreams,
    app_data,
    audio_track,
    new_sid,
    transcription,
)
from voxemu.rooms.embedded.voice import Sound, Voice
from voxemu.rooms.port import (
    BACKGROUND_TRACK,
    FRAME_SAMPLES,
    LAST_WORD,
    RATE,
    VOICE_TRACK,
    RoomPlan,
    RoomStats,
)

FRAME = FRAME_SAMPLES / RATE
TAIL = 3
# Frames of silence that the encoder makes after speech, so that nothing of it rings on.
HEARD_LIMIT = 500
# Chunks of microphone audio kept for a session that does not read.
QUEUE_LIMIT = 3000
# Frames of agent audio, a minute, after which ``send`` waits.
BROKEN = 1006
SETTLE = 2.0
# Seconds after joining when a user counts as joined though they hear nothing yet.


class Seat:
    """One agent in one room. See ``RoomSocket``."""

    def __init__(self, room: Room, plan: RoomPlan) -> None:
        self.room = room
        self._plan = plan
        self._me = Participant(plan.agent, models.ParticipantInfo.AGENT, int(time.time()))
        self._me.state = models.ParticipantInfo.ACTIVE
        self._face = AgentFace(plan.agent, plan.user)
        self._background = self._publish_background()
        self._face.voice = self._publish(VOICE_TRACK, models.MICROPHONE)
        self._me.attributes.update(self._face.attributes)
        self._texts = TextStreams()
        self._voice = Voice()
        self._framer = Framer(FRAME_SAMPLES)
        self._encoder: OpusEncoder | None = None
        self._tail = 0
        self._heard: deque[bytes] = deque(maxlen=HEARD_LIMIT)
        self._news = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()
        self._joined = asyncio.Event()
        self._closed: Closed | None = None
        self._loop = asyncio.get_running_loop()
        self._start: float | None = None
        self._ticks = 0
        self._timer: asyncio.TimerHandle | None = None
        self._agent_samples = self._flushed = self._user_samples = self._filled = 0
        room.agent, room.occupant = self._me, self

    def _publish(self, name: str, source: models.TrackSource) -> str:
        sid = new_sid("TR_A")
        self._me.tracks[sid] = audio_track(sid, name, source)
        return sid

    def _publish_background(self) -> str:
        if self._plan.background == "off":
            return ""
        return self._publish(BACKGROUND_TRACK, models.TrackSource.UNKNOWN)

    # --- for the server ------------------------------------------------------------

    @property
    def plan(self) -> RoomPlan:
        return self._plan

    @property
    def participant(self) -> Participant:
        return self._me

    @property
    def stats(self) -> RoomStats:
        return RoomStats(
            self._agent_samples,
            self._flushed,
            self._user_samples,
            self._filled,
            self.room.joins,
            self._unheard(),
        )

    def _unheard(self) -> tuple[str, ...]:
        guest = self.room.guest
        if guest is None or not guest.active:
            return ()
        return tuple(track.name for sid, track in self._me.tracks.items() if not guest.hears(sid))

    async def joined(self) -> bool:
        await self._joined.wait()
        # Who came and left again before they heard anything has had a session, however short.
        return self._closed is None or self.room.joins > 0

    # --- the pump's socket ------------------------------------------------------------

    async def receive(self) -> Message | Ponged | Closed:
        while not self._heard:
            if self._closed is not None:
                return self._closed
            self._news.clear()
            await self._news.wait()
        return self._heard.popleft()

    async def send(self, message: Message) -> None:
        if self._closed is not None:
            await asyncio.sleep(LAST_WORD)
            raise ConnectionResetError(self._closed.reason)
        for act in self._face.take(message):
            self._do(act)
        if self._voice.waiting >= QUEUE_LIMIT:
            self._drained.clear()
            await self._drained.wait()

    async def ping(self) -> None:
        if self._closed is not None:
            raise ConnectionResetError(self._closed.reason)

    async def close(self, code: int, reason: str) -> None:
        if code == BROKEN:
            self.room.end(reason or "the session was dropped", "provider", None)
        else:
            self.room.end(reason or "the session is over", "provider")

    def abort(self) -> None:
        self.room.end("the session was dropped", "line", None)

    # --- what the room tells ------------------------------------------------------------

    def user_active(self) -> None:
        if self._start is None:
            self._start = self._loop.time()
            self._tick()
        if self.room.guest is not None and self.room.guest.hears(self._face.voice):
            self._joined.set()
        else:
            self._loop.call_later(SETTLE, self._joined.set)
        self.user_changed()

    def user_changed(self) -> None:
        guest = self.room.guest
        if guest is not None:
            self._face.microphone = guest.microphone or self._face.microphone
        if guest is not None and guest.hears(self._face.voice):
            self._joined.set()

    def user_left(self, reason: models.DisconnectReason) -> None:
        """The room waits for them to come back; until then nothing is heard, as of any microphone."""

    def heard(self, pcm: bytes, filled: int) -> None:
        self._user_samples += sample_count(pcm)
        self._filled += filled
        self._heard.append(pcm)
        self._news.set()

    def room_over(self, cause: str, by: str) -> None:
        side = "caller" if by == "caller" else "provider" if by == "provider" else "line"
        self._closed = Closed(1006 if side == "line" else 1000, cause, side)  # type: ignore[arg-type]
        if self._timer is not None:
            self._timer.cancel()
        for event in (self._news, self._joined, self._drained):
            event.set()

    # --- what the agent does ------------------------------------------------------------

    def _do(self, act: Act) -> None:
        match act:
            case Speak(pcm=pcm):
                self._speak(pcm)
            case FallSilent():
                self._fall_silent()
            case ShowAttributes(attributes=attributes):
                self._show_state(dict(attributes))
            case ShowSegment():
                self.room.send_data(transcription(act))
            case OpenText() | WriteText() | CloseText():
                for packet in self._texts.spell(act, int(time.time() * 1000)):
                    self.room.send_data(packet)
            case SendData(topic=topic, text=text):
                self.room.send_data(app_data(topic, text))
            case Leave():
                self._me.state = models.ParticipantInfo.DISCONNECTED
                self.room.show(self._me)

    def _speak(self, pcm: bytes) -> None:
        self._agent_samples += sample_count(pcm)
        for frame in self._framer.push(pcm):
            self._voice.push(frame)
        self._send_voice()

    def _fall_silent(self) -> None:
        dropped = self._voice.flush() * FRAME_SAMPLES
        rest = self._framer.flush()
        self._flushed += dropped + (sample_count(rest) if rest else 0)

    def _show_state(self, attributes: dict[str, str]) -> None:
        spoke = self._me.attributes.get("lk.agent.state") == "speaking"
        self._me.attributes.update(attributes)
        if spoke != (self._face.state == "speaking"):
            self.room.show_speaking(self._me, active=not spoke)
        self.room.show(self._me)
        if spoke and (rest := self._framer.flush()) is not None:
            self._voice.push(rest)

    # --- the clock of the tracks ------------------------------------------------------------

    @property
    def _frame(self) -> int:
        assert self._start is not None
        return int((self._loop.time() - self._start) / FRAME)

    def _tick(self) -> None:
        assert self._start is not None
        self._ticks = max(self._ticks + 1, self._frame)
        self._timer = self._loop.call_at(self._start + self._ticks * FRAME, self._tick)
        self._send_voice()
        if self._background:
            loop = encoded_loop(self._plan.background, self._face.thinking)
            self.room.send_audio(self._background, loop.packet(self._ticks), self._ticks)
        if self._voice.waiting < QUEUE_LIMIT // 2:
            self._drained.set()

    def _send_voice(self) -> None:
        if self._start is None:
            return
        for sound in self._voice.take(self._frame):
            self.room.send_audio(self._face.voice, self._encode(sound), sound.number, first=sound.first)

    def _encode(self, sound: Sound) -> bytes:
        if sound.pcm is not None:
            self._tail = TAIL
        elif self._tail:
            self._tail -= 1
        else:
            return SILENCE
        if self._encoder is None:
            self._encoder = OpusEncoder()
        return self._encoder.encode(sound.pcm or bytes(2 * FRAME_SAMPLES))
