"""What the caller does in a call: what it says, how it is silent, when it interrupts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from voxemu.audio import AudioFormat
from voxemu.errors import UsageError
from voxemu.events import RatesAnnounced
from voxemu.provider import Provider
from voxemu_client.agenda import Step
from voxemu_client.playback import JITTER_BUFFER
from voxemu_client.silence import CONTINUOUS, Silence
from voxemu_client.speech import Clip


@dataclass(frozen=True, slots=True)
class Script:
    """Clips are PCM16 at the sending rate; times in seconds. Raises UsageError for contradictions."""

    clips: tuple[Clip, ...] = ()
    stop: Clip | None = None
    # Said as the barge-in when no clip is left.
    rate: int | None = None
    # Sending rate; None is the provider's own.
    silence: Silence = CONTINUOUS
    barge_in: float | None = None
    # So long after agent audio has begun to sound, the next clip is spoken over it, once.
    half_duplex: bool = False
    # Zeros go out while the agent sounds; what is being said waits.
    live: bool = False
    # A real microphone speaks, and the call has no end of its own.
    jitter_buffer: float = JITTER_BUFFER
    lead: float = 0.5
    # From the open microphone to the first clip.
    quiet: float = 1.0
    # After a reply has played out; then the turn is over.
    steps: tuple[Step, ...] = ()
    # In place of clips: each at its own moment.
    patience: float = 10.0
    # For a reply to begin.
    ready_patience: float = 10.0
    # For the provider to let audio in.
    tools: Mapping[str, Any] = field(default_factory=dict)
    # What the app's tools answer, by name, at once; a call of any other stays without an answer.
    longest: float = 3600.0
    # Of the call: an agent that never stops talking is hung up on.

    def __post_init__(self) -> None:
        if self.steps and (self.live or self.clips or self.barge_in is not None):
            raise UsageError("a scenario says what the user does: leave --say, --mic and --barge-in out")
        if self.live and (self.clips or self.barge_in is not None):
            raise UsageError("a microphone speaks for itself: give --mic, or --say and --barge-in")
        if self.barge_in is not None and self.half_duplex:
            raise UsageError("--half-duplex waits for the agent, --barge-in interrupts it: give one of them")
        if self.barge_in is not None and not 0 <= self.barge_in <= 600:
            raise UsageError(f"--barge-in must be 0 to 600 seconds, not {self.barge_in:g}")
        if not 0 < self.longest <= 86_400:
            raise UsageError(f"--limit must be above 0 and at most 86400 seconds, not {self.longest:g}")

    @property
    def plan(self) -> tuple[Step, ...]:
        """What the user does: the steps, or the clips as turns, one after the other."""
        return self.steps or tuple(Step(clip) for clip in self.clips)

    def sending_rate(self, provider: Provider) -> int:
        """Raises UsageError for a rate that this provider could not be told."""
        rate = self.rate or provider.format.rate
        AudioFormat(rate)
        if rate != provider.format.rate and not (provider.declares_rate or RatesAnnounced in provider.spells):
            raise UsageError(
                f"{provider.id} takes audio at {provider.format.rate} Hz and has no words for {rate} Hz; "
                "leave --rate out"
            )
        return rate
