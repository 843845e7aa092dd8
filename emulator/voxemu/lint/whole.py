"""What only the whole of a call shows: nothing was ever heard, it was idle, a setting that cannot be."""

from __future__ import annotations

from voxemu.events import (
    Closed,
    EchoHeard,
    ErrorReported,
    Event,
    LimitReached,
    Opened,
    ReadingSlowed,
)
from voxemu.lint.tally import Tally

PATIENCE = 15.0
# Seconds of a call without any sound before that is more than somebody who is thinking.
BACKLOG = 10.0
# Seconds of audio that networks and kernels may hold by themselves.
CATCHING_UP = 1.0
# Seconds in which a backlog arrives, once we read again.


class Whole:
    """F-NO-AUDIO, F-ONLY-SILENCE, F-IDLE, F-ECHO, F-BAD-SETTING and F-NO-BACKPRESSURE."""

    def __init__(self, tally: Tally, ready: type[Event] | None) -> None:
        self._tally = tally
        self._ready_event = ready
        self._ready: float | None = None
        self._seconds = 0.0
        self._loud = False
        self.listens = True
        # Until something was heard, and again while a backlog comes, each message tells something.
        self.is_read_slowly = False
        # What comes now comes when we read it: its pace says nothing of the client's.
        self._caught_up: float | None = None
        # When reading is as fast as ever again, plus the time for what waited.
        self._backlog = 0.0

    def saw(self, event: Event, now: float) -> None:
        if self._ready is None and isinstance(event, self._ready_event or Opened):
            self._ready = now
        match event:
            case LimitReached(limit="idle", value=seconds):
                self._make("F-IDLE", f"nothing came for {seconds:g} s")
            case EchoHeard(seconds=seconds):
                self._make("F-ECHO", f"{seconds:.1f} s of the agent's voice came back through the microphone")
            case ErrorReported(code="INVALID_SETTING", message=text):
                self._make("F-BAD-SETTING", text)
            case ReadingSlowed(seconds=seconds):
                self.is_read_slowly = seconds != 0 or self.is_read_slowly
                self._caught_up = now + CATCHING_UP if seconds == 0 else None
                self.listens = True
                self._backlog = 0.0
            case Closed():
                self._close(now)

    def heard(self, seconds: float, silent: bool, now: float) -> None:
        self._seconds += seconds
        self._loud = self._loud or not silent
        if self._caught_up is None:
            self.listens = not self._loud
            return
        if now > self._caught_up:
            self.is_read_slowly, self._caught_up = False, None
            return
        self._backlog += seconds
        if self._backlog > BACKLOG:
            self._make(
                "F-NO-BACKPRESSURE", f"{self._backlog:.1f} s of audio had piled up while nobody read it"
            )

    def _close(self, now: float) -> None:
        if self._ready is None or self.is_read_slowly:
            return
        if not self._seconds and now - self._ready >= PATIENCE:
            self._make("F-NO-AUDIO", f"no audio in {now - self._ready:.0f} s of a session that was ready")
        elif not self._loud and self._seconds >= PATIENCE:
            self._make("F-ONLY-SILENCE", f"{self._seconds:.0f} s of audio, every sample of it zero")

    def _make(self, code: str, seen: str) -> None:
        self._tally.suspect(code)
        self._tally.find(code, seen)
