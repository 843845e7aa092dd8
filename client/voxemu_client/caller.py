"""The user's end of a call: it opens the microphone, speaks, listens, interrupts, and hangs up.

A ``Caller`` is an ``Engine``, as the provider's ``Session`` is: no socket, no clock. What it does with the
wire follows the vendors' pages; where they are silent the reason stands beside the line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
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
    ToolCalled,
    ToolResultSent,
    TurnEnded,
    TurnStarted,
    UserAudioSent,
)
from voxemu.provider import Provider, Target
from voxemu.scenario.moments import (
    AGENT_STARTED,
    AGENT_STOPPED,
    MOMENTOUS,
    READY,
    SAID,
    TURN_OVER,
    Moment,
    moments_in,
)
from voxemu_client.account import Account
from voxemu_client.agenda import Agenda, Step, Taken
from voxemu_client.barge_in import SETTLED, BargeIn, HeardReply, Interruption
from voxemu_client.microphone import Microphone
from voxemu_client.phases import Phase, Trigger, after
from voxemu_client.playback import Playback
from voxemu_client.script import Script
from voxemu_client.silence import FRAME
from voxemu_client.speech import Clip, audible

NORMAL = 1000
NEVER = float("inf")

Timer = tuple[float, Callable[[float], None]]


def _nothing(at: float) -> None:
    """There is nothing to be done."""


NOTHING: Timer = (NEVER, _nothing)


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
        self._interruption: Interruption | None = None
        # The last barge-in that was spoken.
        self._agenda = Agenda(script.plan)
        self._current: Clip | None = None
        # What is being said, or was said last and whose turn is not over.
        self.was_let_in = False
        self._turn = 0
        self._reply: HeardReply | None = None
        self._replies = 0
        self._opened = self._now = 0.0
        self._loud_until = 0.0
        # When the last of the agent's audible audio has sounded.
        self._sounding = False
        # An audible reply has begun, and it was not told that it is over.
        self._mic_opened = 0.0
        self._due = 0.0
        # When the phase has lasted long enough.
        self._timer: Timer = NOTHING
        # The first of those that no plain frame of the user's moves.
        self._moved = True
        # Something has happened that may move it.
        self._next = NEVER
        # When something is due: that, or the microphone's slot.
        self._out: list[Event] = []

    @property
    def unsaid(self) -> tuple[Clip, ...]:
        """What another call would still have to say: a clip whose turn was broken off is said again."""
        left = [step.clip for step in self._agenda.left]
        return tuple(clip for clip in (self._current, *left) if clip is not None)

    @property
    def undone(self) -> tuple[Step, ...]:
        """The steps that have not begun."""
        return self._agenda.left

    # --- the engine ------------------------------------------------------------

    @property
    def deadline(self) -> float | None:
        return None if self._next == NEVER else self._next

    def receive(self, event: Event, now: float) -> list[Event]:
        if self._over:
            return []
        # What was due before this came has happened before it.
        self._run(now)
        if not self._over:
            self._now = now
            self._moved = True
            if type(event) is AgentAudioSent:
                self._hear(event, now)
            else:
                self._take(event, now)
            self._look()
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
            if type(event) is UserAudioSent:
                # Most of what is said, and no news.
                self._out.append(event)
                continue
            self._moved = True
            self.account.saw(event)
            if type(event) in MOMENTOUS:
                self._watch(event)
            match event:
                case TurnStarted(turn=turn, position=position) if self._interruption is not None:
                    self._interruption.began(turn, position)
                case TurnEnded(end=end) if self.playback.next <= end:
                    # The agent was silent by then: what comes from here on is an answer.
                    self.playback.end_reply()
            self._out.append(event)

    def _first_timer(self) -> Timer:
        """What is due first, and who sees to it, but for the microphone's slots; the first one, where several
        are due together."""
        if self.phase in (Phase.NEW, Phase.OVER):
            return NOTHING
        first, act = self._opened + self.script.longest, self._lose_patience
        if (word := self._barge_in.due(self._opened)) is not None and word < first:
            first, act = word, self._interrupt
        if (step := self._agenda.due) is not None and self.microphone.is_open:
            step = max(step, self._mic_opened)
            if step < first:
                first, act = step, self._take_step
        if self._measuring and (due := self.playback.ends + SETTLED) < first:
            first, act = due, self._settle
        if self._sounding and (due := self._loud_until + SETTLED) < first:
            first, act = due, self._fall_silent
        due, acts = self._phase_ends()
        return (due, acts) if due < first else (first, act)

    def _phase_ends(self) -> Timer:
        match self.phase:
            case Phase.ENTERING:
                return self._due, self._give_up
            case Phase.LEADING | Phase.AWAITING:
                return self._due, self._go_on
            case Phase.LISTENING:
                return self._loud_until + self.script.quiet, self._go_on
            case Phase.PAUSING if self._agenda.due is None:
                return self._due, self._give_in
        return NOTHING

    def _run(self, now: float) -> None:
        """Does all that is due, each at its own time, however late the call comes."""
        while self._next <= now:
            at = self._now = self._next
            due, act = self._timer
            if due == at:
                self._moved = True
                act(at)
            else:
                # The slot is last: what begins now is in the slot that is due now.
                self._fill_slot(at)
            self._look()

    def _look(self) -> None:
        """Works out what is due next; the first of the timers, where several are due together."""
        if self._moved:
            self._moved = False
            self._timer = self._first_timer()
        due, slot = self._timer[0], self.microphone.due
        self._next = due if slot is None or due <= slot else slot

    def _move(self, trigger: Trigger) -> None:
        self.phase = after(self.phase, trigger)

    # --- moments ------------------------------------------------------------

    def _interrupts(self, reply: HeardReply) -> bool:
        return self._interruption is not None and self._interruption.reply is reply

    @property
    def _measuring(self) -> bool:
        return self._interruption is not None and self._interruption.measuring

    def _watch(self, event: Event) -> None:
        for moment in moments_in(event, self._now - self._opened, self.provider.format):
            self._keep(moment)

    def _happened(self, name: str, at: float) -> None:
        self._moved = True
        self._keep(Moment(name, at - self._opened))

    def _keep(self, moment: Moment) -> None:
        self.account.keep(moment)
        self._agenda.happened(moment.name, self._opened + moment.at)

    # --- beginning and end ------------------------------------------------------------

    def _open(self, now: float) -> None:
        self._opened = self.account.opened = now
        self._due = now + self.script.ready_patience
        self.playback.open(now)
        self._agenda.open(now)
        self._watch(Opened())
        self._move(Trigger.OPEN)
        self._say(self._opening)
        if self.provider.ready is None:
            self._let_in(now)

    def _let_in(self, now: float) -> None:
        """The provider takes audio from here on: the microphone opens."""
        self._due = now + self.script.lead
        self.was_let_in = True
        self._mic_opened = now
        self.microphone.open(self._opened, now)
        self._move(Trigger.TAKE_OVER if self.script.live else Trigger.LET_IN)
        self._happened(READY, now)

    def _give_up(self, at: float) -> None:
        limit = self.script.ready_patience
        self._say([LimitReached("ready", limit)])
        self._hang_up(at, Closed(NORMAL, f"the provider let no audio in within {limit:g} s", "caller"))

    def _lose_patience(self, at: float) -> None:
        limit = self.script.longest
        self._say([LimitReached("call", limit)])
        self._hang_up(at, Closed(NORMAL, f"the call has lasted {limit:g} s", "caller"))

    def _hang_up(self, at: float, closed: Closed) -> None:
        """In the pages' order: microphone, playback, the provider's own goodbye, socket."""
        self._finish(at)
        self._say([*self.provider.closing(), closed])

    def _finish(self, at: float) -> None:
        self._say(self.microphone.close(at))
        # An agent that is hung up on did not stop.
        self._sounding = False
        self._silence_agent(at)
        if self._measuring:
            self._settle(at)
        self.account.over = at
        self._move(Trigger.END)

    # --- what comes in ------------------------------------------------------------

    def _take(self, event: Event, now: float) -> None:
        self.account.saw(event)
        if type(event) in MOMENTOUS and type(event) is not Opened:
            self._watch(event)
        match event:
            case Opened():
                self._open(now)
            case Interrupted():
                in_reply = self.playback.in_reply(now)
                self._silence_agent(now)
                self._end_reply()
                if in_reply:
                    self.playback.cut_off(now)
            case ThinkingStarted(generation=generation) | SpeakingStarted(generation=generation):
                self._expect_reply(generation, now)
            case ListeningStarted():
                self.playback.end_reply()
            case ToolCalled(name=name, call_id=call_id) if name in self.script.tools:
                self._say([ToolResultSent(call_id, self.script.tools[name])])
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
            self._end_clip(at)

    def _end_clip(self, at: float) -> None:
        assert self._current is not None
        # Nobody answers silence.
        self._due = at + (self.script.patience if self._current.is_speech else FRAME)
        self._move(Trigger.SPOKEN)
        if self.account.answered or (not self._current.is_speech and self._loud_until > at):
            # The agent was quicker than the silence at the end of the clip.
            self._move(Trigger.SOUND)
        self._happened(SAID, at + FRAME)

    def _muted(self, now: float) -> bool:
        return self.script.half_duplex and self.playback.sounds(now)

    def _go_on(self, at: float) -> None:
        """The turn is over: the next step that waited for it, or goodbye."""
        self._end_reply()
        self._current = None
        self._due = at + self.script.patience
        self._move(Trigger.LAPSE)
        if self._agenda.is_done:
            self._hang_up(at, Closed(NORMAL, "", "caller"))
        else:
            self._happened(TURN_OVER, at)

    def _give_in(self, at: float) -> None:
        """The moment of the next step does not come."""
        step = self._agenda.left[0]
        self._hang_up(at, Closed(NORMAL, f"{step.after} did not come", "caller"))

    def _take_step(self, at: float) -> None:
        sounds = self.playback.sounds(at)
        step = self._agenda.take()
        self.account.steps.append(Taken(step, at - self._opened, sounds))
        if step.clip is None:
            self._hang_up(at, Closed(NORMAL, "", "caller"))
        elif step.barge_in and sounds:
            self._speak_over(step.clip, at)
        else:
            self._say(self.microphone.stop_speaking(at))
            self._speak(step.clip, at)

    def _speak(self, clip: Clip, at: float) -> None:
        if clip.is_speech:
            self._turn += 1
            self.account.names[self._turn] = clip.name
        self._current = clip
        self.microphone.speak(clip, self._turn, at)
        self._move(Trigger.SPEAK)

    def _speak_over(self, clip: Clip, at: float) -> None:
        """Barge-in: whatever is being said is stopped, the clip is spoken over the agent."""
        self._say(self.microphone.stop_speaking(at))
        if self._reply is not None:
            self._interruption = Interruption(self.provider.format, self._reply, self._turn + 1)
        self._speak(clip.trimmed(), at)

    def _interrupt(self, at: float) -> None:
        """The script's barge-in: the next clip, whose turn it would not be yet."""
        if not self.playback.sounds(at) or not self.microphone.is_open:
            self._barge_in.missed()
            return
        clip = self.script.stop if self._agenda.is_done else self._agenda.take().clip
        if clip is None:
            # There is nothing left to interrupt with.
            self._barge_in.missed()
            return
        self._barge_in.spoken()
        self._speak_over(clip, at)

    # --- listening ------------------------------------------------------------

    def _hear(self, audio: AgentAudioSent, now: float) -> None:
        placed = self.playback.arrived(audio.pcm, audio.generation, now)
        if placed.notes:
            self._say(placed.notes)
        if placed.position is None:
            return
        reply, fresh = self._reply_of(audio, placed.position, placed.notes)
        reply.received += sample_count(audio.pcm)
        loud = audible(audio.pcm)
        # An agent whose stream never pauses answers where it is audible.
        if fresh or (loud and not self._interrupts(reply)):
            self.account.sounded(placed.position)
        if loud:
            self._loud_until = self.playback.ends
            self._move(Trigger.SOUND)
            if not reply.audible:
                self._begin_to_sound(reply, placed.position)

    def _begin_to_sound(self, reply: HeardReply, position: int) -> None:
        reply.audible = self._sounding = True
        first = reply.sounds_from(position, self.provider.format)
        self._barge_in.sounded(reply, first)
        self._happened(AGENT_STARTED, self._opened + self.provider.format.seconds(first))

    def _fall_silent(self, at: float) -> None:
        """No audible sample followed the last one for a while: there was no other."""
        self._sounding = False
        self._happened(AGENT_STOPPED, self._loud_until)

    def _reply_of(
        self, audio: AgentAudioSent, position: int, notes: Iterable[Note]
    ) -> tuple[HeardReply, bool]:
        """The reply that this audio belongs to, and whether it begins with it."""
        if self._reply is not None:
            kinds = [type(note) for note in notes]
            if PlaybackStarted not in kinds or PlaybackUnderran in kinds:
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
        stop = min(self._last_heard, self.playback.at(now))
        if self._interruption is not None and self._interruption.measuring:
            self._say([self._interruption.stopped(stop)])
        if self._sounding and self._loud_until > now:
            self._loud_until = now
            self._fall_silent(now)

    @property
    def _last_heard(self) -> int:
        """One past the agent's last sample. In a room, where silence comes too, past its last audible one."""
        if self.provider.media == "websocket":
            return self.playback.next
        return min(self.playback.next, self.playback.at(self._loud_until))

    def _note_flush(self, notes: Iterable[Any]) -> None:
        for note in notes:
            if isinstance(note, PlaybackFlushed) and self._reply is not None:
                self._reply.dropped += note.dropped
            self._say([note])

    def _settle(self, at: float) -> None:
        """The loudspeaker stayed dry: that was the agent's last sample."""
        assert self._interruption is not None
        self._say([self._interruption.stopped(self._last_heard)])
        self._end_reply()
