"""The clocks that a call on a socket may run on. They read seconds since the connection opened.

On the running clock (the wall's, or a virtual one) time passes by itself, and the pump sets timers. On the
media clock time is the user's audio: it stands while none comes, and passes as fast as it is streamed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from voxemu.audio import SAMPLE_BYTES
from voxemu.drive.crank import NANO, canonical
from voxemu.events import Event, Ponged, RatesAnnounced, UserAudioSent

TICK = 0.02
# Seconds of audio by which the media clock moves.
RATES = range(8000, 192_001)
# Hz, as AudioFormat has it: by another rate no time can be told.


class Clock(Protocol):
    @property
    def running(self) -> bool:
        """Whether time passes by itself."""
        ...

    def begin(self, rate: int) -> None:
        """The session is there; its user audio has this rate where messages declare none."""
        ...

    def now(self) -> float: ...

    def cut(self, event: Event) -> Iterable[Event]:
        """What the engine is to be given of an incoming event, one after the other."""
        ...

    def heard(self, event: Event, now: float) -> float:
        """The engine was given this one, at that time. Answers how many seconds of the user's audio came
        faster than they passed."""
        ...

    @property
    def may_stand(self) -> bool:
        """Whether this is a clock on which time can wait for audio."""
        ...


class RunningClock:
    """``time`` is the loop's."""

    running = True
    may_stand = False

    def __init__(self, time: Callable[[], float]) -> None:
        self._time = time
        self._opened = time()
        self._rate = 16_000
        self._heard_to = 0.0
        # When the audio that has come will have passed.

    def begin(self, rate: int) -> None:
        self._rate = rate

    def now(self) -> float:
        # As ``canonical``; every frame asks.
        return round((self._time() - self._opened) * NANO) / NANO

    def cut(self, event: Event) -> Iterable[Event]:
        return (event,)

    def heard(self, event: Event, now: float) -> float:
        if type(event) is UserAudioSent:
            rate = self._rate if event.rate is None else _believable(event.rate) or self._rate
            begins = self._heard_to if self._heard_to > now else now
            self._heard_to = begins + len(event.pcm) / (SAMPLE_BYTES * rate)
        elif isinstance(event, RatesAnnounced):
            self._rate = _believable(event.input) or self._rate
        ahead = self._heard_to - now
        return ahead if ahead > 0.0 else 0.0


class MediaClock:
    """Time is the user samples received, at the rate that they have.

    Audio is cut into ticks of 20 ms, counted from the first sample, so that no chunking shows: a tick is
    heard at the time of its first sample, and after it time goes to its last. A tick that is not full waits
    for the rest; what comes in between (a setting, the close) is at the place in the stream where it came.

    Until ``begin`` no session is there, and patience with whoever is to open one is the wall's: time stands
    at zero, and deadlines are kept by timers. Pongs come by the wall and are no part of the call.
    """

    may_stand = True

    def __init__(self) -> None:
        self.running = True
        self._rate = 16_000
        self._announced = 16_000
        # Of audio that declares no rate.
        self._since = 0.0
        # When the rate was last changed, and
        self._samples = 0
        # how many samples have come since.
        self._rest = b""
        # Of a tick that is not full.
        self._declared: int | None = None
        # What its messages said of their rate.

    def begin(self, rate: int) -> None:
        self.running = False
        self._rate = self._announced = rate

    def now(self) -> float:
        return canonical(self._since + self._samples / self._rate)

    def cut(self, event: Event) -> Iterable[Event]:
        if self.running:
            yield event
        elif isinstance(event, UserAudioSent):
            yield from self._ticks(event)
        elif not isinstance(event, Ponged):
            yield from self._flush()
            yield event

    def heard(self, event: Event, now: float) -> float:
        if isinstance(event, UserAudioSent) and not self.running:
            self._samples += len(event.pcm) // SAMPLE_BYTES
        elif isinstance(event, RatesAnnounced):
            self._announced = _believable(event.input) or self._announced
        return 0.0

    def _ticks(self, sent: UserAudioSent) -> Iterable[Event]:
        if sent.rate != self._declared:
            yield from self._flush()
        self._declared = sent.rate
        self._turn_to(_believable(sent.rate) or self._announced)
        pcm, at = self._rest + sent.pcm, 0
        self._rest = b""
        while (end := at + self._missing()) <= len(pcm):
            yield UserAudioSent(pcm[at:end], sent.rate)
            at = end
        self._rest = pcm[at:]

    def _missing(self) -> int:
        """Bytes to the next tick."""
        tick = round(TICK * self._rate)
        return (tick - self._samples % tick) * SAMPLE_BYTES

    def _turn_to(self, rate: int) -> None:
        if rate != self._rate:
            self._since, self._samples, self._rate = self.now(), 0, rate

    def _flush(self) -> Iterable[Event]:
        rest, self._rest = self._rest, b""
        if rest:
            yield UserAudioSent(rest, self._declared)


def _believable(rate: int | None) -> int | None:
    # `in` would walk through the range for None.
    return rate if rate is not None and rate in RATES else None
