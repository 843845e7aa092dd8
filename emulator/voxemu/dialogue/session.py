"""The provider's end of a call: it listens, ends turns, lets an agent answer, and is interrupted.

A ``Session`` is an ``Engine``. It emits the whole truth in the vocabulary of ``events``, in the order that
the protocol notes give for lokutor (listening, user transcript, thinking, agent transcript, speaking,
audio); each provider's codec spells what its protocol has words for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Literal

from msgspec.structs import replace

from voxemu.agent import (
    Agent,
    Call,
    CallBegan,
    CallOver,
    CallTool,
    Cue,
    Fail,
    HangUp,
    Pause,
    ReplyInterrupted,
    Say,
    SpeechBegan,
    Step,
    Tell,
    TextCame,
    Think,
    TimeCame,
    ToolAnswered,
    Until,
    UserTurn,
    Waiting,
)
from voxemu.audio import SAMPLE_BYTES
from voxemu.dialogue.counsel import Counsel
from voxemu.dialogue.echo_guard import EchoGuard
from voxemu.dialogue.intake import Intake
from voxemu.dialogue.reply import Reply
from voxemu.dialogue.settings import DialogueSettings
from voxemu.dialogue.states import State, Trigger, after
from voxemu.dialogue.turns import Heard, Noise, Onset, Turns, Utterance
from voxemu.dialogue.typing_sound import typing
from voxemu.dialogue.user_rate import UserRate
from voxemu.dialogue.voice import Voice
from voxemu.errors import LocalProtocolError
from voxemu.events import (
    AgentReadied,
    Closed,
    EchoHeard,
    EndAsked,
    ErrorReported,
    Event,
    FaultAsked,
    InputGapped,
    InterruptAsked,
    Interrupted,
    InterruptSent,
    LimitReached,
    ListeningStarted,
    Note,
    Opened,
    Ponged,
    RatesAnnounced,
    RatesDeclared,
    ReplyCancelled,
    SayAsked,
    SessionEnded,
    SessionStarted,
    SettingConfirmed,
    SettingSent,
    SpeakingStarted,
    StopSent,
    ThinkingSoundSent,
    ThinkingStarted,
    ThinkingStopped,
    ToolCalled,
    ToolResultSent,
    Transcribed,
    TurnDiscarded,
    TurnEnded,
    TurnStarted,
    Unrecognised,
    Uplink,
    UserAudioSent,
    VisemesSent,
)
from voxemu.provider import Provider

Timer = tuple[float, Callable[[float], None]]

NEW, SPEAKING, ENDED = State.NEW, State.SPEAKING, State.ENDED
# Looking a member up in its enumeration costs as much as twenty names. These are asked for with each message.
NEVER = float("inf")
ECHOED = 1.0
# Seconds of the agent's own voice in the microphone before that is remarked on.
WAITING = 16
# Turns that may wait for an agent that cannot be interrupted; of more, the oldest is never answered.
Cause = Literal["agent_left", "closed", "shutdown"]


class Session:
    """One session of ``provider``, answered by ``agent``; see ``Engine`` for the laws it keeps."""

    def __init__(
        self, provider: Provider, settings: DialogueSettings, agent: Agent, *, session_id: str
    ) -> None:
        self.provider = provider
        self.settings = settings
        self.agent = agent
        self.session_id = session_id
        self.call = Call(provider.format)
        self._counsel = Counsel(agent, self.call, settings.max_context, self._tell)
        self.state = State.NEW
        self._timer: Timer = NOTHING
        # The first of those that the user's audio alone does not move.
        self._moved = True
        # Something else has happened, and may have moved it.
        self._put_off = False
        # That may not be due yet: audio has come since.
        self._is_missing = False
        # What is due next is due for want of audio.
        self._due, self._act = NOTHING
        # What is due next, audio that stays away included.
        self._out: list[Event] = []
        self._rate = UserRate(provider.format.rate, settings.input_rate or provider.format.rate)
        self._ready_at: float | None = None
        self._generation = 0
        self._waiting: deque[UserTurn] = deque()
        # Turns that ended while the agent could not be interrupted.
        self._unasked: deque[Step] = deque()
        # What the agent means to do when nobody speaks, without having been asked.
        self._unreadable = 0
        self._opened = 0.0
        self._limit = NEVER
        # When the session has lasted long enough.
        self._idle_limit = settings.idle_limit
        self._life = 0.0
        # The last sign of it.

    # --- the engine ------------------------------------------------------------

    @property
    def deadline(self) -> float | None:
        return None if self._due == NEVER else self._due

    def receive(self, event: Event, now: float) -> list[Event]:
        if self.state is NEW:
            self._begin(event, now)
        else:
            # What was due before this came has happened before it.
            if self._due <= now:
                self._run(now)
            if self.state is not ENDED:
                if isinstance(event, UserAudioSent):
                    self._life = now
                    self._hear(event, now)
                else:
                    self._take(event, now)
        if self._out or type(event) is not UserAudioSent:
            self._moved = True
            self._look()
        else:
            # Plain audio only puts off what is due for want of it: that is found out when it would be.
            self._put_off = self._is_missing
        return self._said()

    def advance(self, now: float) -> list[Event]:
        self._run(now)
        return self._said()

    @property
    def _over(self) -> bool:
        return self.state is ENDED

    def _tell(self, event: Event) -> None:
        self._out.append(event)

    def _said(self) -> list[Event]:
        out, self._out = self._out, []
        return out

    def _first_timer(self) -> Timer:
        """What is due first, and who sees to it; not what waits for the user's audio. The first one, where
        several are due together."""
        first, act = NOTHING
        if self._ready_at is not None:
            first, act = self._ready_at, self._become_ready
        if (due := self._playout.due) is not None:
            if due < first:
                first, act = due, self._send_frames
        elif (reply := self._voice.reply) is not None and reply.waits_for is None and self._ready_at is None:
            # What has been said sounds to its end.
            first, act = max(reply.due, self._playout.ends), self._take_step
        if (due := self._counsel.alarms.due) is not None and due < first:
            first, act = due, self._ring
        if self._limit < first:
            first, act = self._limit, self._time_out
        return first, act

    def _run(self, now: float) -> None:
        """Does all that is due, each at its own time, however late the call comes."""
        while self._due <= now:
            if not self._put_off:
                self._act(self._due)
                self._moved = True
            self._look()

    def _look(self) -> None:
        """Works out what is due next; the first of the timers, where several are due together."""
        self._put_off = self._is_missing = False
        if self.state is ENDED or self.state is NEW:
            self._due, self._act = NOTHING
            return
        if self._moved:
            self._moved = False
            self._timer = self._first_timer()
        self._due, self._act = self._timer
        missed = self._intake.deadline
        if missed is not None and missed <= self._due:
            self._due, self._act, self._is_missing = missed, self._miss_audio, True
        if self._idle_limit is not None:
            # As long as the agent sounds, nobody is idle.
            life, ends = self._life, self._playout.ends
            idle = (life if life > ends else ends) + self._idle_limit
            if idle < self._due:
                self._due, self._act, self._is_missing = idle, self._idle_out, True

    def _move(self, trigger: Trigger) -> None:
        self.state = after(self.state, trigger)

    def _begin(self, event: Event, now: float) -> None:
        if isinstance(event, Opened):
            self._open(now)
        elif isinstance(event, Closed | EndAsked):
            self._move(Trigger.END)
        else:
            raise LocalProtocolError(f"{type(event).__name__} came before the connection was open")

    # --- beginning and end ------------------------------------------------------------

    def _open(self, now: float) -> None:
        provider, settings = self.provider, self.settings
        self._opened = self._life = now
        if settings.session_limit is not None:
            self._limit = now + settings.session_limit
        self._intake = Intake(provider.format.rate, now, settings.patience)
        self._counsel.open(now)
        guard = EchoGuard(provider.format.rate) if settings.echo_guard else None
        self._turns = Turns(provider.format, settings, guard)
        self._echo_told = False
        self._voice = Voice(provider, settings, guard, now)
        self._playout = self._voice.playout
        self._move(Trigger.OPEN)
        self._out += [
            SessionStarted(self.session_id),
            RatesDeclared(provider.format.rate, self._rate.announced),
        ]
        self._ready_at = now + settings.ready_delay
        self._look()
        self._run(now)

    def _become_ready(self, at: float) -> None:
        self._ready_at = None
        self._out += [AgentReadied(), ListeningStarted("waiting")]
        self._tell_agent(CallBegan(), at)

    def _idle_out(self, at: float) -> None:
        assert self.settings.idle_limit is not None
        self._out.append(LimitReached("idle", self.settings.idle_limit))
        self._end("closed", at, "limit", "the session was idle for too long")

    def _time_out(self, at: float) -> None:
        assert self.settings.session_limit is not None
        self._out.append(LimitReached("session", self.settings.session_limit))
        self._end("closed", at, "limit", "the session reached its longest time")

    def _end(self, cause: Cause, at: float, code: str, reason: str, close_code: int | None = None) -> None:
        self._finish(at)
        if close_code is None:
            close_code = self.provider.close_codes[code]
        self._out += [SessionEnded(cause), Closed(close_code, reason, "provider")]

    def _finish(self, at: float) -> None:
        """Nothing more is heard or said; what is open is accounted for."""
        for heard in self._turns.break_off(self._turns.position, "hang_up"):
            if isinstance(heard, Utterance):
                self._out.append(_ended(heard))
            elif isinstance(heard, Noise):
                self._out.append(self._discarded(heard))
        self._out += self._intake.ended(at)
        self._out += self._voice.stop(at, flushed=True)
        left = () if self._voice.reply is None else tuple(self._voice.reply.steps)
        self._close_reply()
        self._move(Trigger.END)
        for step in self._counsel.ask(CallOver((*left, *self._unasked)), at):
            if isinstance(step, Tell) and isinstance(step.event, Note):
                self._out.append(step.event)

    # --- what comes in ------------------------------------------------------------

    def _take(self, event: Event, now: float) -> None:
        """Anything but audio."""
        if self.settings.idle_counts == "any" and isinstance(event, Uplink | Unrecognised | Ponged):
            self._life = now
        match event:
            case SettingSent():
                self._set(event, now)
            case RatesAnnounced(input=rate):
                self._change_rate(rate, now)
            case ToolResultSent(call_id=call_id, result=result):
                self._answer_tool(call_id, result, now)
            case InterruptSent() | InterruptAsked() if self.state is State.SPEAKING:
                self._interrupt(now, self._turns.onset)
            case SayAsked(text=text, pcm=pcm):
                self._unasked.append(Say(text, pcm))
                self._begin_unasked(now)
            case StopSent():
                pass  # The close follows.
            case Unrecognised(text=text):
                self._refuse(text, now)
            case EndAsked(cause=cause, reason=reason):
                self._end(cause, now, cause, reason)
            case Closed():
                self._finish(now)

    def _refuse(self, text: str, now: float) -> None:
        self._out.append(ErrorReported(text, "INVALID_MESSAGE"))
        self._unreadable += 1
        if self._unreadable >= self.settings.bad_messages:
            self._out.append(LimitReached("bad_messages", self.settings.bad_messages))
            self._end("closed", now, "bad_messages", "too many messages that could not be read")

    def _set(self, setting: SettingSent, now: float) -> None:
        if setting.name == "max_context_messages":
            value = setting.value
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                text = (
                    f"max_context_messages must be a whole number of 1 or more; it stays {self._counsel.most}"
                )
                self._out.append(ErrorReported(text, "INVALID_SETTING"))
                return
            self._counsel.bound(value)
        self.call.settings[setting.name] = setting.value
        self._out.append(SettingConfirmed(setting.name))
        self._tell_agent(TextCame(setting.name, setting.value), now)

    def _change_rate(self, rate: int | None, now: float) -> None:
        if self._ready_at is not None:
            # Newest clients send their rates last of all: the whole configuration is here.
            self._become_ready(now)
        wrong = None if rate is None else self._rate.announce(rate)
        if wrong is not None:
            self._out.append(ErrorReported(wrong, "INVALID_SETTING"))

    def _answer_tool(self, call_id: str, result: Any, now: float) -> None:
        reply = self._voice.reply
        if reply is None or reply.waits_for != call_id:
            self._out.append(ErrorReported(f"no tool call {call_id[:40]!r} is waiting for a result"))
            return
        reply.waits_for = None
        reply.due = now
        reply.add_first(self._counsel.ask(ToolAnswered(call_id, result), now))

    # --- listening ------------------------------------------------------------

    def _hear(self, audio: UserAudioSent, now: float) -> None:
        pcm = self._rate.converted(audio)
        if not pcm:
            return
        samples = len(pcm) // SAMPLE_BYTES
        placed = self._intake.arrived(samples, now)
        if placed:
            self._out += placed
            self._settle(self._turns.break_off(self._intake.position - samples, "input_gap"), now)
        if self.agent.passes_through:
            self._pass_on(pcm, now)
            return
        heard = self._turns.hear(pcm)
        if heard:
            self._settle(heard, now)
        if self._turns.onset is None:
            return
        if self.state is SPEAKING:
            self._confirm_barge_in(now)
        if self._voice.captions.interim and not self._over:
            self._out += self._voice.captions.hears(self._turns.spoken / self.provider.format.rate)

    def _pass_on(self, pcm: bytes, now: float) -> None:
        if self.state is not State.SPEAKING:
            self._generation += 1
            self._voice.reply = Reply(self._generation, NEVER, speaking=True)
            self._move(Trigger.THINK)
            self._move(Trigger.SPEAK)
            self._out.append(SpeakingStarted(self._generation))
        self._out += self._voice.pass_on(pcm, now)

    def _miss_audio(self, at: float) -> None:
        gap: InputGapped = self._intake.missed(at)
        self._out.append(gap)
        self._settle(self._turns.break_off(self._turns.position, "input_gap"), at)

    def _settle(self, heard: list[Heard], now: float) -> None:
        for found in heard:
            if self._over:
                # The agent hung up over what came before.
                return
            match found:
                case Onset(start, confirmed):
                    self._out.append(TurnStarted(self._turns.number, start, confirmed))
                    self._note_speech(start, now)
                case Noise():
                    self._out.append(self._discarded(found))
                    if self.state is State.HEARING:
                        self._move(Trigger.NOISE)
                        self._wait(now)
                case Utterance():
                    self._end_turn(found, now)

    def _discarded(self, noise: Noise) -> TurnDiscarded:
        seconds = self.provider.format.seconds(noise.end - noise.start)
        return TurnDiscarded(noise.start, noise.end, seconds)

    def _note_speech(self, start: int, now: float) -> None:
        if self.state is not State.SPEAKING:
            # Else _confirm_barge_in decides.
            left = self._cancel_reply()
            self._move(Trigger.SPEECH)
            self._out.append(ListeningStarted("speech"))
            if left is not None:
                self._tell_agent(left, now)
        self._tell_agent(SpeechBegan(), now)

    def _confirm_barge_in(self, now: float) -> None:
        """Speech over the agent: long enough to stop it?"""
        onset = self._turns.onset
        if onset is None or self.settings.barge_in == "off":
            return
        if self._turns.spoken >= self.provider.format.samples(self.settings.barge_in_confirm):
            self._interrupt(now, onset)

    def _end_turn(self, utterance: Utterance, now: float) -> None:
        turn = utterance.turn
        self._out.append(_ended(utterance))
        if utterance.why == "limit":
            self._out.append(LimitReached("utterance", self.settings.max_utterance))
        self._transcribe(turn, now)
        if self._voice.reply is not None:
            self._waiting.append(turn)
            if len(self._waiting) > WAITING:
                self._waiting.popleft()
                self._out.append(LimitReached("waiting_turns", WAITING))
            return
        self._move(Trigger.TURN)
        self._think(turn, now)

    def _transcribe(self, turn: UserTurn, now: float) -> None:
        line = self._voice.captions.heard(turn.seconds)
        text = self._counsel.words_of(turn, now)
        if text is not None:
            line = replace(line, text=text)
        if line.text:
            self._counsel.remember("user", line.text)
            self._out.append(line)

    # --- answering ------------------------------------------------------------

    def _think(self, turn: UserTurn, now: float) -> None:
        self._generation += 1
        self._out.append(ThinkingStarted(self._generation))
        if self.settings.thinking_audio:
            ours = self.provider.format
            self._out.append(ThinkingSoundSent(typing(ours, self.settings.think_time), ours.rate))
        steps = self._counsel.ask(turn, now)
        own = next((step for step in steps if not isinstance(step, Tell)), None)
        # An agent that says how long it thinks is taken at its word.
        think_time = 0.0 if isinstance(own, Think | Until) else self.settings.think_time
        self._voice.reply = reply = Reply(self._generation, now + think_time)
        reply.add_first(steps)

    def _take_step(self, at: float) -> None:
        reply = self._voice.reply
        assert reply is not None
        self._out += self._voice.captions.sounded(1)
        if not reply.steps:
            self._complete_reply(at)
            return
        match reply.steps.popleft():
            case Say() as step:
                self._say(step, reply, at)
            case Pause(seconds=seconds):
                reply.due = at + seconds
            case Think(seconds=seconds):
                if reply.speaking:
                    reply.thinks = True
                    self._out.append(ThinkingStarted(reply.generation))
                reply.due = at + seconds
            case Until(position=position):
                reply.due = max(at, self._counsel.when(position))
            case CallTool(name=name, arguments=arguments, call_id=call_id):
                reply.waits_for = call_id
                self._out.append(ToolCalled(name, arguments, call_id))
            case step:
                self._do(step, at)

    def _do(self, step: Step, at: float) -> None:
        """What takes no time and no turn."""
        match step:
            case Tell(event=event):
                if isinstance(event, Transcribed):
                    self._voice.captions.told(event)
                self._out.append(event)
            case HangUp(reason=reason, cause=cause, code=code):
                self._end(cause, at, cause, reason or cause, code)
            case Fail(fault=fault):
                # Whoever stands between this session and the line does it.
                self._out.append(FaultAsked(fault))

    # --- without having been asked -----------------------------------------------

    def _ring(self, at: float) -> None:
        self._tell_agent(TimeCame(self._counsel.alarms.take()), at)

    def _wait(self, now: float) -> None:
        self._out.append(ListeningStarted("waiting"))
        self._tell_agent(Waiting(), now)

    def _tell_agent(self, cue: Cue, now: float) -> None:
        """What the agent then does takes place at once if it takes no time, else when nobody speaks."""
        steps = self._counsel.ask(cue, now)
        if not all(isinstance(step, Tell | HangUp | Fail) for step in steps):
            self._unasked += steps
        else:
            for step in steps:
                self._do(step, now)
                if self._over:
                    return
        self._begin_unasked(now)

    def _begin_unasked(self, now: float) -> None:
        """What nobody asked for is said as soon as nobody speaks."""
        if self._unasked and self.state is State.LISTENING:
            self._generation += 1
            self._voice.reply = Reply(self._generation, now, self._unasked)
            self._unasked = deque()
            self._move(Trigger.THINK)
            self._out.append(ThinkingStarted(self._generation))

    def _say(self, step: Say, reply: Reply, at: float) -> None:
        if step.text:
            self._counsel.remember("agent", step.text)
            reply.said.append(step.text)
        first = not reply.speaking or reply.thinks
        if first:
            self._out.append(ThinkingStopped())
        self._out += self._voice.line(step, "before_audio")
        if first:
            if not reply.speaking:
                self._move(Trigger.SPEAK)
            reply.speaking, reply.thinks = True, False
            self._out.append(SpeakingStarted(reply.generation))
        self._out += self._voice.line(step, "after_speaking", "with_audio")
        if step.visemes and self.call.settings.get("visemes") is True:
            self._out.append(VisemesSent(step.visemes, reply.generation))
        self._out += self._voice.say(step, reply, at)

    def _send_frames(self, at: float) -> None:
        self._out += self._voice.send(at)
        if self._playout.due is None:
            self._tell_with_sound(at)

    def _tell_with_sound(self, at: float) -> None:
        """What goes out beside the last of a sound."""
        reply = self._voice.reply
        assert reply is not None
        while reply.steps and isinstance(step := reply.steps[0], Tell) and step.with_sound:
            self._do(reply.steps.popleft(), at)

    def _complete_reply(self, at: float) -> None:
        if self.state is State.THINKING:
            self._out.append(ThinkingStopped())
        self._close_reply()
        self._move(Trigger.DONE)
        if self._waiting:
            self._move(Trigger.THINK)
            self._think(self._waiting.popleft(), at)
        elif self._turns.onset is not None:
            # The user began over an agent that could not be interrupted, and is still talking.
            self._move(Trigger.SPEECH)
            self._out.append(ListeningStarted("speech"))
        else:
            self._wait(at)

    def _close_reply(self) -> None:
        """Accounts for the reply that is over, or breaks off here."""
        closed = self._voice.close()
        self._out += closed
        echoed = self._turns.echoed / self.provider.format.rate
        if closed and echoed >= ECHOED and not self._echo_told:
            self._echo_told = True
            self._out.append(EchoHeard(echoed))

    def _cancel_reply(self) -> ReplyInterrupted | None:
        """The user went on before the reply was audible. What the agent is to be told, if there was one."""
        reply, self._voice.reply = self._voice.reply, None
        if reply is None:
            return None
        self._out += [ThinkingStopped(), ReplyCancelled(reply.generation)]
        return ReplyInterrupted(reply.generation, 0, left=tuple(reply.steps))

    # --- being interrupted ------------------------------------------------------------

    def _interrupt(self, now: float, onset: int | None) -> None:
        """Barge-in: the unsaid is dropped, the state change goes out, the caller clears its playback.

        ``onset`` is the first spoken sample; None when the client asked for it before any was heard.
        """
        reply = self._voice.reply
        assert reply is not None
        flushed = self._voice.stop(now, flushed=self.provider.flushes)
        self._move(Trigger.INTERRUPT if onset is None else Trigger.SPEECH)
        self._out += [ListeningStarted("speech"), Interrupted(), *flushed]
        self._out.append(self._voice.broken_off(reply, self._intake.at(now), onset))
        self._counsel.mark_heard(reply.heard / self.provider.format.rate)
        self._close_reply()
        line = min(reply.line_samples, max(0, reply.heard - reply.line_from))
        told = ReplyInterrupted(reply.generation, reply.heard, line, reply.line_samples, tuple(reply.steps))
        self._tell_agent(told, now)


def _nothing(at: float) -> None:
    """There is nothing to be done."""


NOTHING: Timer = (NEVER, _nothing)


def _ended(utterance: Utterance) -> TurnEnded:
    turn = utterance.turn
    return TurnEnded(turn.number, turn.start, turn.end, utterance.confirmed, turn.seconds, utterance.why)
