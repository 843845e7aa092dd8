"""The agent's voice: its audio on its way out, its lines as they sound, and the account of its reply.

There is one reply at a time, and it may be broken off. What was sent of it and what never sounded is kept in
it, until it is over.
"""

from __future__ import annotations

from voxemu.agent import Say
from voxemu.audio import SAMPLE_BYTES, sample_count
from voxemu.dialogue.captions import Captions
from voxemu.dialogue.echo_guard import EchoGuard
from voxemu.dialogue.playout import Playout
from voxemu.dialogue.reply import Reply
from voxemu.dialogue.settings import DialogueSettings
from voxemu.events import AgentAudioSent, BargedIn, Event, PlaybackFlushed, ReplyEnded
from voxemu.provider import Provider


class Voice:
    """Every method answers what is to be said of what it did. ``now`` is seconds on the engine's clock."""

    def __init__(
        self, provider: Provider, settings: DialogueSettings, guard: EchoGuard | None, opened: float
    ) -> None:
        self._rate = provider.format.rate
        self._place = settings.transcript_place
        self._guard = guard
        self.captions = Captions(interim=settings.interim_transcripts)
        frame = provider.frame_samples
        if settings.frame_ms is not None and not provider.pads:
            frame = provider.format.samples(settings.frame_ms / 1000)
        self.playout = Playout(
            provider.format, frame, pads=provider.pads, burst=settings.burst, opened=opened
        )
        self.reply: Reply | None = None

    def line(self, step: Say, *here: str) -> list[Event]:
        """The step's transcript, if its place is here."""
        if self._place not in here or not step.text:
            return []
        if self._place == "with_audio":
            self.captions.begins(step.text)
            return []
        return [*self.captions.says(step.text)]

    def say(self, step: Say, reply: Reply, now: float) -> list[Event]:
        said = self.playout.say(step.pcm, now)
        reply.line_from = reply.sent
        reply.line_samples = max(1, sample_count(step.pcm))
        return [*said]

    def send(self, now: float) -> list[Event]:
        """Every frame that is due."""
        said: list[Event] = []
        reply, playout = self.reply, self.playout
        assert reply is not None
        position = playout.sent_to
        for frame in playout.take(now):
            if self._guard is not None:
                self._guard.played(frame, position)
            samples = len(frame) // SAMPLE_BYTES
            position += samples
            reply.sent += samples
            said.append(AgentAudioSent(frame, reply.generation))
            if self.captions.grows:
                said += self.captions.sounds(reply.share(reply.sent))
        return said

    def pass_on(self, pcm: bytes, now: float) -> list[Event]:
        """Audio that goes out as it comes in."""
        assert self.reply is not None
        placed = self.playout.pass_on(pcm, now)
        self.reply.sent += sample_count(pcm)
        return [*placed, AgentAudioSent(pcm, self.reply.generation)]

    def stop(self, now: float, *, flushed: bool) -> list[Event]:
        """Nothing more goes out; ``flushed``: nor does what the caller has not played yet sound."""
        stopped = self.playout.stop(now, flushed=flushed)
        if self.reply is not None:
            self.reply.dropped += stopped.dropped
            self.reply.cut = bool(stopped.dropped or stopped.unsent)
        if not stopped.dropped:
            return []
        if self._guard is not None:
            self._guard.flushed(stopped.position)
        return [PlaybackFlushed(stopped.position, stopped.dropped)]

    def close(self) -> list[Event]:
        """Accounts for the reply that is over, or breaks off here."""
        reply, self.reply = self.reply, None
        if reply is None or not reply.speaking:
            return []
        said: list[Event] = []
        if self._place == "after_audio":
            for text in reply.said:
                said += self.captions.says(text)
        said += self.captions.sounded(reply.share(reply.heard))
        said.append(ReplyEnded(reply.generation, reply.heard, reply.dropped, reply.cut))
        return said

    def broken_off(self, reply: Reply, stopped: int, onset: int | None) -> BargedIn:
        """The user interrupted it where the call is now, ``stopped``."""
        since = stopped if onset is None else min(onset, stopped)
        return BargedIn(
            reply.generation,
            since,
            stopped,
            reply.heard,
            reply.dropped,
            after=reply.heard / self._rate,
            stop=(stopped - since) / self._rate,
        )
