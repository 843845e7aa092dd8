"""What the server says on stdout while it runs: lines for people, or JSON lines for programs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from io import StringIO
from typing import Any, Protocol

from voxemu.events import (
    AgentFailed,
    BargedIn,
    Closed,
    ErrorReported,
    Event,
    FaultInjected,
    FindingMade,
    LimitReached,
    RecordingFailed,
    ScriptStepBegan,
    ScriptStepInterrupted,
    ScriptStepMissed,
    TurnEnded,
    Unrecognised,
)
from voxemu.fault import Fault
from voxemu.server.printing import missing
from voxemu.server.registry import Record

CLOSE_NAMES = {1000: "normal", 1001: "going away", 1005: "no status", 1006: "the connection broke"}


class Out(Protocol):
    def write(self, text: str, /) -> object:
        """Holds nobody up."""


class News:
    """``out`` gets it, a line at a time."""

    def __init__(self, out: Out, *, as_json: bool, wall: Callable[[], float] = time.time) -> None:
        self._out = out
        self._wall = wall
        self.as_json = as_json

    def listening(self, report: dict[str, Any], banner: str) -> None:
        self._write(_json(report) if self.as_json else banner)

    def opened(self, record: Record) -> None:
        admission = record.admission
        if self.as_json:
            self._write(_json({**_place(record), "type": "session_opened", "agent": admission.agent}))
        else:
            owner = f", key {admission.key.label}" if admission.key.label else ""
            self._line(record, f"session opened, agent {admission.agent}{owner}")

    def event(self, record: Record, event: Event, said: dict[str, Any] | None) -> None:
        if said is None:
            return
        if self.as_json:
            self._write(_json({**_place(record), **said}))
        elif (line := telling(event)) is not None:
            self._line(record, line)

    def ended(self, record: Record) -> None:
        """The session is over and its recording complete; the line about its close was said before."""

    def turned_away(self, provider: str, what: str, status: int, text: str) -> None:
        """Somebody was refused before there was a session."""
        if self.as_json:
            self._write(
                _json(
                    {
                        "type": "turned_away",
                        "provider": provider,
                        "what": what,
                        "status": status,
                        "text": text,
                    }
                )
            )
        else:
            self._write(
                f"{self._clock()}  {provider:<12} {'-':<8}  {what} turned away: {status} {printable(text)}"
            )

    def remark(self, text: str) -> None:
        self._write(
            _json({"type": "remark", "text": text}) if self.as_json else f"{self._clock()}  {printable(text)}"
        )

    def struck(self, provider: str, faults: Iterable[Fault]) -> None:
        """What went wrong on purpose before there was a session."""
        for fault in faults:
            self.remark(f"fault at a start of {provider}: {fault}")

    def limit_reached(self, limit: str, value: float, text: str, times: int) -> None:
        """A limit of the server as a whole; ``times`` since it was last told."""
        if self.as_json:
            said = {"type": "limit_reached", "limit": limit, "value": value, "text": text, "times": times}
            self._write(_json(said))
        else:
            often = f" ({times} times)" if times > 1 else ""
            self.remark(f"limit reached: {limit} {value:g}, {text}{often}")

    def _line(self, record: Record, text: str) -> None:
        self._write(f"{self._clock()}  {record.admission.provider:<12} {record.short_id}  {printable(text)}")

    def _clock(self) -> str:
        return time.strftime("%H:%M:%S", time.localtime(self._wall()))

    def _write(self, line: str) -> None:
        self._out.write(line + "\n")


class Silence(News):
    """For a server that somebody else's output must not be mixed with."""

    def __init__(self) -> None:
        super().__init__(StringIO(), as_json=False)

    def _write(self, line: str) -> None:
        return


def telling(event: Event) -> str | None:
    """The line for people about this event; None for those that only a program wants."""
    match event:
        case TurnEnded(seconds=seconds, why=why):
            return f"user turn {seconds:.2f} s" + ("" if why == "silence" else f" ({why.replace('_', ' ')})")
        case BargedIn(after=after, stop=stop):
            return f"barge-in after {after * 1000:.0f} ms of the reply, stopped in {stop * 1000:.0f} ms"
        case Closed(code=code, reason=reason, by=by):
            name = CLOSE_NAMES.get(code, "")
            words = [f"closed {code}", f"({name})" if name else "", "by us" if by == "provider" else ""]
            return ": ".join(part for part in (" ".join(filter(None, words)), reason) if part)
        case ScriptStepBegan(step=step, what=what):
            return f"script step {step} {what}"
        case ScriptStepInterrupted(step=step, heard=heard):
            return f"script step {step} was interrupted after {heard:.0f} ms"
        case ScriptStepMissed(step=step, what=what, place=place):
            return f"script step {step} {what}: NEVER BEGAN [{place}]"
        case FindingMade(code=code, rule=rule, seen=seen):
            return f"finding {code}: {seen} ({rule} `emu explain {code}`)"
        case AgentFailed(error=error):
            return f"the agent failed: {error}"
        case ErrorReported(message=message):
            return f"error sent: {message}"
        case Unrecognised(problem=problem):
            return f"unreadable message ({problem})"
        case FaultInjected(kind=kind, detail=detail):
            return f"fault {kind} {detail}".rstrip()
        case LimitReached(limit=limit, value=value):
            return f"limit reached: {limit} {value:g}"
        case RecordingFailed(text=text):
            return f"RECORDING FAILED, the call goes on: {text}"
    return None


def lost(count: int, *, as_json: bool) -> str:
    """In place of lines that nobody took."""
    text = missing(count)
    return (_json({"type": "lines_lost", "lines": count, "text": text}) if as_json else f"emu: {text}") + "\n"


def printable(text: str) -> str:
    """What strangers send must not move the cursor."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def _place(record: Record) -> dict[str, Any]:
    return {"session": record.id, "provider": record.admission.provider}


def _json(said: dict[str, Any]) -> str:
    return json.dumps(said, separators=(",", ":"), default=str)
