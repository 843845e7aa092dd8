"""What a call came to, as the caller saw it: turns, how soon the agent answered, what was said and lost."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from voxemu.audio import AudioFormat
from voxemu.events import (
    BargedIn,
    Closed,
    ErrorReported,
    Event,
    LimitReached,
    SessionEnded,
    SessionStarted,
    ToolCalled,
    ToolResultSent,
    Transcribed,
    TurnEnded,
    TurnStarted,
    Unrecognised,
)
from voxemu.scenario.moments import Moment
from voxemu_client.agenda import Taken

KEPT = 200
# Transcripts, tools and errors of a call, at most.
LONGEST = 10_000
# Characters of one of them.
MOMENTS = 20_000
# Of a call, at most; a conversation of an hour has some thousand.


@dataclass(slots=True)
class SpokenTurn:
    """Positions on the call's axis."""

    number: int
    clip: str
    start: int
    end: int | None = None
    # One past the last spoken sample.
    reply: int | None = None
    # Where the first agent sample of the answer sounds.

    def latency(self, axis: AudioFormat) -> float | None:
        """Seconds from the end of the user's speech to the first agent sample that sounds."""
        if self.end is None or self.reply is None:
            return None
        return axis.seconds(self.reply - self.end)


@dataclass(slots=True)
class Account:
    format: AudioFormat
    session_id: str = ""
    turns: list[SpokenTurn] = field(default_factory=list)
    barge_ins: list[BargedIn] = field(default_factory=list)
    moments: list[Moment] = field(default_factory=list)
    # In the order in which they were known.
    steps: list[Taken] = field(default_factory=list)
    transcripts: list[tuple[str, str]] = field(default_factory=list)
    tools: dict[str, str] = field(default_factory=dict)
    # That the agent called and nobody answered: names by call id.
    errors: list[str] = field(default_factory=list)
    breaks: list[str] = field(default_factory=list)
    # What the peer sent that the protocol has no words for.
    break_count: int = 0
    limited: LimitReached | None = None
    # The caller hung up because the call took too long.
    ended: SessionEnded | None = None
    closed: Closed | None = None
    opened: float | None = None
    over: float | None = None
    names: dict[int, str] = field(default_factory=dict)
    # Of the clips, by turn.

    @property
    def barge_in(self) -> BargedIn | None:
        """The first one."""
        return self.barge_ins[0] if self.barge_ins else None

    @property
    def seconds(self) -> float:
        return 0.0 if self.opened is None or self.over is None else self.over - self.opened

    def keep(self, moment: Moment) -> None:
        """Beyond what a conversation can have, moments are not kept."""
        if len(self.moments) < MOMENTS:
            text = moment.text
            self.moments.append(moment if len(text) <= LONGEST else replace(moment, text=text[:LONGEST]))

    def saw(self, event: Event) -> None:
        match event:
            case TurnStarted(turn=number, position=position):
                self.turns.append(SpokenTurn(number, self.names.get(number, ""), position))
            case TurnEnded(turn=number, end=end):
                for turn in self.turns:
                    if turn.number == number:
                        turn.end = end
            case BargedIn():
                self.barge_ins.append(event)
            case Transcribed(speaker=speaker, text=text, final=True) if len(self.transcripts) < KEPT:
                self.transcripts.append((speaker, text[:LONGEST]))
            case ToolCalled(name=name, call_id=call_id) if len(self.tools) < KEPT:
                self.tools[call_id[:LONGEST]] = name[:LONGEST]
            case ToolResultSent(call_id=call_id):
                self.tools.pop(call_id[:LONGEST], None)
            case ErrorReported(message=text, code=code) if len(self.errors) < KEPT:
                self.errors.append((f"{code}: {text}" if code else text)[:LONGEST])
            case Unrecognised(text=text):
                self.break_count += 1
                if len(self.breaks) < KEPT:
                    self.breaks.append(text[:LONGEST])
            case SessionStarted(session_id=session_id) if session_id:
                self.session_id = session_id[:LONGEST]
            case LimitReached(limit="call"):
                self.limited = event
            case SessionEnded() if self.ended is None:
                self.ended = event
            case Closed() if self.closed is None:
                self.closed = event

    def sounded(self, position: int) -> None:
        """Agent audio sounds from here on: the answer to the last turn, when that is over and has none."""
        if self.turns:
            turn = self.turns[-1]
            if turn.reply is None and turn.end is not None and position >= turn.end:
                turn.reply = position

    @property
    def answered(self) -> bool:
        return bool(self.turns) and self.turns[-1].reply is not None

    def report(self) -> dict[str, Any]:
        """The account as JSON has it; times in seconds, what was not seen null."""
        barge = self.barge_in
        return {
            "session_id": self.session_id,
            "seconds": round(self.seconds, 3),
            "turns": [self._turn(turn) for turn in self.turns],
            "barge_in": None
            if barge is None
            else {
                "after": round(barge.after, 3),
                "stop": round(barge.stop, 3),
                "heard": round(self.format.seconds(barge.heard), 3),
                "dropped": round(self.format.seconds(barge.dropped), 3),
            },
            "transcripts": [{"speaker": speaker, "text": text} for speaker, text in self.transcripts],
            "tools_unanswered": [*self.tools.values()],
            "errors": self.errors,
            "protocol_breaks": {"count": self.break_count, "texts": self.breaks[:20]},
            "ended": None if self.ended is None else {"cause": self.ended.cause, "reason": self.ended.reason},
            "closed": None
            if self.closed is None
            else {"code": self.closed.code, "reason": self.closed.reason, "by": self.closed.by},
        }

    def _turn(self, turn: SpokenTurn) -> dict[str, Any]:
        latency = turn.latency(self.format)
        end = turn.start if turn.end is None else turn.end
        return {
            "turn": turn.number,
            "clip": turn.clip,
            "start": round(self.format.seconds(turn.start), 3),
            "seconds": round(self.format.seconds(end - turn.start), 3),
            "first_audio": None if latency is None else round(latency, 3),
        }
