"""A call in a LiveKit room as the pump sees one: a socket whose messages are those of the codec.

The room is joined with LiveKit's own Python SDK (the extra ``voxemu[livekit]``), as an app would. What is
heard and seen there is the matter of ``room_ears``.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from voxemu.errors import ConnectionLost, Refused, UsageError
from voxemu.events import Closed, Ponged
from voxemu.provider import Message, Target
from voxemu.rooms.port import FRAME_SAMPLES, LAST_WORD, RATE
from voxemu_client.room_ears import RoomEars

if TYPE_CHECKING:
    from livekit import rtc

BROKEN = 1006
CHUNK = FRAME_SAMPLES // 2 * 2
# Bytes: the SDK takes 10 ms at a time where nothing is to be queued.
REFUSAL = re.compile(r"\b(401|403|404|unauthorized|invalid token|not found|permissions?)\b", re.IGNORECASE)
# In what the SDK says of a server that does not let somebody in.
TAKEN_WAIT = 2.0
# Seconds that somebody in the room may take to subscribe to the microphone.
LEAVING = 5.0
# Seconds that one step of leaving may take.

End = Callable[[], Awaitable[str]]

log = logging.getLogger("voxemu.client")


def require_sdk() -> None:
    """Raises UsageError, before anything is dialled."""
    # What the SDK's native part logs once its Python part is gone, it prints; a room that was given up may
    # answer then. It reads this when it is loaded.
    os.environ.setdefault("RUST_LOG", "off")
    try:
        from livekit import rtc  # noqa: F401
    except ImportError as error:
        raise UsageError(
            f"calls of this provider are held in LiveKit rooms, whose SDK cannot be imported ({error}): "
            "pip install 'voxemu[livekit]'"
        ) from error


async def enter(target: Target, end: End, *, seconds: float) -> RoomLine:
    """Joins the room with the microphone up. ``end`` ends the session over HTTP; it answers what went wrong.

    Raises ConnectionLost, Refused; the session is ended then.
    """
    # Its native part remarks on handles and transports that are gone while a room is left, as errors too.
    # What is one is raised, or told by an event.
    logging.getLogger("livekit").setLevel(logging.CRITICAL)
    line = RoomLine(end)
    try:
        async with asyncio.timeout(seconds):
            await line.join(target)
    except TimeoutError as error:
        late = ConnectionLost(f"{target.url} did not let us into the room within {seconds:g} s")
        await _give_up(line, late)
        raise late from error
    except BaseException as error:
        await _give_up(line, error)
        raise
    return line


async def _give_up(line: RoomLine, over: BaseException) -> None:
    """Notes of the error say what went wrong on the way out."""
    await line.close(1000, "")
    for trouble in line.troubles:
        over.add_note(trouble)


class RoomLine:
    """A ``drive.websocket.Socket``. ``troubles`` says what went wrong while it was closed."""

    def __init__(self, end: End) -> None:
        from livekit import rtc

        self.troubles: list[str] = []
        self._room = rtc.Room()
        self.ears = RoomEars(self._room, self._put)
        self._end = end
        self._source = rtc.AudioSource(RATE, 1, queue_size_ms=0)
        self._microphone = ""
        # Its publication.
        self._unsent = b""
        self._inbox: asyncio.Queue[Message | Closed] = asyncio.Queue()
        self._over = False
        self._closing: asyncio.Task[None] | None = None

    # --- coming ------------------------------------------------------------

    async def join(self, target: Target) -> None:
        from livekit import rtc

        try:
            await self._room.connect(target.url, target.token)
        except rtc.ConnectError as error:
            said = error.message or "no reason given"
            if REFUSAL.search(said):
                raise Refused("room", f"{target.url} did not let us into the room: {said}") from error
            raise ConnectionLost(f"the room at {target.url} cannot be joined: {said}") from error
        self.ears.look_around()
        track = rtc.LocalAudioTrack.create_audio_track("microphone", self._source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        try:
            publication = await self._room.local_participant.publish_track(track, options)
        except rtc.participant.PublishTrackError as error:
            raise ConnectionLost(f"{target.url} took no microphone: {error.message}") from error
        self._microphone = publication.sid
        await self._be_heard(publication)

    async def _be_heard(self, publication: rtc.LocalTrackPublication) -> None:
        """Is silent until somebody has the microphone: what is said before there is a way for it is lost.

        An agent that comes later is not waited for here; by then there is a way.
        """
        from livekit import rtc

        silence = rtc.AudioFrame(bytes(CHUNK), RATE, 1, CHUNK // 2)
        taken = asyncio.ensure_future(publication.wait_for_subscription())
        try:
            async with asyncio.timeout(TAKEN_WAIT):
                while not taken.done() and not self._over:
                    await self._source.capture_frame(silence)
                    await asyncio.wait([taken], timeout=CHUNK / 2 / RATE)
        except TimeoutError:
            log.debug("nobody in the room took the microphone within %g s", TAKEN_WAIT)
        finally:
            # Also where joining takes too long as a whole.
            taken.cancel()

    # --- the socket ------------------------------------------------------------

    def _put(self, message: Message | Closed) -> None:
        if not self._over:
            self._over = isinstance(message, Closed)
            self._inbox.put_nowait(message)

    async def receive(self) -> Message | Ponged | Closed:
        return await self._inbox.get()

    async def send(self, message: Message) -> None:
        """The microphone's audio, whole pieces of 10 ms; the rest waits for more."""
        from livekit import rtc

        if self._over:
            await asyncio.sleep(LAST_WORD)
            raise ConnectionResetError("the room is over")
        if isinstance(message, bytes):
            pcm = self._unsent + message
            whole = len(pcm) // CHUNK * CHUNK
            self._unsent = pcm[whole:]
            for at in range(0, whole, CHUNK):
                await self._source.capture_frame(rtc.AudioFrame(pcm[at : at + CHUNK], RATE, 1, CHUNK // 2))

    async def ping(self) -> None:
        """Rooms have a keep-alive of their own."""

    async def close(self, code: int, reason: str) -> None:
        """Takes the microphone back, ends the session, leaves; whoever asks again waits for the same."""
        self._over = True
        if self._closing is None:
            self._closing = asyncio.create_task(self._leave())
        await asyncio.shield(self._closing)

    def abort(self) -> None:
        """The line takes no more; what is left of it goes when it is closed."""
        self._put(Closed(BROKEN, "dropped", "line"))

    async def _leave(self) -> None:
        if self._microphone and self._room.isconnected():
            await self._step("unpublish", self._room.local_participant.unpublish_track(self._microphone))
        if trouble := await self._end():
            self.troubles.append(trouble)
        await self._step("leave", self._room.disconnect())
        await self.ears.close()
        await self._step("close the microphone", self._source.aclose())

    async def _step(self, what: str, step: Awaitable[None]) -> None:
        """One step of leaving; the next is taken all the same."""
        try:
            async with asyncio.timeout(LEAVING):
                await step
        except TimeoutError:
            self.troubles.append(f"could not {what} within {LEAVING:g} s")
        except Exception as error:
            # The SDK's errors have no common root; a room that is gone meanwhile is none of ours to mend.
            if self._room.isconnected():
                self.troubles.append(f"could not {what}: {error}")
