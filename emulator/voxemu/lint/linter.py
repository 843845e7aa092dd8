"""The tap that finds what the user's client does wrong, in one session at the provider's end."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Protocol

from voxemu.audio import SAMPLE_BYTES, AudioFormat
from voxemu.events import AgentAudioSent, Event, Note, RatesAnnounced, Unrecognised, UserAudioSent
from voxemu.lint.framing import DeclaredRate, FrameSizes, SilenceRuns
from voxemu.lint.order import Misreadings, Order
from voxemu.lint.pace import Bursts, Steadiness
from voxemu.lint.payload import Payload
from voxemu.lint.samples import Samples
from voxemu.lint.tally import Tally

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
        self._tally = tally = Tally(provider.id, without)
        self._sizes = FrameSizes(tally, provider.id)
        self._declared = DeclaredRate(tally)
        self._silence = SilenceRuns(tally, provider.id)
        self._order = Order(tally, provider.ready)
        self._misreadings = Misreadings(tally, self._declared)
        self._paced = tally.applies("F-PACE-BURST")
        self._bursts = Bursts(tally)
        self._steadiness = Steadiness(tally)
        self._payload = Payload(tally)
        self._samples = Samples(tally)
        self._zeros = b""

    def saw(self, event: Event, now: float) -> Iterable[Note]:
        if isinstance(event, UserAudioSent):
            self._heard(event, now)
        elif isinstance(event, AgentAudioSent):
            return ()
        elif isinstance(event, Unrecognised):
            self._misreadings.saw(event)
        elif isinstance(event, RatesAnnounced):
            self._announced(event)
        else:
            self._order.saw(event, now)
        return self._tally.take()

    def summary(self) -> dict[str, int]:
        """For every finding made, by code: how many messages or incidents broke the rule."""
        return self._tally.counts

    def _announced(self, rates: RatesAnnounced) -> None:
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
        seconds = len(pcm) / SAMPLE_BYTES / rate
        silent = self._is_silent(pcm)
        self._order.heard(now)
        self._sizes.heard(pcm, rate, silent)
        self._silence.heard(seconds, silent, now)
        if self._paced:
            self._bursts.heard(seconds, rate, now)
            self._steadiness.heard(seconds, rate, now, silent)
        if not silent:
            self._payload.heard(pcm)
            self._samples.heard(pcm, seconds)

    def _is_silent(self, pcm: bytes) -> bool:
        if len(self._zeros) != len(pcm):
            self._zeros = bytes(len(pcm))
        return pcm == self._zeros
