"""What comes when, and what the codec could not read."""

from __future__ import annotations

from voxemu.events import Closed, Event, SessionEnded, StopSent, Unrecognised
from voxemu.lint.framing import DeclaredRate
from voxemu.lint.tally import Tally

GRACE = 0.5
# Seconds after the provider's end in which audio may still be on its way: the client cannot know yet.

PROBLEMS = {
    "not_json": "F-BAD-JSON",
    "not_object": "F-BAD-JSON",
    "bad_field": "F-BAD-FIELD",
    "unknown_type": "F-UNKNOWN-TYPE",
    "binary_frame": "F-FRAME-KIND",
    "text_frame": "F-FRAME-KIND",
    "not_base64": "F-NOT-BASE64",
    "odd_bytes": "F-ODD-BYTES",
    "empty_audio": "F-EMPTY-AUDIO",
}


class Order:
    """F-BEFORE-READY, F-AFTER-END and F-AFTER-HANGUP: audio at its time."""

    def __init__(self, tally: Tally, ready: type[Event] | None) -> None:
        self._tally = tally
        self._ready = ready
        self._is_ready = ready is None
        self._stopped: float | None = None
        self._ended: tuple[float, str] | None = None
        self.calm = self._is_ready
        # Audio is in its place now.

    def saw(self, event: Event, now: float) -> None:
        if not self._is_ready and self._ready is not None and isinstance(event, self._ready):
            self._is_ready = True
        elif isinstance(event, StopSent) and self._stopped is None:
            self._stopped = now
        elif isinstance(event, SessionEnded) and self._ended is None:
            self._ended = (now, "the session's end")
        elif isinstance(event, Closed) and self._ended is None:
            self._ended = (now, "the close")
        self.calm = self._is_ready and self._stopped is None and self._ended is None

    def heard(self, now: float) -> None:
        if self._stopped is not None:
            self._late("F-AFTER-HANGUP", now - self._stopped, "the client's stop")
        elif self._ended is not None:
            since, what = self._ended
            if now - since > GRACE:
                self._late("F-AFTER-END", now - since, what)
        elif not self._is_ready and self._ready is not None:
            self._tally.suspect("F-BEFORE-READY")
            self._tally.find(
                "F-BEFORE-READY", "audio came before the provider said that the session is there"
            )

    def _late(self, code: str, seconds: float, what: str) -> None:
        self._tally.suspect(code)
        self._tally.find(code, f"audio {seconds * 1000:.0f} ms after {what}")


class Misreadings:
    """Messages that the codec has no words for, by what is wrong with them."""

    def __init__(self, tally: Tally, declared: DeclaredRate) -> None:
        self._tally = tally
        self._declared = declared

    def saw(self, event: Unrecognised) -> None:
        if event.problem == "wrong_rate":
            self._declared.refused(event.text)
            return
        # A word that a newer codec uses is still a message that could not be read.
        code = PROBLEMS.get(event.problem, "F-BAD-FIELD")
        self._tally.suspect(code)
        self._tally.find(code, event.text)
