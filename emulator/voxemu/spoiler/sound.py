"""Agent audio on its way through a spoiler: what is spoiled of it, and where it belongs all the same."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

from voxemu.audio import SAMPLE_BYTES, sample_count
from voxemu.events import AgentAudioSent, Event, PlaybackFlushed, PlaybackStarted
from voxemu.fault import Fault
from voxemu.provider import Provider
from voxemu.spoiler import frames
from voxemu.spoiler.queue import NEVER

if TYPE_CHECKING:
    from random import Random

SWAP_WITHIN = 0.2
# Seconds that a message which is to come after the next one waits for that.
KEPT = 500
# Messages of the reply that are kept, to come late: at 20 ms, ten seconds.
TAIL = 0.5
# Seconds of it that are kept while nobody has asked for late audio: what it is where nobody says how much.
# More would hold each reply twice, for nobody.


class Sound:
    """Answers what is to be sent in place of each message. Times are on the engine's clock."""

    def __init__(self, provider: Provider, rng: Random) -> None:
        self._provider = provider
        self._rng = rng
        self.held_until = -NEVER
        # Until then everything waits: to come late, or in a burst.
        self._swapped: AgentAudioSent | None = None
        self.swap_due = NEVER
        # When a message that waits for the next one goes out anyway.
        self._tail: deque[bytes] = deque(maxlen=KEPT)
        # The last of the reply that went out,
        self._tail_bytes = 0
        # and of how many bytes it is.
        self._enough = provider.format.samples(TAIL) * SAMPLE_BYTES
        self.keeps_all = False
        # Late audio was asked for already, and it may be of any length.
        self._generation = 0
        self._place = 0
        self._misplaced = False
        # Where the next agent sample belongs, and whether the recording would put it elsewhere.

    def noted(self, place: PlaybackStarted | PlaybackFlushed) -> None:
        """The session says where the next sample belongs."""
        self._place, self._misplaced = place.position, False

    def went_out(self, event: AgentAudioSent) -> None:
        """As it was, and nothing else has been spoiled before it."""
        self._remember(event)
        self._place += len(event.pcm) // SAMPLE_BYTES

    def passes(self, event: AgentAudioSent, hits: Sequence[Fault], now: float) -> list[Event]:
        self._remember(event)
        sent = [event]
        swaps = False
        for fault in hits:
            if fault.kind == "reorder":
                swaps = swaps or self._swapped is None
            else:
                sent = self._spoiled(fault, sent, now)
        if swaps and sent:
            self._swapped, self.swap_due = sent.pop(0), now + SWAP_WITHIN
            self._place += sample_count(event.pcm)
            return []
        said = self._placed(sent, event)
        return said if any(fault.kind == "reorder" for fault in hits) else [*said, *self.unswap()]

    def unswap(self) -> list[Event]:
        """What waits for the next message, which does not come."""
        held, self._swapped, self.swap_due = self._swapped, None, NEVER
        return [] if held is None else [held]

    def _spoiled(self, fault: Fault, sent: list[AgentAudioSent], now: float) -> list[AgentAudioSent]:
        match fault.kind:
            case "drop":
                return []
            case "duplicate":
                return [each for each in sent for _ in range(2)]
            case "delay":
                self.held_until = max(self.held_until, now + fault.ms / 1000)
            case "jitter":
                self.held_until = max(self.held_until, now + self._rng.random() * fault.ms / 1000)
            case "burst" if self.held_until <= now:
                self.held_until = now + fault.ms / 1000
        return [AgentAudioSent(self._sample_by_sample(fault, each.pcm), each.generation) for each in sent]

    def _sample_by_sample(self, fault: Fault, pcm: bytes) -> bytes:
        match fault.kind:
            case "truncate":
                return frames.halved(pcm)
            case "corrupt":
                return frames.noise(pcm, self._rng)
            case "clipping":
                return frames.clipped(pcm)
            case "wrong_rate":
                return frames.at_rate(pcm, self._provider.format, fault.rate) or pcm
        return pcm

    def _placed(self, sent: list[AgentAudioSent], meant: AgentAudioSent) -> list[Event]:
        """Where the recording expects ``meant``: a hole stays one, and a surplus never sounds."""
        begins, samples = self._place, sample_count(meant.pcm)
        came = sum(sample_count(each.pcm) for each in sent)
        said: list[Event] = [PlaybackStarted(begins)] if self._misplaced and sent else []
        said += sent
        if came > samples:
            said.append(PlaybackFlushed(begins + samples, came - samples))
        self._place = begins + samples
        self._misplaced = (self._misplaced and not sent) or came < samples
        return said

    # --- what comes late ------------------------------------------------------------

    def _remember(self, event: AgentAudioSent) -> None:
        if event.generation != self._generation:
            self._tail.clear()
            self._tail_bytes = 0
            self._generation = event.generation
        self._tail.append(event.pcm)
        self._tail_bytes += len(event.pcm)
        while not self.keeps_all and self._tail_bytes - len(self._tail[0]) >= self._enough:
            self._tail_bytes -= len(self._tail.popleft())

    def late(self, fault: Fault) -> list[AgentAudioSent]:
        """The end of what went out of the reply, once more, as if it had still been on its way; or a mark."""
        axis, frame = self._provider.format, self._provider.frame_samples
        if fault.text == "mark":
            pcm = frames.mark(axis, fault.ms / 1000)
        else:
            samples = axis.samples(fault.ms / 1000)
            pcm = b"".join(self._tail)[-2 * samples :] if samples else b""
        pieces = frames.cut(pcm, frame)
        return [
            AgentAudioSent(piece, self._generation)
            for piece in pieces
            if sample_count(piece) == frame or not self._provider.pads
        ]

    def unheard(self, late: AgentAudioSent) -> list[Event]:
        """Told as what a caller that does it right throws away as it comes."""
        return [late, PlaybackFlushed(self._place, sample_count(late.pcm))]
