"""The tap that finds what the user's client does wrong, in one session at the provider's end."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Protocol

from voxemu.audio import SAMPLE_BYTES, AudioFormat
from voxemu.events import (
    AgentAudioSent,
    Event,
    LimitReached,
    Note,
    RatesAnnounced,
    Unrecognised,
    UserAudioSent,
)
from voxemu.lint.flush import FlushCheck
from voxemu.lint.framing import DeclaredRate, FrameSizes, SilenceRuns
from voxemu.lint.limits import Limits
from voxemu.lint.order import Misreadings, Order
from voxemu.lint.pace import Bursts, Steadiness
from voxemu.lint.payload import Payload
from voxemu.lint.samples import Samples
from voxemu.lint.tally import Tally
from voxemu.lint.whole import Whole

BELIEVABLE = range(8000, 192_001)
# Hz, as AudioFormat has it: by another rate no time can be told.


class Linted(Protocol):
    """As much of a Provider as the linter reads."""

    @property
    def id(self) -> str: ...
    @property
    def format(self) -> AudioFormat: ...
    @property
    def ready(self) -> type[Event] | None: ...


class Linter:
    """Remarks on each broken rule once, when it is certain; changes nothing, reads no clock.

    ``input_rate`` is the rate of the user's audio where it is not the provider's; a RatesAnnounced changes
    it. Rules ``without`` are not judged.
    """

    def __init__(
        self, provider: Linted, input_rate: int | None = None, without: Collection[str] = ()
    ) -> None:
        self._rate = input_rate or provider.format.rate
        self._playback = provider.format.rate
        self._tally = tally = Tally(provider.id, without)
        self._sizes = FrameSizes(tally, provider.id)
        self._declared = DeclaredRate(tally)
        self._silence = SilenceRuns(tally, provider.id)
        self._order = Order(tally, provider.ready)
        self._misreadings = Misreadings(tally, self._declared)
        self._limits = Limits(tally)
        self._paced = tally.applies("F-PACE-BURST")
        self._bursts = Bursts(tally)
        self._steadiness = Steadiness(tally)
        self._payload = Payload(tally)
        self._samples = Samples(tally)
        self._whole = Whole(tally, provider.ready)
        self._flush = FlushCheck(tally)
        self._messages = 0
        self._came = float("-inf")
        # When the last one came.
        self._size = self._size_rate = 0
        # Bytes of the last one and its rate: what follows is the same for all that are like it.
        self._seconds = 0.0
        self._zeros = b""
        self._fits = True

    def saw(self, event: Event, now: float) -> Iterable[Note]:
        if type(event) is UserAudioSent:
            self._heard(event, now)
        elif type(event) is AgentAudioSent:
            return ()
        elif isinstance(event, Unrecognised):
            self._misreadings.saw(event)
        elif isinstance(event, RatesAnnounced):
            self._announced(event)
        elif isinstance(event, LimitReached):
            self._limits.saw(event)
            self._whole.saw(event, now)
        else:
            self._order.saw(event, now)
            self._whole.saw(event, now)
            self._flush.saw(event, now)
        return self._tally.take() if self._tally.waiting else ()

    def summary(self) -> dict[str, int]:
        """For every finding made, by code: how many messages or incidents broke the rule."""
        return self._tally.counts

    def _announced(self, rates: RatesAnnounced) -> None:
        if rates.playback not in (None, self._playback):
            self._tally.suspect("F-RATE-PLAYBACK")
            seen = (
                f"a playback rate of {rates.playback} Hz was announced; agent audio has {self._playback} Hz"
            )
            self._tally.find("F-RATE-PLAYBACK", seen)
        if rates.input is not None and rates.input in BELIEVABLE and rates.input != self._rate:
            self._rate = rates.input
            self._steadiness.restart()

    def _heard(self, sent: UserAudioSent, now: float) -> None:
        pcm = sent.pcm
        if not pcm:
            return
        rate = self._rate
        if sent.rate is not None:
            self._declared.heard(sent.rate, rate)
            rate = sent.rate if sent.rate in BELIEVABLE else rate
        size = len(pcm)
        if size != self._size or rate != self._size_rate:
            self._measure(size, rate)
        self._messages += 1
        seconds, silent = self._seconds, pcm == self._zeros
        # Asked is only who might have something to say.
        if not self._order.calm:
            self._order.heard(now)
        if not self._fits or self._sizes.short_before:
            self._sizes.heard(size, rate, silent, self._messages)
        if self._silence.matters:
            self._silence.heard(pcm, seconds, silent, now)
        if self._whole.listens:
            self._whole.heard(seconds, silent, now)
        if self._whole.is_read_slowly:
            self._steadiness.restart()
        elif self._paced:
            wait, self._came = now - self._came, now
            self._bursts.heard(seconds, rate, now, wait)
            self._steadiness.heard(seconds, rate, now, wait, silent)
        if not silent:
            if now <= self._flush.until:
                self._flush.heard(pcm, rate)
            self._payload.heard(pcm)
            self._samples.heard(pcm, seconds)

    def _measure(self, size: int, rate: int) -> None:
        """Messages are of another length, or rate, than those before."""
        self._size, self._size_rate = size, rate
        self._seconds = size / SAMPLE_BYTES / rate
        self._zeros = bytes(size)
        self._fits = self._sizes.fits(size, rate)
