"""An agent that plays its part in a recorded call again, and says where the live call goes another way.

The part is anchored to the user's turns: what the agent did so long after the recorded turn had ended it does
as long after the live one. So it listens, waits and is interrupted like any other. Anchored to time it does
all of it at the recorded second, whatever the user does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Literal

from voxemu.agent import (
    Call,
    CallBegan,
    CallOver,
    CallTool,
    Cue,
    HangUp,
    ReplyInterrupted,
    Say,
    SetAlarm,
    SpeechBegan,
    Step,
    Tell,
    Think,
    TimeCame,
    ToolAnswered,
    Until,
    UserTurn,
    Waiting,
)
from voxemu.audio import sample_count
from voxemu.events import ErrorReported, FindingMade, Transcribed
from voxemu.lint import finding
from voxemu.replay.part import Deed, Exchange, Part, Reply, Sound, Thought, ToolAsked, ToolGiven

Anchor = Literal["turns", "time"]
END = "end"
PATIENCE = 2.0
# Seconds that a user who went on before the agent spoke may do so later than in the recording.


class Replayed:
    """One call's. Positions are samples on the live call's axis, ``shift`` after the recorded ones."""

    passes_through = False

    def __init__(self, name: str, part: Part, anchor: Anchor = "turns") -> None:
        self.name = name
        self._part = part
        self._anchor = anchor
        self._at = 0
        # Which exchange is on.
        self._shift = 0
        self._waiting: list[Reply] = []
        # Of this exchange, not begun yet.
        self._reply: Reply | None = None
        # The one that was begun last.
        self._after_tool: tuple[int, Sequence[tuple[int, Deed]]] | None = None
        self._user_speaks = False
        self._spoke_at = 0
        self._was_cut = False
        self._extra = 0

    # --- cues ---------------------------------------------------------------------------------------------

    def respond(self, cue: Cue, call: Call) -> Iterable[Step]:
        match cue:
            case CallBegan():
                return self._open()
            case SpeechBegan():
                self._user_speaks, self._spoke_at = True, call.position
            case Waiting():
                self._user_speaks = False
            case UserTurn():
                self._user_speaks = False
                return self._answer(cue)
            case TimeCame(name=name):
                return self._rung(name)
            case ToolAnswered():
                return self._go_on(call)
            case ReplyInterrupted():
                return self._interrupted(cue, call)
            case CallOver():
                return self._close(call)
        return []

    def hears(self, turn: UserTurn, call: Call) -> str | None:
        following = self._at + 1
        known = self._anchor == "turns" and following < len(self._part.exchanges)
        return self._part.exchanges[following].user_text if known else None

    @property
    def _exchange(self) -> Exchange:
        return self._part.exchanges[self._at]

    # --- playing ------------------------------------------------------------------------------------------

    def _open(self) -> list[Step]:
        if self._anchor == "time":
            self._waiting = [reply for exchange in self._part.exchanges for reply in exchange.replies]
            return [*self._alarms(), *self._last_alarm()]
        self._waiting = list(self._exchange.replies)
        return [*self._alarms(), *self._hang_up()]

    def _answer(self, turn: UserTurn) -> list[Step]:
        if self._anchor == "time":
            return [Until(self._waiting[0].begins)] if self._waiting else []
        if self._at + 1 >= len(self._part.exchanges):
            self._extra += 1
            return [self._too_many(turn)]
        told = [self._too_early(turn)] if self._waiting or self._was_cut else []
        self._at += 1
        recorded = self._exchange.turn
        assert recorded is not None
        self._shift = turn.end - recorded.end
        self._was_cut = False
        first, self._waiting = self._exchange.replies[:1], self._exchange.replies[1:]
        steps = list(self._begin(first[0])) if first else self._silence()
        return [*told, *self._alarms(), *self._hang_up(), *steps]

    def _silence(self) -> list[Step]:
        """The recorded agent said nothing: as long as it did, it thinks."""
        if self._exchange.idle is not None:
            return [Until(self._exchange.idle + self._shift)]
        if self._at + 1 < len(self._part.exchanges):
            following = self._part.exchanges[self._at + 1].turn
            assert following is not None
            return [Until(following.start + self._shift + self._part.format.samples(PATIENCE))]
        return []

    def _alarms(self) -> Iterator[SetAlarm]:
        for reply in self._waiting:
            yield SetAlarm(f"{self._at}/{id_of(reply)}", reply.begins + self._shift)

    def _hang_up(self) -> Iterator[SetAlarm]:
        if self._at == len(self._part.exchanges) - 1:
            yield from self._last_alarm()

    def _last_alarm(self) -> Iterator[SetAlarm]:
        ending = self._part.ending
        if ending is not None:
            yield SetAlarm(f"{self._at}/{END}", ending.position + self._shift)

    def _rung(self, name: str) -> list[Step]:
        exchange, _, what = name.partition("/")
        if int(exchange) != self._at or (self._user_speaks and self._anchor == "turns"):
            # The call has gone another way, or is about to.
            return []
        if what == END:
            ending = self._part.ending
            assert ending is not None
            return [HangUp(ending.reason, ending.cause, ending.code)]
        reply = next((reply for reply in self._waiting if id_of(reply) == what), None)
        if reply is None:
            return []
        self._waiting.remove(reply)
        return list(self._begin(reply))

    def _begin(self, reply: Reply) -> Iterator[Step]:
        self._reply = reply
        yield from self._steps(reply.deeds, self._shift, 0)

    def _steps(self, deeds: Sequence[tuple[int, Deed]], shift: int, end: int) -> Iterator[Step]:
        """``end``: where what was said so far has sounded, recorded."""
        for at, (position, deed) in enumerate(deeds):
            sounds_yet = position < end
            if position > end:
                yield Until(position + shift)
            match deed:
                case Sound(pcm=pcm, visemes=visemes, text=text):
                    yield Say(text, pcm, visemes)
                    end = max(position, end) + sample_count(pcm)
                case Transcribed() | ErrorReported():
                    yield Tell(deed, with_sound=sounds_yet)
                case Thought():
                    yield Think(0)
                case ToolAsked(name=name, arguments=arguments, call_id=call_id):
                    self._after_tool = (len(deeds[: at + 1]), deeds)
                    yield CallTool(name, arguments, call_id)
                    return
                case ToolGiven():
                    pass

    def _go_on(self, call: Call) -> list[Step]:
        """What follows an answer of the client's follows it as soon as it did."""
        assert self._after_tool is not None
        first, deeds = self._after_tool
        rest = deeds[first:]
        given = next((position for position, deed in rest if isinstance(deed, ToolGiven)), None)
        shift = self._shift if given is None else call.position - given
        return list(self._steps(rest, shift, 0))

    def _interrupted(self, cue: ReplyInterrupted, call: Call) -> list[Step]:
        reply = self._reply
        self._was_cut = reply is not None and not reply.interrupted and self._anchor == "turns"
        if cue.heard == 0 or reply is None or not reply.interrupted:
            return []
        self._reply = replace(reply, interrupted=False)
        return [Tell(line) for line in reply.last_words]

    # --- another way --------------------------------------------------------------------------------------

    def _too_many(self, turn: UserTurn) -> Step:
        last = self._part.exchanges[-1].turn
        recorded = "there is none" if last is None else f"the last one ended at {self._time(last.end)}"
        seen = f"the user's turn {turn.number} at {self._time(turn.start)} live; in the recording {recorded}"
        return self._found("F-REPLAY-EXTRA", seen)

    def _too_early(self, turn: UserTurn) -> Step:
        recorded = self._part.exchanges[self._at + 1].turn
        assert recorded is not None
        seen = (
            f"the user's turn {turn.number} came at {self._time(turn.start)} live, before the agent was "
            f"done; in the recording at {self._time(recorded.start)}"
        )
        return self._found("F-REPLAY-EARLY", seen)

    def _close(self, call: Call) -> list[Step]:
        if self._anchor == "time":
            return []
        over = f"the live call was over at {self._time(call.position)}"
        return [
            self._found("F-REPLAY-MISSING", f"the recorded turn {number} at {self._time(turn.start)}: {over}")
            for number, exchange in enumerate(self._part.exchanges)
            if number > self._at and (turn := exchange.turn) is not None
        ]

    def _found(self, code: str, seen: str) -> Tell:
        note: FindingMade = finding(code, f"{seen} ({self._part.name})")
        return Tell(note)

    def _time(self, position: int) -> str:
        return f"{self._part.format.seconds(position):.2f} s"


def id_of(reply: Reply) -> str:
    """Replies of a part begin at different positions."""
    return str(reply.begins)
