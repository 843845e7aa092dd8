"""A call between a client and a real provider, as whoever stands between them hears it.

An ``Engine`` that answers nothing: it only remarks, so that the call can be recorded like one of our own.
Where the user's audio lies and which turns are in it is heard with the session's own ears; the agent's audio
sounds when it comes, and one sample after the other.
"""

from __future__ import annotations

from dataclasses import dataclass

from voxemu.agent import Call, Exchange
from voxemu.audio import sample_count
from voxemu.dialogue.echo_guard import EchoGuard
from voxemu.dialogue.intake import Intake
from voxemu.dialogue.settings import DialogueSettings
from voxemu.dialogue.states import State
from voxemu.dialogue.turns import Heard, Noise, Onset, Turns, Utterance
from voxemu.events import (
    AgentAudioSent,
    BargedIn,
    Closed,
    Event,
    Interrupted,
    Opened,
    PlaybackFlushed,
    PlaybackStarted,
    RatesAnnounced,
    SessionEnded,
    SettingSent,
    SpeakingStarted,
    Transcribed,
    TurnDiscarded,
    TurnEnded,
    TurnStarted,
    UserAudioSent,
)
from voxemu.provider import Provider
from voxemu.record.intake import Intake as AtOneRate

LATE = 0.06
# Seconds that agent audio may come late without a hole in what is heard.


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Who answers: nobody of ours."""

    name: str


class Overheard:
    def __init__(self, provider: Provider, settings: DialogueSettings, upstream: str) -> None:
        self.provider = provider
        self.agent = Elsewhere(f"upstream {upstream}")
        self.call = Call(provider.format)
        self.state = State.NEW
        self._settings = settings
        self._rate = AtOneRate(provider.format.rate, settings.input_rate)
        self._guard = EchoGuard(provider.format.rate) if settings.echo_guard else None
        self._turns = Turns(provider.format, settings, self._guard)
        self._generation = 0
        self._first = self._next = -1
        # Where the reply began to sound, and where its next sample would.

    # --- the engine ---------------------------------------------------------------------------------------

    @property
    def deadline(self) -> float | None:
        return self._intake.deadline if self._is_on else None

    @property
    def _is_on(self) -> bool:
        return self.state not in (State.NEW, State.ENDED)

    def receive(self, event: Event, now: float) -> list[Event]:
        """What the client says, and what becomes of the line; of what the provider says see ``spoke``."""
        if isinstance(event, Opened):
            self._open(now)
            return []
        if not self._is_on:
            return []
        notes = self.advance(now)
        match event:
            case UserAudioSent():
                notes += self._hear(event, now)
            case RatesAnnounced(input=rate) if rate is not None and 8000 <= rate <= 192_000:
                self._rate.announce(rate)
            case SettingSent(name=name, value=value):
                self.call.settings[name] = value
            case Closed():
                notes += self._finish(now)
        return notes

    def advance(self, now: float) -> list[Event]:
        due = self.deadline
        if due is None or due > now:
            return []
        gap = self._intake.missed(due)
        return [gap, *self._told(self._turns.break_off(self._turns.position, "input_gap"))]

    def spoke(self, event: Event, now: float) -> list[Event]:
        """What the provider said, with what is to be remarked before and after it."""
        if not self._is_on:
            return [event]
        match event:
            case AgentAudioSent(pcm=pcm):
                return [*self._sound(pcm, now), event]
            case Interrupted():
                self.state = State.LISTENING
                return [event, *self._flush(now)]
            case SpeakingStarted():
                self.state = State.SPEAKING
            case Transcribed(final=True):
                self.call.history.append(Exchange(event.speaker, event.text))
                del self.call.history[: -self._settings.max_context]
            case SessionEnded():
                return [event, *self._flush(now)]
        return [event]

    # --- the user -----------------------------------------------------------------------------------------

    def _open(self, now: float) -> None:
        self.state = State.LISTENING
        self._intake = Intake(self.provider.format.rate, now, self._settings.patience)

    def _hear(self, audio: UserAudioSent, now: float) -> list[Event]:
        pcm = self._rate.push(audio.pcm, audio.rate)
        if not pcm:
            return []
        notes: list[Event] = [*self._intake.arrived(sample_count(pcm), now)]
        if notes:
            start = self._intake.position - sample_count(pcm)
            notes += self._told(self._turns.break_off(start, "input_gap"))
        return notes + self._told(self._turns.hear(pcm))

    def _told(self, heard: list[Heard]) -> list[Event]:
        return [self._note(found) for found in heard]

    def _note(self, found: Heard) -> Event:
        match found:
            case Onset(start, confirmed):
                return TurnStarted(self._turns.number, start, confirmed)
            case Noise(start, end):
                return TurnDiscarded(start, end, self.provider.format.seconds(end - start))
            case Utterance(turn=turn, confirmed=confirmed, why=why):
                return TurnEnded(turn.number, turn.start, turn.end, confirmed, turn.seconds, why)

    # --- the agent ----------------------------------------------------------------------------------------

    def _sound(self, pcm: bytes, now: float) -> list[Event]:
        here = self._intake.at(now)
        notes: list[Event] = []
        if self._next < 0 or here - self._next > self.provider.format.samples(LATE):
            self._first = self._next = max(here, self._next)
            self._generation += 1
            notes.append(PlaybackStarted(self._first))
        if self._guard is not None:
            self._guard.played(pcm, self._next)
        self._next += sample_count(pcm)
        return notes

    def _flush(self, now: float) -> list[Event]:
        """From here on nothing of what came sounds any more."""
        here = self._intake.at(now)
        dropped = self._next - here
        if dropped <= 0:
            return []
        self._next = here
        if self._guard is not None:
            self._guard.flushed(here)
        notes: list[Event] = [PlaybackFlushed(here, dropped)]
        if self._turns.onset is not None:
            notes.append(self._barge_in(here, dropped, self._turns.onset))
        return notes

    def _barge_in(self, here: int, dropped: int, onset: int) -> BargedIn:
        rate, heard = self.provider.format.rate, here - self._first
        onset = min(onset, here)
        after, stop = heard / rate, (here - onset) / rate
        return BargedIn(self._generation, onset, here, heard, dropped, after=after, stop=stop)

    def _finish(self, now: float) -> list[Event]:
        notes = self._told(self._turns.break_off(self._turns.position, "hang_up"))
        notes += [*self._intake.ended(now), *self._flush(now)]
        self.state = State.ENDED
        return notes
