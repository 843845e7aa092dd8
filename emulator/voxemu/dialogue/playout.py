"""The agent's audio on its way out, and the playout clock: what has been sent, and what of it has sounded.

Frame ``n`` of an utterance is due at ``start + n * ptime``, multiplied and never accumulated. Whether frames
go out paced or in one burst, sample ``k`` sounds at ``start + k / rate``: a caller plays what it gets one
sample after the other. One utterance at a time; the next starts no earlier than the last one's end.
"""

from __future__ import annotations

from dataclasses import dataclass

from voxemu.audio import SAMPLE_BYTES, AudioFormat, sample_count
from voxemu.events import PlaybackStarted

LATE = 0.06
# Seconds. A passed-through frame that is later than this after the last one is a new start, not jitter.


@dataclass(frozen=True, slots=True)
class Stopped:
    position: int
    # Where agent audio stopped sounding.
    dropped: int
    # Samples sent that never sounded.
    unsent: int


class Playout:
    def __init__(
        self, format: AudioFormat, frame_samples: int, *, pads: bool, burst: bool, opened: float
    ) -> None:
        self._format = format
        self._rate = format.rate
        self._frame = frame_samples
        self._frame_bytes = frame_samples * SAMPLE_BYTES
        self._pads = pads
        self._burst = burst
        self._opened = opened
        self._pcm = b""
        # The utterance; nothing once it has gone out.
        self._sent = 0
        # Samples of it that have gone out.
        self._start = opened
        self._position = 0
        # Of the utterance's first sample.
        self.ends = opened
        # When the last sample that was sent or is queued has sounded.
        self._next = -1
        # Position behind the last sent sample; -1 before the first.
        self.due: float | None = None
        # When the next frame is to go out.

    @property
    def sent_to(self) -> int:
        """Position behind the last sample that was sent."""
        return self._position + self._sent

    def say(self, pcm: bytes, now: float) -> list[PlaybackStarted]:
        """Queues an utterance; the last one must have been sent whole."""
        assert self.due is None, "one utterance at a time"
        if self._pads and sample_count(pcm) % self._frame:
            whole = -(-sample_count(pcm) // self._frame) * self._frame
            pcm = pcm.ljust(whole * SAMPLE_BYTES, b"\0")
        started = self._place(max(now, self.ends))
        self._pcm = pcm
        self._sent = 0
        self.due = self._start if pcm else None
        self.ends = self._start + self._format.seconds(sample_count(pcm))
        return started

    def take(self, now: float) -> list[bytes]:
        """Every frame due by now."""
        frames = []
        pcm, due, sent = self._pcm, self.due, self._sent
        while due is not None and due <= now:
            at = sent * SAMPLE_BYTES
            frames.append(pcm[at : at + self._frame_bytes])
            sent += self._frame
            if sent * SAMPLE_BYTES >= len(pcm):
                sent, due, self._pcm = sample_count(pcm), None, b""
            elif not self._burst:
                due = self._start + sent / self._rate
        self.due, self._sent = due, sent
        self._next = self._position + sent
        return frames

    def pass_on(self, pcm: bytes, now: float) -> list[PlaybackStarted]:
        """A frame that goes out at once, outside any pacing."""
        started = self._place(self.ends if now - self.ends < LATE and self._next >= 0 else now)
        self._sent = sample_count(pcm)
        self._next = self._position + self._sent
        self.ends = self._start + self._format.seconds(self._sent)
        return started

    def _place(self, start: float) -> list[PlaybackStarted]:
        # The end of the last utterance is its next position by definition, whatever the float rounding says.
        follows = start == self.ends and self._next >= 0
        self._start = start
        self._position = self._next if follows else max(self._at(start), self._next)
        return [] if follows else [PlaybackStarted(self._position)]

    def stop(self, now: float, *, flushed: bool) -> Stopped:
        """Nothing more goes out. ``flushed``: the caller drops what it has not played either."""
        unsent = sample_count(self._pcm) - self._sent if self._pcm else 0
        end = self._position + self._sent
        heard = min(end, max(self._position, self._at(now))) if flushed else end
        self._pcm, self._sent, self.due = b"", 0, None
        self._position = self._next = heard
        self.ends = min(self.ends, now) if flushed else self._opened + heard / self._format.rate
        self._start = self.ends
        return Stopped(heard, end - heard, unsent)

    def _at(self, now: float) -> int:
        return round((now - self._opened) * self._format.rate)
