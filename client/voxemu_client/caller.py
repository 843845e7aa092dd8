"""The user's end of a call: it opens the microphone, speaks, listens, interrupts, and hangs up.

A ``Caller`` is an ``Engine``, as the provider's ``Session`` is: no socket, no clock. What it does with the
wire follows the vendors' pages; where they are silent the reason stands beside the line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from voxemu.audio import sample_count
from voxemu.errors import UsageError
from voxemu.events import (
    AgentAudioSent,
    Cleared,
    Closed,
    Congested,
    EndAsked,
    Event,
    Interrupted,
    LimitReached,
    ListeningStarted,
    MicrophoneCaptured,
    Note,
    Opened,
    PlaybackFlushed,
    PlaybackStarted,
    PlaybackUnderran,
    SessionEnded,
    SpeakingStarted,
    ThinkingStarted,
    TurnEnded,
    TurnStarted,
)
from voxemu.provider import Provider, Target
from voxemu_client.account import Account
from voxemu_client.barge_in import SETTLED, BargeIn, HeardReply
from voxemu_client.microphone import Microphone
from voxemu_client.phases import Phase, Trigger, after
from voxemu_client.playback import Playback
from voxemu_client.script import Script
from voxemu_client.speech import Clip, audible

NORMAL = 1000

Timer = tuple[float, Callable[[float], None]]


class Caller:
    """One call to ``provider`` at ``target``, by ``script``; see ``Engine`` for the laws it keeps.

    Raises UsageError for a script that this provider has no words for.
    """

    def __init__(self, provider: Provider, target: Target, script: Script) -> None:
        self.provider = provider
        self.script = script
        self.phase = Phase.NEW
        self.account = Account(provider.format, session_id=target.session_id)
        self.playback = Playback(provider.format, jitter_buffer=script.jitter_buffer)
        rate = script.sending_rate(provider)
        self.microphone = Microphone(
            rate,
            provider.format,
            script.silence,
            live=script.live,
            declared=rate if provider.declares_rate else None,
        )
        self._opening = target.opening
        self._barge_in = BargeIn(provider.format, script.barge_in)
        if script.barge_in is not None and not (script.clips or script.stop):
            raise UsageError("--barge-in needs something to say: give --say")
        self._left = list(script.clips)
        # Clips that have not been said.
        self._current: Clip | None = None
        # The one whose turn it is.
        self.was_let_in = False
        self._turn = 0
        self._reply: HeardReply | None = None
        self._replies = 0
        self._opened = 0.0
        self._loud_until = 0.0
        # When the last of the agent's audible audio has sounded.
        self._due = 0.0
        # When the phase has lasted long enough.
        self._out: list[Event] = []

    @property
    def unsaid(self) -> tuple[Clip, ...]:
        """What another call would still have to say: a clip whose turn was broken off is said again."""
        return (*([self._current] if self._current else []), *self._left)

    # --- the engine ------------------------------------------------------------

    @property
    def deadline(self) -> float | None:
        return min((due for due, _ in self._timers()), default=None)

    def receive(self, event: Event, now: float) -> list[Event]:
        if self._over:
            return []
        # What was due before this came has happened before it.
        self._run(now)
        if not self._over:
            self.account.saw(event)
            self._take(event, now)
            self._run(now)
        return self._said()

    def advance(self, now: float) -> list[Event]:
        self._run(now)
        return self._said()

    @property
    def _over(self) -> bool:
        return self.phase is Phase.OVER

    def _said(self) -> list[Event]:
        out, self._out = self._out, []
        return out

    def _say(self, events: Iterable[Event]) -> None:
        for event in events:
            self.account.saw(event)
            match event:
                case TurnStarted(turn=turn, position=position):
                    self._barge_in.began(turn, position)
                case TurnEnded(end=end) if self.playback.next <= end:
                    # The agent was silent by then: what comes from here on is an answer.
                    self.playback.end_reply()
            self._out.append(event)

    def _timers(self) -> Iterator[Timer]:
        """What is due when, and who sees to it."""
        if self.phase in (Phase.NEW, Phase.OVER):
            return
        if (due := self._barge_in.due(self._opened)) is not None:
            yield due, self._interrupt
        if self._barge_in.measuring:
            yield self.playback.ends + SETTLED, self._settle
        match self.phase:
            case Phase.ENTERING:
                yield self._due, self._give_up
            case Phase.LEADING | Phase.AWAITING:
                yield self._due, self._go_on
            case Phase.LISTENING:
                yield self._loud_until + self.script.quiet, self._go_on
        # Last: what begins now is in the slot that is due now.
        if (due := self.microphone.due) is not None:
            yield due, self._fill_slot

    def _run(self, now: float) -> None:
        """Does all that is due, each at its own time, however late the call comes."""
        while True:
            due, act = min(self._timers(), key=lambda timer: timer[0], default=(now, None))
            if act is None or due > now:
                return
            act(due)

    def _move(self, trigger: Trigger) -> None:
        self.phase = after(self.phase, trigger)

    # --- beginning and end ------------------------------------------------------------

    def _open(self, now: float) -> None:
        self._opened = self.account.opened = now
        self._due = now + self.script.ready_patience
        self.playback.open(now)
        self._move(Trigger.OPEN)
        self._say(self._opening)
        if self.provider.ready is None:
            self._let_in(now)

    def _let_in(self, now: float) -> None:
        """The provider takes audio from here on: the microphone opens."""
        self._due = now + self.script.lead
        self.was_let_in = True
        self.microphone.open(self._opened, now)
        self._move(Trigger.TAKE_OVER if self.script.live else Trigger.LET_IN)

    def _give_up(self, at: float) -> None:
        limit = self.script.ready_patience
        self._say([LimitReached("ready", limit)])
        self._hang_up(at, Closed(NORMAL, f"the provider let no audio in within {limit:g} s", "caller"))

    def _hang_up(self, at: float, closed: Closed) -> None:
        """In the pages' order: microphone, playback, the provider's own goodbye, socket."""
        self._finish(at)
        self._say([*self.provider.closing(), closed])

    def _finish(self, at: float) -> None:
        self._say(self.microphone.close(at))
        self._silence_agent(at)
        if self._barge_in.measuring:
            self._settle(at)
        self.account.over = at
        self._move(Trigger.END)

    # --- what comes in ------------------------------------------------------------

    def _take(self, event: Event, now: float) -> None:
        match event:
            case Opened():
                self._open(now)
            case AgentAudioSent():
                self._hear(event, now)
            case Interrupted():
                self._silence_agent(now)
                self._end_reply()
            case ThinkingStarted(generation=generation) | SpeakingStarted(generation=generation):
                self._expect_reply(generation, now)
            case ListeningStarted():
                self.playback.end_reply()
            case MicrophoneCaptured(pcm=pcm):
                self._say(self.microphone.capture(pcm, now, muted=self._muted(now)))
            case Congested():
                self.microphone.congest()
            case Cleared():
                self._say(self.microphone.clear())
            case SessionEnded():
                # The pages' cleanup: everything stops here, the client closes its end too.
                self._finish(now)
                self._say([Closed(NORMAL, "", "caller")])
            case EndAsked(reason=reason):
                self._hang_up(now, Closed(NORMAL, reason, "caller"))
            case Closed():
                self._finish(now)
        if self.phase is Phase.ENTERING and isinstance(event, self.provider.ready or ()):
            self._let_in(now)

    # --- speaking ------------------------------------------------------------

    def _fill_slot(self, at: float) -> None:
        self._say(self.microphone.take(muted=self._muted(at)))
        if self.phase is Phase.SPEAKING and not self.microphone.speaking:
            self._due = at + self.script.patience
            self._move(Trigger.SPOKEN)
            if self.account.answered:
                # The agent was quicker than the silence at the end of the clip.
                self._move(Trigger.SOUND)

    def _muted(self, now: float) -> bool:
        return self.script.half_duplex and self.playback.sounds(now)

    def _go_on(self, at: float) -> None:
        """The turn is over: the next clip, or goodbye."""
        self._end_reply()
        self._current = None
        if self._left:
            self._speak(self._left.pop(0), at)
        else:
            self._hang_up(at, Closed(NORMAL, "", "caller"))

    def _speak(self, clip: Clip, at: float) -> None:
        self._turn += 1
        self._current = clip
        self.account.names[self._turn] = clip.name
        self.microphone.speak(clip, self._turn, at)
        self._move(Trigger.SPEAK)

    def _interrupt(self, at: float) -> None:
        """Barge-in: whatever is being said is stopped, the next clip is spoken over the agent."""
        if not self.playback.sounds(at) or not self.microphone.is_open:
            self._barge_in.missed()
            return
        self._say(self.microphone.stop_speaking(at))
        clip = self._left.pop(0) if self._left else self.script.stop
        assert clip is not None
        self._barge_in.spoken(self._turn + 1)
        self._speak(clip.trimmed(), at)

    # --- listening ------------------------------------------------------------

    def _hear(self, audio: AgentAudioSent, now: float) -> None:
        placed = self.playback.arrived(audio.pcm, audio.generation, now)
        self._say(placed.notes)
        if placed.position is None:
            return
        reply, fresh = self._reply_of(audio, placed.position, placed.notes)
        reply.received += sample_count(audio.pcm)
        loud = audible(audio.pcm)
        # An agent whose stream never pauses answers where it is audible.
        if fresh or (loud and reply is not self._barge_in.reply):
            self.account.sounded(placed.position)
        if loud:
            self._loud_until = self.playback.ends
            self._barge_in.sounded(reply, placed.position)
            self._move(Trigger.SOUND)

    def _reply_of(
        self, audio: AgentAudioSent, position: int, notes: Iterable[Note]
    ) -> tuple[HeardReply, bool]:
        """The reply that this audio belongs to, and whether it begins with it."""
        kinds = {type(note) for note in notes}
        if self._reply is not None and (PlaybackStarted not in kinds or PlaybackUnderran in kinds):
            return self._reply, False
        self._replies += 1
        self._reply = HeardReply(audio.generation or self._replies, position)
        return self._reply, True

    def _expect_reply(self, generation: int, now: float) -> None:
        self._note_flush(self.playback.new_reply(generation, now))
        self._end_reply()
        self._due = now + self.script.patience
        self._move(Trigger.THOUGHT)

    def _end_reply(self) -> None:
        self._reply = None
        self.playback.end_reply()

    def _silence_agent(self, now: float) -> None:
        """Whatever the loudspeaker has not played yet never sounds."""
        self._note_flush(self.playback.clear(now))
        if self._barge_in.measuring:
            self._say([self._barge_in.stopped(min(self.playback.next, self.playback.at(now)))])

    def _note_flush(self, notes: Iterable[Any]) -> None:
        for note in notes:
            if isinstance(note, PlaybackFlushed) and self._reply is not None:
                self._reply.dropped += note.dropped
            self._say([note])

    def _settle(self, at: float) -> None:
        """The loudspeaker stayed dry: that was the agent's last sample."""
        self._say([self._barge_in.stopped(self.playback.next)])
        self._end_reply()
