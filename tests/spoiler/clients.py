"""Clients that do one thing wrong, as real ones do. Each breaks, hangs, or plays what it should not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from voxemu.agent import Call, Cue, Say, Step, UserTurn
from voxemu.audio import SAMPLE_BYTES, peak, sample_count
from voxemu.events import (
    AgentAudioSent,
    Closed,
    ErrorReported,
    Event,
    Interrupted,
    ListeningStarted,
    SessionEnded,
    SpeakingStarted,
    Transcribed,
    Unrecognised,
)
from voxemu_client.caller import Caller

SLOPE = 20_000
# Samples.


class Broke(Exception):
    """The client crashed."""


class Wrong(Caller):
    """Sees every message before the right client does; may swallow it."""

    def receive(self, event: Event, now: float) -> list[Event]:
        seen = self.sees(event, now)
        return [] if seen is None else super().receive(seen, now)

    def sees(self, event: Event, now: float) -> Event | None:
        return event


class PlaysLateAudio(Wrong):
    """Flushes when it is told, and plays whatever comes then."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.playback.cut_off = lambda now: None  # type: ignore[method-assign]


class NeverFlushes(Wrong):
    def sees(self, event: Event, now: float) -> Event | None:
        return None if isinstance(event, Interrupted) else event


class WaitsForInterrupted(Wrong):
    """Mutes the agent when the user talks over it, until it is told of the interruption."""

    muted = False

    def sees(self, event: Event, now: float) -> Event | None:
        if isinstance(event, ListeningStarted) and self.microphone.speaking and self.playback.sounds(now):
            self.muted = True
        elif isinstance(event, Interrupted):
            self.muted = False
        return None if self.muted and isinstance(event, AgentAudioSent) else event


class MutesInTurns(Wrong):
    """The same, and takes the word for a switch."""

    muted = False

    def sees(self, event: Event, now: float) -> Event | None:
        if isinstance(event, ListeningStarted) and self.microphone.speaking and self.playback.sounds(now):
            self.muted = True
        elif isinstance(event, Interrupted):
            self.muted = not self.muted
        return None if self.muted and isinstance(event, AgentAudioSent) else event


class SpeaksOnce(Wrong):
    """A state machine that knows no way from speaking to speaking."""

    speaking = False

    def sees(self, event: Event, now: float) -> Event | None:
        if isinstance(event, SpeakingStarted):
            if self.speaking:
                raise Broke("already speaking")
            self.speaking = True
        elif isinstance(event, ListeningStarted):
            self.speaking = False
        return event


class TakesLinesOnce(Wrong):
    """Files each line under what it says, and has no room for a second one."""

    before: Event | None = None

    def sees(self, event: Event, now: float) -> Event | None:
        if isinstance(event, Transcribed) and event == self.before:
            raise Broke(f"{event.text!r} is there already")
        self.before = event
        return event


class WaitsForFinals(Wrong):
    """Lets nobody hear the agent whose line is not final yet."""

    growing = False

    def sees(self, event: Event, now: float) -> Event | None:
        if isinstance(event, Transcribed):
            self.growing = not event.final
        return None if self.growing and isinstance(event, AgentAudioSent) else event


class KnowsEveryType(Wrong):
    """Reads messages with a table of types, and nothing else."""

    def sees(self, event: Event, now: float) -> Event | None:
        if isinstance(event, Unrecognised):
            raise Broke(event.text)
        return event


class GivesUpOnErrors(Wrong):
    def sees(self, event: Event, now: float) -> Event | None:
        if isinstance(event, ErrorReported):
            raise Broke(event.message)
        return event


class NamesCloses(Wrong):
    """Looks close codes up in a table that has the page's alone."""

    def sees(self, event: Event, now: float) -> Event | None:
        if isinstance(event, Closed) and event.code != 1000:
            raise Broke(f"no name for close {event.code}")
        return event


class StaysOn(Wrong):
    """Does not hear that the session is over."""

    def sees(self, event: Event, now: float) -> Event | None:
        if isinstance(event, SessionEnded | Closed):
            raise Broke("left without being asked")
        return event


class HasAllTime(Wrong):
    """Waits for an answer without a limit."""

    def __init__(self, provider: Any, target: Any, script: Any) -> None:
        super().__init__(provider, target, _with(script, patience=1e9, quiet=1e9))


class HasNoTime(Wrong):
    """Takes a pause of 300 ms for the end of the agent's turn, and 1.2 s without an answer for none."""

    def __init__(self, provider: Any, target: Any, script: Any) -> None:
        super().__init__(provider, target, _with(script, quiet=0.3, patience=1.2))


class Unbuffered(Wrong):
    """Plays each message the moment it comes, or nearly."""

    def __init__(self, provider: Any, target: Any, script: Any) -> None:
        super().__init__(provider, target, _with(script, jitter_buffer=0.005))


class HasASmallBuffer(Wrong):
    """Holds a second of audio."""

    def sees(self, event: Event, now: float) -> Event | None:
        if isinstance(event, AgentAudioSent) and self.playback.ends - now > 1.0:
            raise Broke("the buffer overflowed")
        return event


class KnowsItsFrames(Wrong):
    """Copies each message into a buffer of the page's size."""

    def sees(self, event: Event, now: float) -> Event | None:
        if isinstance(event, AgentAudioSent) and sample_count(event.pcm) != self.provider.frame_samples:
            raise Broke(f"{sample_count(event.pcm)} samples")
        return event


class Louder(Wrong):
    """Turns the volume up, in 16 bits."""

    def sees(self, event: Event, now: float) -> Event | None:
        if isinstance(event, AgentAudioSent) and peak(event.pcm) * 1.2 >= 1:
            raise Broke("samples out of range")
        return event


class Foresees(Wrong):
    """Believes that each message goes on where the last one stopped, and says so."""

    last: int | None = None
    came = 0.0

    def sees(self, event: Event, now: float) -> Event | None:
        if isinstance(event, AgentAudioSent):
            first = int.from_bytes(event.pcm[:SAMPLE_BYTES], "little", signed=True)
            if self.last is not None and now - self.came < 0.1 and (first - self.last) % SLOPE != 1:
                raise Broke(f"{first} after {self.last}")
            self.came = now
            self.last = int.from_bytes(event.pcm[-SAMPLE_BYTES:], "little", signed=True)
        return event


@dataclass(frozen=True, slots=True)
class Slope:
    """An agent whose every sample is one above the last, until it begins again."""

    name: str = "slope"
    passes_through: bool = False

    def respond(self, cue: Cue, call: Call) -> Iterable[Step]:
        if isinstance(cue, UserTurn):
            slope = [n % SLOPE - SLOPE // 2 for n in range(2 * call.format.rate)]
            yield Say("up and up", b"".join(n.to_bytes(2, "little", signed=True) for n in slope))


def _with(script: Any, **changes: Any) -> Any:
    return replace(script, **changes)
