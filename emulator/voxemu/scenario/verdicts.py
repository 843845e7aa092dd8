"""What became of each expectation, judged by the moments of a call and nothing else.

So a call is judged alike at either end and on every clock, also from what another process saw of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from voxemu.scenario.format import Counted, Expectation, HeardOf, Matches, NoReply, StopsWithin, Within
from voxemu.scenario.moments import AGENT_STARTED, Moment

Outcome = Literal["met", "failed", "no_barge_in", "never_began"]

HAIR = 1e-6
# Seconds: a sample position and a clock's time of the same moment differ by less.


@dataclass(frozen=True, slots=True)
class Verdict:
    """``wanted`` and ``seen`` are for people; ``place`` is file:line."""

    outcome: Outcome
    wanted: str
    seen: str
    place: str = ""

    @property
    def met(self) -> bool:
        return self.outcome == "met"


def judge(expectation: Expectation, moments: Iterable[Moment], place: str = "") -> Verdict:
    """``moments`` in any order."""
    call = _Call(sorted(moments, key=lambda moment: moment.at))
    outcome, seen = _judged(expectation, call)
    return Verdict(outcome, wanted(expectation), seen, place)


def wanted(expectation: Expectation) -> str:
    """The expectation as a sentence."""
    match expectation:
        case Within():
            after = _which(expectation.after, expectation.nth)
            return f"{expectation.event} within {expectation.within_ms:g} ms of {after}"
        case NoReply():
            return (
                f"no reply for {expectation.no_reply:g} s after {_which(expectation.after, expectation.nth)}"
            )
        case StopsWithin():
            which = _which("barge_in", expectation.nth)
            return f"the agent stops within {expectation.stops_within_ms:g} ms of {which}"
        case Matches():
            who = "a line" if expectation.speaker == "any" else f"the {expectation.speaker}'s line"
            number = f" {expectation.nth}" if expectation.nth else ""
            return f"{who}{number} matches /{expectation.matches}/"
        case HeardOf():
            return _heard_wanted(expectation)
        case Counted():
            return f"{_how_many(expectation)} of {expectation.event}"


def _which(name: str, nth: int | None) -> str:
    return f"{name} {nth}" if nth else name if name == "connected" else f"every {name}"


def _how_many(counted: Counted) -> str:
    parts = [
        f"{words}{number}"
        for words, number in (
            ("", counted.count),
            ("at least ", counted.at_least),
            ("at most ", counted.at_most),
        )
        if number is not None
    ]
    return ", ".join(parts)


class _Call:
    def __init__(self, moments: Sequence[Moment]) -> None:
        self._moments = moments

    @property
    def over(self) -> float:
        return self._moments[-1].at if self._moments else 0.0

    def all(self, name: str, nth: int | None = None) -> list[Moment]:
        found = [moment for moment in self._moments if moment.name == name]
        return found if nth is None else found[nth - 1 : nth]

    def next(self, name: str, after: float) -> Moment | None:
        return next((moment for moment in self.all(name) if moment.at >= after - HAIR), None)


def _judged(expectation: Expectation, call: _Call) -> tuple[Outcome, str]:
    match expectation:
        case Within():
            return _within(expectation, call)
        case NoReply():
            return _no_reply(expectation, call)
        case StopsWithin():
            return _stops(expectation, call)
        case Matches():
            return _matches(expectation, call)
        case HeardOf():
            return _heard_of(expectation, call)
        case Counted():
            return _counted(expectation, call)


def _within(expected: Within, call: _Call) -> tuple[Outcome, str]:
    anchors = call.all(expected.after, expected.nth)
    if not anchors:
        return "failed", _never(expected.after, expected.nth, call)
    waits = [
        None if (found := call.next(expected.event, anchor.at)) is None else 1000 * (found.at - anchor.at)
        for anchor in anchors
    ]
    seen = ", ".join("never" if wait is None else f"{wait:.0f} ms" for wait in waits)
    late = any(wait is None or wait > expected.within_ms + HAIR for wait in waits)
    return ("failed" if late else "met"), seen


def _no_reply(expected: NoReply, call: _Call) -> tuple[Outcome, str]:
    anchors = call.all(expected.after, expected.nth)
    if not anchors:
        return "failed", _never(expected.after, expected.nth, call)
    for anchor in anchors:
        reply = call.next(AGENT_STARTED, anchor.at)
        if reply is not None and reply.at - anchor.at < expected.no_reply:
            return "failed", f"a reply after {reply.at - anchor.at:.2f} s"
        if call.over - anchor.at < expected.no_reply - HAIR:
            return "failed", f"the call was over after {call.over - anchor.at:.2f} s"
    return "met", "none"


def _stops(expected: StopsWithin, call: _Call) -> tuple[Outcome, str]:
    stops = [moment.seconds for moment in call.all("barge_in", expected.nth) if moment.seconds is not None]
    if not stops:
        return "no_barge_in", "barge-in did not happen"
    late = any(1000 * stop > expected.stops_within_ms + HAIR for stop in stops)
    return ("failed" if late else "met"), ", ".join(f"{1000 * stop:.0f} ms" for stop in stops)


def _matches(expected: Matches, call: _Call) -> tuple[Outcome, str]:
    name = "transcript" if expected.speaker == "any" else f"{expected.speaker}_transcript"
    lines = call.all(name, expected.nth)
    if not lines:
        return "failed", _never(name, expected.nth, call)
    found = next((line for line in lines if re.search(expected.matches, line.text)), None)
    return ("failed", _quoted(lines)) if found is None else ("met", repr(found.text))


def _counted(expected: Counted, call: _Call) -> tuple[Outcome, str]:
    number = len(call.all(expected.event))
    wrong = (
        (expected.count is not None and number != expected.count)
        or (expected.at_least is not None and number < expected.at_least)
        or (expected.at_most is not None and number > expected.at_most)
    )
    saw = "there was 1" if number == 1 else f"there were {number or 'none'}"
    return ("failed" if wrong else "met"), saw


def _heard_wanted(expected: HeardOf) -> str:
    parts = [
        text
        for text, said in (
            (f"at least {expected.at_least_ms or 0:g} ms", expected.at_least_ms is not None),
            (f"at most {expected.at_most_ms or 0:g} ms", expected.at_most_ms is not None),
            (
                "an interruption" if expected.interrupted else "no interruption",
                expected.interrupted is not None,
            ),
        )
        if said
    ]
    return f"{expected.heard_of}: {', '.join(parts)}"


def _heard_of(expected: HeardOf, call: _Call) -> tuple[Outcome, str]:
    def of(name: str) -> list[Moment]:
        wanted = expected.heard_of
        return [each for each in call.all(name) if wanted in (each.text, f"step{each.step}")]

    if not of("step_began"):
        return "failed", "it was never begun"
    cut = of("step_interrupted")
    if not cut:
        met = not expected.interrupted and expected.at_most_ms is None
        return ("met" if met else "failed"), "it was not interrupted"
    heard = 1000 * (cut[-1].seconds or 0.0)
    wrong = (
        expected.interrupted is False
        or (expected.at_least_ms is not None and heard < expected.at_least_ms - HAIR)
        or (expected.at_most_ms is not None and heard > expected.at_most_ms + HAIR)
    )
    return ("failed" if wrong else "met"), f"{heard:.0f} ms were heard"


def _never(name: str, nth: int | None, call: _Call) -> str:
    number = len(call.all(name))
    return f"there was no {name}" if not number else f"there were {number} of {name}, no number {nth}"


def _quoted(lines: Sequence[Moment]) -> str:
    shown = [repr(line.text) for line in lines[:5]]
    return ", ".join(shown) + (f" and {len(lines) - 5} more" if len(lines) > 5 else "")
