"""An agent that does what is written down: block by block, each when what it waits for has come.

A block is what is done in one go: it answers a user's turn, comes at a time, after a silence, upon a text
of the client's, or at the start. Blocks are taken in order; an optional one is passed over when what the next
one waits for comes first. What a script does is in the timeline as notes, and so is what it never came to.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from msgspec.structs import replace

from voxemu.agent import (
    Call,
    CallBegan,
    CallOver,
    CallTool,
    Cue,
    Pause,
    ReplyInterrupted,
    SetAlarm,
    SpeechBegan,
    Step,
    Tell,
    TextCame,
    Think,
    TimeCame,
    ToolAnswered,
    UserTurn,
    Waiting,
)
from voxemu.agents.named import line
from voxemu.audio import AudioFormat, sample_count
from voxemu.events import ScriptStepBegan, ScriptStepInterrupted, ScriptStepMissed, Transcribed

Moment = Literal["start", "turn", "time", "silence", "text"]

REFERENCE = re.compile(r"\{(?P<name>[A-Za-z_][\w-]*)\.(?P<fact>heard_ms|heard_text|share|result)\}")
"""In a text: what became of an earlier step."""


@dataclass(frozen=True, slots=True)
class Speak:
    text: str
    sound: Callable[[AudioFormat], bytes]


@dataclass(frozen=True, slots=True)
class AskTool:
    """Goes on when the client has answered."""

    name: str
    arguments: str
    # JSON text.


Act = Speak | AskTool | tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class ScriptStep:
    number: int
    act: Act
    what: str
    # "says hello.wav": for people.
    name: str = ""
    place: str = ""
    # file:line
    delay: float = 0.0
    # Seconds after the step before it; of a block's first step the block says.

    @property
    def mark(self) -> ScriptStepBegan:
        return ScriptStepBegan(self.number, self.what, self.name)


@dataclass(frozen=True, slots=True)
class Block:
    on: Moment
    steps: tuple[ScriptStep, ...]
    delay: float | None = None
    # Seconds after the moment; of a time and a silence, themselves. None after a turn is the settings'
    # think_time.
    optional: bool = False
    setting: str | None = None
    pattern: str = ""
    # A text that is waited for: which setting, and what is to be found in it.
    user_says: str | None = None
    # What the transcript says of the turn that is answered.


class Scripted:
    """One call's. ``name`` is what the agent is asked for by."""

    passes_through = False

    def __init__(self, name: str, blocks: Sequence[Block]) -> None:
        self.name = name
        self._blocks = tuple(blocks)
        self._next = 0
        self._epoch = 0
        # Of silences: an alarm that was set in an earlier one is void.
        self._is_quiet = False
        self._is_ready = False
        self._texts: list[TextCame] = []
        self._begun: set[int] = set()
        self._current: tuple[ScriptStep, ...] = ()
        # Of the block that was begun last.
        self._after_tool: dict[str, tuple[ScriptStep, ...]] = {}
        self._lengths: dict[int, tuple[float, str]] = {}
        # Of what was said: milliseconds, and the text as it was said.
        self._facts: dict[str, dict[str, Any]] = {}

    # --- cues ---------------------------------------------------------------------------------------------

    def respond(self, cue: Cue, call: Call) -> Iterable[Step]:
        match cue:
            case CallBegan():
                self._is_ready = self._is_quiet = True
                return self._at_start(call)
            case UserTurn():
                at = self._waiting_for("turn")
                return [] if at is None else self._begin(at, call)
            case TextCame():
                self._texts.append(cue)
                return self._armed(call)
            case TimeCame(name=name):
                return self._rung(name, call)
            case Waiting():
                self._is_quiet = True
                return self._armed(call)
            case SpeechBegan():
                self._is_quiet = False
                self._epoch += 1
            case ToolAnswered(call_id=call_id, result=result):
                return self._go_on(call_id, result, call)
            case ReplyInterrupted():
                return self._interrupted(cue, call)
            case CallOver(left=left):
                self._begun -= _marked(left)
                return self._missed()
        return []

    def hears(self, turn: UserTurn, call: Call) -> str | None:
        at = self._waiting_for("turn")
        return None if at is None else self._blocks[at].user_says

    # --- which block --------------------------------------------------------------------------------------

    def _open(self) -> Iterator[int]:
        """The next block, and those behind it as far as it may be passed over."""
        for at in range(self._next, len(self._blocks)):
            yield at
            if not self._blocks[at].optional:
                return

    def _waiting_for(self, moment: Moment) -> int | None:
        return next((at for at in self._open() if self._blocks[at].on == moment), None)

    def _at_start(self, call: Call) -> list[Step]:
        at = self._waiting_for("start")
        if at is None:
            return self._armed(call)
        delay = self._blocks[at].delay
        return [_alarm(at, call, delay)] if delay else self._begin(at, call)

    def _armed(self, call: Call) -> list[Step]:
        """Alarms for what is waited for by now. Several for the same block do no harm: the first counts."""
        if not self._is_ready:
            return []
        return [alarm for at in self._open() for alarm in self._alarms(at, call)]

    def _alarms(self, at: int, call: Call) -> Iterator[SetAlarm]:
        block = self._blocks[at]
        match block.on:
            case "time":
                yield SetAlarm(f"{at}", call.format.samples(block.delay or 0))
            case "silence" if self._is_quiet:
                yield _alarm(at, call, block.delay, f"/{self._epoch}")
            case "text" if any(_fits(block, text) for text in self._texts):
                yield _alarm(at, call, block.delay)

    def _rung(self, name: str, call: Call) -> list[Step]:
        number, _, epoch = name.partition("/")
        is_void = int(number) not in self._open() or (epoch and int(epoch) != self._epoch)
        return [] if is_void else self._begin(int(number), call)

    # --- doing it -----------------------------------------------------------------------------------------

    def _begin(self, at: int, call: Call) -> list[Step]:
        block = self._blocks[at]
        self._next = at + 1
        self._epoch += 1
        if block.on == "text":
            # It has been answered; what came besides is still there for a later block.
            self._texts.remove(next(text for text in self._texts if _fits(block, text)))
        self._current = block.steps
        thinks = [Think(block.delay)] if block.on == "turn" and block.delay is not None else []
        return [*thinks, *self._done(block.steps, call, first=True), *self._armed(call)]

    def _done(self, steps: tuple[ScriptStep, ...], call: Call, *, first: bool = False) -> Iterator[Step]:
        """Up to a tool call, whose answer later texts may be made of."""
        for at, step in enumerate(steps):
            if step.delay and not (first and at == 0):
                yield Pause(step.delay)
            self._begun.add(step.number)
            yield Tell(step.mark)
            match step.act:
                case Speak(text=text, sound=sound):
                    say = line(self._filled(text), sound(call.format), call.format)
                    heard = 1000 * call.format.seconds(sample_count(say.pcm))
                    self._lengths[step.number] = (heard, say.text)
                    self._note(step, heard_ms=round(heard), heard_text=say.text, share=1.0)
                    yield say
                case AskTool(name=name, arguments=arguments):
                    call_id = f"call_{step.number}"
                    self._after_tool[call_id] = steps[at:]
                    yield CallTool(name, self._filled(arguments), call_id)
                    return
                case acts:
                    for act in acts:
                        yield self._spelled(act)

    def _go_on(self, call_id: str, result: Any, call: Call) -> list[Step]:
        asked, *rest = self._after_tool.pop(call_id)
        self._note(asked, result=result if isinstance(result, str) else json.dumps(result))
        return list(self._done(tuple(rest), call))

    def _spelled(self, act: Step) -> Step:
        match act:
            case Tell(event=Transcribed() as event):
                return Tell(replace(event, text=self._filled(event.text)))
        return act

    def _note(self, step: ScriptStep, **facts: Any) -> None:
        for name in filter(None, (step.name, f"step{step.number}")):
            self._facts.setdefault(name, {}).update(facts)

    def _filled(self, text: str) -> str:
        def known(found: re.Match[str]) -> str:
            return str(self._facts.get(found["name"], {}).get(found["fact"], ""))

        return REFERENCE.sub(known, text)

    # --- what did not come about --------------------------------------------------------------------------

    def _interrupted(self, cue: ReplyInterrupted, call: Call) -> list[Step]:
        left = _marked(cue.left) | {step.number for steps in self._after_tool.values() for step in steps[1:]}
        self._after_tool.clear()
        self._begun -= left
        own = {step.number for step in self._current}
        if cue.heard == 0 and own and own <= left:
            # The user had not finished: the turn that is coming is the one that is meant.
            self._next = min(at for at, block in enumerate(self._blocks) if block.steps == self._current)
            return []
        return [Tell(note) for note in self._cut_short(cue, left)]

    def _cut_short(self, cue: ReplyInterrupted, left: set[int]) -> Iterator[ScriptStepInterrupted]:
        said = [step for step in self._current if step.number not in left and isinstance(step.act, Speak)]
        if not said or cue.line_heard >= cue.line_samples:
            return
        step, share = said[-1], cue.line_heard / cue.line_samples
        length, text = self._lengths[step.number]
        words = text.split()
        heard = " ".join(words[: math.ceil(len(words) * share)])
        self._note(step, heard_ms=round(length * share), heard_text=heard, share=round(share, 3))
        yield ScriptStepInterrupted(step.number, round(length * share, 1), round(share, 4), heard, step.name)

    def _missed(self) -> list[Step]:
        return [
            Tell(ScriptStepMissed(step.number, step.what, step.place, step.name))
            for block in self._blocks
            if not block.optional
            for step in block.steps
            if step.number not in self._begun
        ]


def _alarm(at: int, call: Call, delay: float | None, epoch: str = "") -> SetAlarm:
    return SetAlarm(f"{at}{epoch}", call.position + call.format.samples(delay or 0))


def _fits(block: Block, text: TextCame) -> bool:
    if block.setting not in (None, text.name):
        return False
    said = text.value if isinstance(text.value, str) else json.dumps(text.value)
    return re.search(block.pattern, said) is not None


def _marked(steps: Iterable[Step]) -> set[int]:
    notes = [step.event for step in steps if isinstance(step, Tell)]
    return {note.step for note in notes if isinstance(note, ScriptStepBegan)}
