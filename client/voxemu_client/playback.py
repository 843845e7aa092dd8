"""The user's loudspeaker: when each agent sample sounds, and what never does.

A pure playout line, as the providers' pages schedule it: a chunk starts at ``max(next, now)``, so that chunks
follow one another without a hole. In front of a line that has run dry stands a jitter buffer (60 ms by
default): frames that are paced exactly as long as they last would otherwise click at the least delay of the
network. With 0 the line is the page's own formula.
"""

from __future__ import annotations

from dataclasses import dataclass

from voxemu.audio import AudioFormat, sample_count
from voxemu.events import Note, PlaybackFlushed, PlaybackStarted, PlaybackUnderran

JITTER_BUFFER = 0.06
# Seconds.
UNDERRUN = 1.0
# Seconds. A longer hole is a pause of the agent: a turn ends after as much quiet.
LATE = 0.5
# Seconds. After an interruption, audio without such a pause in front of it is what was on its way still.


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a chunk of agent audio sounds; ``position`` is None for one that came too late to sound."""

    position: int | None
    notes: tuple[Note, ...] = ()


class Playback:
    """Positions are samples on the call's axis, ``now`` and ``ends`` seconds on the engine's clock."""

    def __init__(self, axis: AudioFormat, *, jitter_buffer: float = JITTER_BUFFER) -> None:
        self._axis = axis
        self._buffer = axis.samples(jitter_buffer)
        self._patience = axis.samples(UNDERRUN)
        self._opened = 0.0
        self._start = 0
        # Of the stretch that sounds, or will.
        self._known = False
        # Whether the place of the next sample follows from what was said.
        self._generation = 0
        self._mid_reply = False
        self._cut_off: float | None = None
        # When audio of a reply that was interrupted came last; it may come on for a while.
        self.next = 0
        # Where the next sample sounds at the earliest.
        self.received = 0
        self.dropped = 0
        # Of the received ones, those that never sounded.
        self.late = 0
        # Of the dropped ones, those of a reply that was over when they came.
        self.underruns = 0
        self.underrun_samples = 0

    @property
    def heard(self) -> int:
        return self.received - self.dropped

    @property
    def ends(self) -> float:
        """When the last sample that came has sounded."""
        return self._opened + self._axis.seconds(self.next)

    def open(self, now: float) -> None:
        self._opened = now

    def at(self, now: float) -> int:
        return round((now - self._opened) * self._axis.rate)

    def sounds(self, now: float) -> bool:
        return self._start <= self.at(now) < self.next

    def in_reply(self, now: float) -> bool:
        """Whether a reply sounds, or has come in part."""
        return self._mid_reply or self.sounds(now)

    def arrived(self, pcm: bytes, generation: int, now: float) -> Placed:
        """Agent audio has come; ``generation`` 0 where the wire does not say."""
        samples = sample_count(pcm)
        if 0 < generation < self._generation:
            return self._discard(samples)
        if self._comes_late(generation, now):
            return self._discard(samples)
        notes = self.new_reply(generation, now) if generation > self._generation else []
        self.received += samples
        notes += self._place(now)
        position = self.next
        self.next += samples
        self._known = self._mid_reply = True
        return Placed(position, tuple(notes))

    def cut_off(self, now: float) -> None:
        """The reply was interrupted: until another begins, what comes belongs to the old one."""
        self._cut_off = now

    def _comes_late(self, generation: int, now: float) -> bool:
        # A wire may have no word for a reply's beginning, so a pause tells one, too.
        if self._cut_off is None or generation > self._generation or now - self._cut_off >= LATE:
            self._cut_off = None
            return False
        self._cut_off = now
        return True

    def _place(self, now: float) -> list[Note]:
        here = self.at(now)
        dry = self.next < here or not self._known
        if not dry:
            return []
        start = max(self.next, here + self._buffer)
        notes: list[Note] = []
        hole = start - self.next
        if self._mid_reply and self._known and hole < self._patience:
            self.underruns += 1
            self.underrun_samples += hole
            notes.append(PlaybackUnderran(self.next, hole))
        self._start = self.next = start
        return [*notes, PlaybackStarted(start)]

    def _discard(self, samples: int) -> Placed:
        self.received += samples
        self.dropped += samples
        self.late += samples
        return Placed(None, (PlaybackFlushed(self.next, samples),))

    def end_reply(self) -> None:
        """What comes from here on belongs to another reply: silence before it is no underrun."""
        self._mid_reply = False

    def new_reply(self, generation: int, now: float) -> list[Note]:
        """A reply begins; a higher generation than the one that plays cuts that one off."""
        self._mid_reply = False
        self._cut_off = None
        if generation <= self._generation:
            return []
        self._generation = generation
        return self.clear(now)

    def clear(self, now: float) -> list[Note]:
        """At once: nothing that has not sounded yet will."""
        self._mid_reply = False
        stop = min(self.next, max(self._start, self.at(now)))
        gone = self.next - stop
        if not gone:
            return []
        self.next = stop
        self._known = False
        self.dropped += gone
        return [PlaybackFlushed(stop, gone)]
