"""The background of a room beside its recording: what the agent sends on ``background_audio``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from voxemu.events import Event, ListeningStarted, Note, Opened, SpeakingStarted, ThinkingStarted
from voxemu.record import Recorder
from voxemu.rooms.backdrop import LOOP_FRAMES, backdrop
from voxemu.rooms.port import BACKGROUND_TRACK, FRAME_SAMPLES, RATE, Background

PIECE = 50
# Frames that are written at a time, at most.


class BackgroundTrack:
    """A tap. The room makes these sounds by itself, from the agent's state; so does this, for the file.

    The same sounds at the same states; where in its loop the room is when the user comes, it does not know.
    """

    def __init__(self, background: str, recorder: Recorder) -> None:
        self._background = cast(Background, background)
        self._recorder = recorder
        self._opened: float | None = None
        self._frames = 0
        self._thinking = False

    def saw(self, event: Event, now: float) -> Iterable[Note]:
        if isinstance(event, Opened):
            self._opened = now
        self.play(now)
        if isinstance(event, ThinkingStarted | SpeakingStarted | ListeningStarted):
            self._thinking = isinstance(event, ThinkingStarted)
        return ()

    def play(self, now: float) -> None:
        """What has sounded until now."""
        if self._opened is None:
            return
        loop = backdrop(self._background, thinking=self._thinking)
        due = int((now - self._opened) * RATE / FRAME_SAMPLES)
        while self._frames < due:
            end = min(due, self._frames + PIECE)
            pcm = b"".join(loop[n % LOOP_FRAMES] for n in range(self._frames, end))
            self._frames = end
            self._recorder.overhear(BACKGROUND_TRACK, pcm, self._opened + end * FRAME_SAMPLES / RATE)
