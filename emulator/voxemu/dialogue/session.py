"""The provider's end of a call: it listens, ends turns, lets an agent answer, and is interrupted.

A ``Session`` is an ``Engine``. It emits the whole truth in the vocabulary of ``events``, in the order that
the protocol notes give for lokutor (listening, user transcript, thinking, agent transcript, speaking,
audio); each provider's codec spells what its protocol has words for.
"""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Literal

from voxemu.agent import (
    Agent,
    Call,
    CallBegan,
    CallTool,
    Cue,
    Exchange,
    HangUp,
    Pause,
    ReplyInterrupted,
    Say,
    Step,
    ToolAnswered,
    UserTurn,
)
from voxemu.audio import Resampler, sample_count
from voxemu.dialogue.captions import Captions
from voxemu.dialogue.echo_guard import EchoGuard
from voxemu.dialogue.intake import Intake
from voxemu.dialogue.playout import Playout
from voxemu.dialogue.reply import Reply
from voxemu.dialogue.settings import DialogueSettings
from voxemu.dialogue.states import State, Trigger, after
from voxemu.dialogue.turns import Heard, Noise, Onset, Turns, Utterance
from voxemu.dialogue.typing_sound import typing
from voxemu.errors import LocalProtocolError
from voxemu.events import (
    AgentAudioSent,
    AgentFailed,
    AgentReadied,
    BargedIn,
    Closed,
    EndAsked,
    ErrorReported,
    Event,
    InputGapped,
    Interrupted,
    InterruptSent,
    LimitReached,
    ListeningStarted,
    Opened,
    PlaybackFlushed,
    Ponged,
    RatesAnnounced,
    RatesDeclared,
    ReplyCancelled,
    ReplyEnded,
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
    TurnDiscarded,
    TurnEnded,
    TurnStarted,
    Unrecognised,
    Uplink,
    UserAudioSent,
    VisemesSent,
)
from voxemu.provider import Provider

NEVER = float("inf")
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
        self.state = State.NEW
        self._due = NEVER
        self._act: Callable[[float], None] | None = None
        # What is due next; worked out whenever something has happened.
        self._out: list[Event] = []
        self._context = settings.max_context
        self._input_rate = settings.input_rate or provider.format.rate
        self._resampler: Resampler | None = None
        self._ready_at: float | None = None
        self._reply: Reply | None = None
        self._captions = Captions(interim=settings.interim_transcripts)
        self._generation = 0
        self._waiting: deque[UserTurn] = deque()
        # Turns that ended while the agent could not be interrupted.
        self._unreadable = 0
        self._opened = 0.0
        self._life = 0.0
        # The last sign of it.

    # --- the engine ------------------------------------------------------------

    @property
    def deadline(self) -> float | None:
        return None if self._act is None else self._due

    def receive(self, event: Event, now: float) -> list[Event]:
        if self.state is State.NEW:
            self._begin(event, now)
        elif self.state is not State.ENDED:
            # What was due before this came has happened before it.
            self._run(now)
            if not self._over:
                self._take(event, now)
        self._look()
        return self._said()

    def advance(self, now: float) -> list[Event]:
        self._run(now)
        return self._said()

    @property
    def _over(self) -> bool:
        return self.state is State.ENDED

    def _said(self) -> list[Event]:
        out, self._out = self._out, []
        return out

    def _timers(self) -> Iterator[tuple[float, Callable[[float], None]]]:
        """What is due when, and who sees to it."""
        if self.state in (State.NEW, State.ENDED):
            return
        if self._ready_at is not None:
            yield self._ready_at, self._become_ready
        if (due := self._intake.deadline) is not None:
            yield due, self._miss_audio
        if (due := self._playout.due) is not None:
            yield due, self._send_frames
        elif (reply := self._reply) is not None and reply.waits_for is None and self._ready_at is None:
            yield max(reply.due, self._playout.ends), self._take_step
        if self.settings.idle_limit is not None:
            yield max(self._life, self._playout.ends) + self.settings.idle_limit, self._idle_out
        if self.settings.session_limit is not None:
            yield self._opened + self.settings.session_limit, self._time_out

    def _run(self, now: float) -> None:
        """Does all that is due, each at its own time, however late the call comes."""
        while self._act is not None and self._due <= now:
            self._act(self._due)
            self._look()

    def _look(self) -> None:
        """Works out what is due next; the first of the timers, where several are due together."""
        self._due, self._act = NEVER, None
        for due, act in self._timers():
            if due < self._due:
                self._due, self._act = due, act

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
        self._intake = Intake(provider.format.rate, now, settings.patience)
        guard = EchoGuard(provider.format.rate) if settings.echo_guard else None
        self._guard = guard
        self._turns = Turns(provider.format, settings, guard)
        self._playout = Playout(
            provider.format, self._frame_samples(), pads=provider.pads, burst=settings.burst, opened=now
        )
        self._move(Trigger.OPEN)
        self._out += [SessionStarted(self.session_id), RatesDeclared(provider.format.rate, self._input_rate)]
        self._ready_at = now + settings.ready_delay
        self._look()
        self._run(now)

    def _frame_samples(self) -> int:
        if self.settings.frame_ms is None or self.provider.pads:
            return self.provider.frame_samples
        return self.provider.format.samples(self.settings.frame_ms / 1000)

    def _become_ready(self, at: float) -> None:
        self._ready_at = None
        self._out += [AgentReadied(), ListeningStarted("waiting")]
        steps = self._ask(CallBegan())
        if steps and self.state is State.LISTENING:
            self._generation += 1
            self._reply = Reply(self._generation, at)
            self._reply.add_first(steps)
            self._move(Trigger.THINK)
            self._out.append(ThinkingStarted(self._generation))

    def _idle_out(self, at: float) -> None:
        assert self.settings.idle_limit is not None
        self._out.append(LimitReached("idle", self.settings.idle_limit))
        self._end("closed", at, "limit", "the session was idle for too long")

    def _time_out(self, at: float) -> None:
        assert self.settings.session_limit is not None
        self._out.append(LimitReached("session", self.settings.session_limit))
        self._end("closed", at, "limit", "the session reached its longest time")

    def _end(self, cause: Cause, at: float, code: str, reason: str) -> None:
        self._finish(at)
        self._out += [
            SessionEnded(cause),
            Closed(self.provider.close_codes[code], reason, "provider"),
        ]

    def _finish(self, at: float) -> None:
        """Nothing more is heard or said; what is open is accounted for."""
        for heard in self._turns.break_off(self._turns.position, "hang_up"):
            if isinstance(heard, Utterance):
                self._out.append(_ended(heard))
        self._out += self._intake.ended(at)
        self._out += self._stop_playout(at, flushed=True)
        self._close_reply()
        self._move(Trigger.END)

    # --- what comes in ------------------------------------------------------------

    def _take(self, event: Event, now: float) -> None:
        if isinstance(event, UserAudioSent) or (
            self.settings.idle_counts == "any" and isinstance(event, Uplink | Unrecognised | Ponged)
        ):
            self._life = now
        match event:
            case UserAudioSent():
                self._hear(event, now)
            case SettingSent():
                self._set(event)
            case RatesAnnounced(input=rate):
                self._change_rate(rate, now)
            case ToolResultSent(call_id=call_id, result=result):
                self._answer_tool(call_id, result, now)
            case InterruptSent() if self.state is State.SPEAKING:
                self._interrupt(now, self._turns.onset)
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

    def _set(self, setting: SettingSent) -> None:
        if setting.name == "max_context_messages":
            value = setting.value
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                text = f"max_context_messages must be a whole number of 1 or more; it stays {self._context}"
                self._out.append(ErrorReported(text, "INVALID_SETTING"))
                return
            self._context = value
            self._bound_history()
        self.call.settings[setting.name] = setting.value
        self._out.append(SettingConfirmed(setting.name))

    def _change_rate(self, rate: int | None, now: float) -> None:
        if self._ready_at is not None:
            # Newest clients send their rates last of all: the whole configuration is here.
            self._become_ready(now)
        if rate is None:
            return
        if not 8000 <= rate <= 192_000:
            text = f"an input rate of {rate} Hz is outside 8000 to 192000; it stays {self._input_rate}"
            self._out.append(ErrorReported(text, "INVALID_SETTING"))
            return
        self._input_rate = rate

    def _answer_tool(self, call_id: str, result: Any, now: float) -> None:
        if self._reply is None or self._reply.waits_for != call_id:
            self._out.append(ErrorReported(f"no tool call {call_id[:40]!r} is waiting for a result"))
            return
        self._reply.waits_for = None
        self._reply.due = now
        self._reply.add_first(self._ask(ToolAnswered(call_id, result)))

    # --- listening ------------------------------------------------------------

    def _hear(self, audio: UserAudioSent, now: float) -> None:
        pcm = self._at_our_rate(audio)
        if not pcm:
            return
        placed = self._intake.arrived(sample_count(pcm), now)
        if placed:
            self._out += placed
            self._settle(self._turns.break_off(self._intake.position - sample_count(pcm), "input_gap"), now)
        if self.agent.passes_through:
            self._pass_on(pcm, now)
            return
        self._settle(self._turns.hear(pcm), now)
        self._confirm_barge_in(now)
        if self._turns.onset is not None:
            self._out += self._captions.hears(self._turns.spoken / self.provider.format.rate)

    def _at_our_rate(self, audio: UserAudioSent) -> bytes:
        rate, ours = audio.rate or self._input_rate, self.provider.format.rate
        if self._resampler is None or self._resampler.rate_in != rate:
            if rate == ours and self._resampler is None:
                return audio.pcm
            tail = self._resampler.flush() if self._resampler else b""
            self._resampler = Resampler(rate, ours)
            return tail + self._resampler.push(audio.pcm)
        return self._resampler.push(audio.pcm)

    def _pass_on(self, pcm: bytes, now: float) -> None:
        if self.state is not State.SPEAKING:
            self._generation += 1
            self._reply = Reply(self._generation, float("inf"))
            self._reply.speaking = True
            self._move(Trigger.THINK)
            self._move(Trigger.SPEAK)
            self._out.append(SpeakingStarted(self._generation))
        assert self._reply is not None
        self._out += self._playout.pass_on(pcm, now)
        self._reply.sent += sample_count(pcm)
        self._out.append(AgentAudioSent(pcm, self._generation))

    def _miss_audio(self, at: float) -> None:
        gap: InputGapped = self._intake.missed(at)
        self._out.append(gap)
        self._settle(self._turns.break_off(self._turns.position, "input_gap"), at)

    def _settle(self, heard: list[Heard], now: float) -> None:
        for found in heard:
            match found:
                case Onset(start, confirmed):
                    self._out.append(TurnStarted(self._turns.number, start, confirmed))
                    self._note_speech(start, now)
                case Noise(start, end):
                    self._out.append(TurnDiscarded(start, end, self.provider.format.seconds(end - start)))
                    if self.state is State.HEARING:
                        self._move(Trigger.NOISE)
                        self._out.append(ListeningStarted("waiting"))
                case Utterance():
                    self._end_turn(found, now)

    def _note_speech(self, start: int, now: float) -> None:
        if self.state is State.SPEAKING:
            return  # _confirm_barge_in decides.
        if self.state is State.THINKING:
            self._cancel_reply()
        self._move(Trigger.SPEECH)
        self._out.append(ListeningStarted("speech"))

    def _confirm_barge_in(self, now: float) -> None:
        """Speech over the agent: long enough to stop it?"""
        onset = self._turns.onset
        if self.state is not State.SPEAKING or onset is None or self.settings.barge_in == "off":
            return
        if self._turns.spoken >= self.provider.format.samples(self.settings.barge_in_confirm):
            self._interrupt(now, onset)

    def _end_turn(self, utterance: Utterance, now: float) -> None:
        turn = utterance.turn
        self._out.append(_ended(utterance))
        if utterance.why == "limit":
            self._out.append(LimitReached("utterance", self.settings.max_utterance))
        line = self._captions.heard(turn.seconds)
        self._remember(Exchange("user", line.text))
        self._out.append(line)
        if self._reply is not None:
            self._waiting.append(turn)
            return
        self._move(Trigger.TURN)
        self._think(turn, now)

    # --- answering ------------------------------------------------------------

    def _think(self, turn: UserTurn, now: float) -> None:
        self._generation += 1
        self._out.append(ThinkingStarted(self._generation))
        if self.settings.thinking_audio:
            ours = self.provider.format
            self._out.append(ThinkingSoundSent(typing(ours, self.settings.think_time), ours.rate))
        self._reply = Reply(self._generation, now + self.settings.think_time)
        self._reply.add_first(self._ask(turn))

    def _ask(self, cue: Cue) -> list[Step]:
        try:
            return list(self.agent.respond(cue, self.call))
        except Exception as error:
            self._out.append(AgentFailed(f"{type(error).__name__}: {error}", traceback.format_exc()))
            self._out.append(ErrorReported(f"the agent {self.agent.name} failed: {error}", "AGENT_FAILED"))
            return []

    def _take_step(self, at: float) -> None:
        reply = self._reply
        assert reply is not None
        self._out += self._captions.sounded(1)
        if not reply.steps:
            self._complete_reply(at)
            return
        match reply.steps.popleft():
            case Say() as step:
                self._say(step, reply, at)
            case Pause(seconds=seconds):
                reply.due = at + seconds
            case CallTool(name=name, arguments=arguments, call_id=call_id):
                reply.waits_for = call_id
                self._out.append(ToolCalled(name, arguments, call_id))
            case HangUp(reason=reason):
                self._end("agent_left", at, "agent_left", reason)

    def _say(self, step: Say, reply: Reply, at: float) -> None:
        place = self.settings.transcript_place
        self._remember(Exchange("agent", step.text))
        reply.said.append(step.text)
        first = not reply.speaking
        if first:
            self._out.append(ThinkingStopped())
        if place == "before_audio":
            self._out += self._captions.says(step.text)
        if first:
            reply.speaking = True
            self._move(Trigger.SPEAK)
            self._out.append(SpeakingStarted(reply.generation))
        if place == "after_speaking":
            self._out += self._captions.says(step.text)
        elif place == "with_audio":
            self._captions.begins(step.text)
        if step.visemes and self.call.settings.get("visemes") is True:
            self._out.append(VisemesSent(step.visemes, reply.generation))
        self._out += self._playout.say(step.pcm, at)
        reply.line_from = reply.sent
        reply.line_samples = max(1, sample_count(step.pcm))

    def _send_frames(self, at: float) -> None:
        reply = self._reply
        assert reply is not None
        for frame in self._playout.take(at):
            if self._guard is not None:
                self._guard.played(frame, self._playout.sent_to - sample_count(frame))
            reply.sent += sample_count(frame)
            self._out.append(AgentAudioSent(frame, reply.generation))
            self._out += self._captions.sounds(reply.share(reply.sent))

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
            self._out.append(ListeningStarted("waiting"))

    def _close_reply(self) -> None:
        """Accounts for the reply that is over, or breaks off here."""
        reply, self._reply = self._reply, None
        if reply is None or not reply.speaking:
            return
        if self.settings.transcript_place == "after_audio":
            for text in reply.said:
                self._out += self._captions.says(text)
        self._out += self._captions.sounded(reply.share(reply.heard))
        self._out.append(ReplyEnded(reply.generation, reply.heard, reply.dropped, reply.cut))

    def _cancel_reply(self) -> None:
        assert self._reply is not None
        self._out += [ThinkingStopped(), ReplyCancelled(self._reply.generation)]
        self._reply = None

    # --- being interrupted ------------------------------------------------------------

    def _interrupt(self, now: float, onset: int | None) -> None:
        """Barge-in: the unsaid is dropped, the state change goes out, the caller clears its playback.

        ``onset`` is the first spoken sample; None when the client asked for it before any was heard.
        """
        reply = self._reply
        assert reply is not None
        flushed = self._stop_playout(now, flushed=self.provider.flushes)
        self._move(Trigger.INTERRUPT if onset is None else Trigger.SPEECH)
        self._out += [ListeningStarted("speech"), Interrupted(), *flushed]
        self._out.append(self._account(reply, now, onset))
        self._mark_heard(reply)
        self._close_reply()
        self._ask(ReplyInterrupted(reply.generation, reply.heard))

    def _account(self, reply: Reply, now: float, onset: int | None) -> BargedIn:
        rate = self.provider.format.rate
        stopped = self._intake.at(now)
        since = stopped if onset is None else min(onset, stopped)
        return BargedIn(
            reply.generation,
            since,
            stopped,
            reply.heard,
            reply.dropped,
            after=reply.heard / rate,
            stop=(stopped - since) / rate,
        )

    def _stop_playout(self, now: float, *, flushed: bool) -> list[PlaybackFlushed]:
        stopped = self._playout.stop(now, flushed=flushed)
        if self._reply is not None:
            self._reply.dropped += stopped.dropped
            self._reply.cut = bool(stopped.dropped or stopped.unsent)
        if not stopped.dropped:
            return []
        if self._guard is not None:
            self._guard.flushed(stopped.position)
        return [PlaybackFlushed(stopped.position, stopped.dropped)]

    def _mark_heard(self, reply: Reply) -> None:
        for at in range(len(self.call.history) - 1, -1, -1):
            line = self.call.history[at]
            if line.speaker == "agent":
                seconds = reply.heard / self.provider.format.rate
                self.call.history[at] = Exchange("agent", line.text, seconds)
                return

    # --- remembering ------------------------------------------------------------

    def _remember(self, line: Exchange) -> None:
        self.call.history.append(line)
        self._bound_history()

    def _bound_history(self) -> None:
        del self.call.history[: -self._context]


def _ended(utterance: Utterance) -> TurnEnded:
    turn = utterance.turn
    return TurnEnded(turn.number, turn.start, turn.end, utterance.confirmed, turn.seconds, utterance.why)
