"""What is measured of one call, as it goes by: a tap on the caller's line."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from voxemu.audio import SAMPLE_BYTES
from voxemu.events import (
    AgentAudioSent,
    Cleared,
    Congested,
    ErrorReported,
    Event,
    InputGapped,
    InputStarted,
    Interrupted,
    ListeningStarted,
    Note,
    Opened,
    SpeakingStarted,
    ThinkingStarted,
    TurnEnded,
    UserAudioSent,
)
from voxemu.provider import Provider
from voxemu_client.load.pace import Pace
from voxemu_client.load.tally import Tally
from voxemu_client.silence import FRAME

WORDS = (Interrupted, ThinkingStarted, SpeakingStarted, ListeningStarted)
# What comes after one of these is another reply.


class Window:
    """Whether pacing is being measured: while all sessions are to be up."""

    def __init__(self) -> None:
        self.open = False


class Ear:
    """``let_in`` is told when the provider takes audio.

    Our own lateness is that of the user's frames, against their grid; what a server that takes no audio kept
    waiting is not ours.
    """

    def __init__(
        self,
        provider: Provider,
        tally: Tally,
        window: Window,
        let_in: Callable[[], None],
    ) -> None:
        self._tally = tally
        self._window = window
        self._sending = tally.spreads["sending"]
        self._pace = Pace(tally.spreads["agent"])
        self._let_in = let_in
        self._ready = provider.ready or Opened
        # Where no word says that a reply begins, the first audio after a turn is taken for one; it may have
        # been on its way for long.
        self._bounds = WORDS if SpeakingStarted in provider.spells else (*WORDS, TurnEnded)
        self._rate = provider.format.rate
        self._bytes = provider.format.rate * SAMPLE_BYTES
        # Of a second.
        self._opened = self._grid = 0.0
        # When frame ``_frame`` 0 was due.
        self._frame = 0
        self._excused = -1.0
        # The moment whose frames are late by the line's fault; infinity while it takes none.
        self.frames_sent = self.frames_received = 0

    def saw(self, event: Event, now: float) -> Iterable[Note]:
        kind = type(event)
        if kind is UserAudioSent:
            if self._window.open and now > self._excused:
                self._sending.add(now - self._grid - self._frame * FRAME)
            self._frame += 1
            self.frames_sent += 1
        elif isinstance(event, AgentAudioSent):
            self.frames_received += 1
            self._pace.frame(now, len(event.pcm) / self._bytes, counts=self._window.open)
        else:
            self._note(event, now)
        return ()

    def _note(self, event: Event, now: float) -> None:
        match event:
            case Opened():
                self._opened = now
            case InputStarted(position=position):
                self._begin_grid(position)
            case InputGapped(position=position, samples=samples, open=False):
                self._begin_grid(position + samples)
            case Congested():
                self._excused = float("inf")
            case Cleared():
                self._excused = now
            case ErrorReported(code=code):
                self._tally.reported[code or "without a code"] += 1
        if isinstance(event, self._bounds):
            self._pace.end()
        if isinstance(event, self._ready):
            self._let_in()

    def _begin_grid(self, position: int) -> None:
        self._grid, self._frame = self._opened + position / self._rate, 0

    def close(self) -> None:
        """The call is over."""
        self._pace.end()
        counts = self._tally.counts
        counts["frames_sent"] += self.frames_sent
        counts["frames_received"] += self.frames_received
        counts["pauses"] += self._pace.pauses
        longest = max(self._tally.amounts.get("longest_pause", 0.0), self._pace.longest_pause)
        self._tally.amounts["longest_pause"] = longest
