"""Where a call stands, and whether a fault strikes there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from voxemu import events
from voxemu.audio import SAMPLE_BYTES
from voxemu.events import (
    AgentAudioSent,
    Downlink,
    Event,
    Interrupted,
    SpeakingStarted,
    Transcribed,
    named,
)
from voxemu.fault import FOR_EVER, KINDS, Fault
from voxemu.spoiler.queue import NEVER

if TYPE_CHECKING:
    from random import Random


INSTANT = 1e-9
FAMILIES = (Event, events.Uplink, Downlink, events.Line, events.Note)
NAMED: dict[str, type[Event]] = {
    named(kind): kind
    for kind in vars(events).values()
    if isinstance(kind, type) and issubclass(kind, Event) and kind not in FAMILIES
}
EVENT_NAMES = frozenset(NAMED)
# What a fault may wait for with ``on``.


class Position:
    """What has gone by: events by kind, agent audio by message and sample, replies."""

    def __init__(self) -> None:
        self._seen: defaultdict[type[Event], int] = defaultdict(int)
        self.replies = 0
        self.frames = 0
        self.samples = 0
        self.frames_in_reply = 0

    def passes(self, event: Event) -> None:
        """Of everything but agent audio, before it is judged."""
        kind = type(event)
        self._seen[kind] += 1
        if kind is SpeakingStarted:
            self.replies += 1
            self.frames_in_reply = 0

    def seen(self, name: str) -> int:
        """How often; "" is no event's name."""
        return self._seen[NAMED[name]] if name in NAMED else 0

    def sounds(self, event: AgentAudioSent) -> None:
        """Agent audio has been judged: it is behind us."""
        self.frames += 1
        self.frames_in_reply += 1
        self.samples += len(event.pcm) // SAMPLE_BYTES


class Aim:
    """One fault of one session, and how often it has struck."""

    def __init__(self, fault: Fault, rng: Random, already: int = 0) -> None:
        self.fault = fault
        self._already = already
        # How often what it waits for had happened when it was asked for.
        self.family = KINDS[fault.kind].family
        self._rng = rng
        self.struck = 0

    @property
    def is_spent(self) -> bool:
        return self.fault.times != FOR_EVER and self.struck >= self.fault.times

    @property
    def is_told_each_time(self) -> bool:
        """In the timeline; one that spoils every frame is told once."""
        return self.family != "frame" or self.fault.times != FOR_EVER or self.fault.chance < 1

    def strikes(self, event: Event, position: Position, since: float) -> bool:
        """Whether this message is hit; ``since`` is seconds since the beginning."""
        return self._carried_by(event) and self._hits(position, since, 0)

    def is_due(self, position: Position, since: float) -> bool:
        """Whether its moment is here, for faults that strike no message."""
        return self.family == "moment" and self._hits(position, since, self.struck)

    def waits_until(self) -> float:
        """The second that it waits for by itself; infinity where an event has to come anyway."""
        at = self.fault.at
        return NEVER if at is None or self.family != "moment" or self.is_spent else at

    def _hits(self, position: Position, since: float, before: int) -> bool:
        if self.is_spent or not self._holds(position, since, before):
            return False
        if self.fault.chance < 1 and self._rng.random() >= self.fault.chance:
            # A moment comes once; a message that is spared is followed by others.
            self.struck += self.family == "moment"
            return False
        self.struck += 1
        return True

    def _holds(self, position: Position, since: float, before: int) -> bool:
        fault = self.fault
        frames = position.frames if fault.in_reply is None else position.frames_in_reply
        return (
            (fault.after_frames is None or frames >= fault.after_frames)
            and (fault.in_reply is None or position.replies == fault.in_reply)
            and (fault.at_sample is None or position.samples >= fault.at_sample)
            and (fault.at is None or since >= fault.at)
            and (not fault.on or position.seen(fault.on) - self._already >= fault.nth + before)
            and (before == 0 or bool(fault.on))
        )

    def _carried_by(self, event: Event) -> bool:
        if self.family == "frame":
            return isinstance(event, AgentAudioSent)
        match self.fault.kind:
            case "late_audio" | "missing_interrupted" | "doubled_interrupted":
                return isinstance(event, Interrupted)
            case "doubled_speaking":
                return isinstance(event, SpeakingStarted)
            case "doubled_transcript":
                return isinstance(event, Transcribed)
            case "endless_interim":
                return isinstance(event, Transcribed) and event.final
            case "extra_fields":
                return isinstance(event, Downlink) and not isinstance(event, AgentAudioSent)
        return False


class Targets:
    """Every fault of one session, and where that stands."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._aims: list[Aim] = []
        self.position = Position()
        self._opened: float | None = None
        self._looked = -1.0
        # Up to which second moments were looked for.

    @property
    def is_open(self) -> bool:
        return self._opened is not None

    def open(self, now: float) -> None:
        self._opened = now

    def add(self, fault: Fault) -> None:
        self._aims.append(Aim(fault, self._rng, self.position.seen(fault.on)))

    def hit(self, event: Event, now: float) -> Iterator[Aim]:
        """Those that strike this message."""
        since = self._since(now)
        return (aim for aim in self._aims if aim.strikes(event, self.position, since))

    def due(self, now: float) -> Iterator[Fault]:
        """Those whose moment is here, one after the other: each may change where the next one stands."""
        since = self._since(now)
        return (aim.fault for aim in self._aims if self.is_open and aim.is_due(self.position, since))

    def looked(self, now: float) -> None:
        self._looked = max(self._looked, self._since(now))

    @property
    def next_moment(self) -> float:
        """When the next one is due by itself."""
        if self._opened is None:
            return NEVER
        waiting = (aim.waits_until() for aim in self._aims)
        return min((self._opened + at for at in waiting if at > self._looked), default=NEVER)

    def _since(self, now: float) -> float:
        # What was to be looked for at a second is looked for at that second, whatever the last bit says.
        return 0.0 if self._opened is None else now - self._opened + INSTANT
