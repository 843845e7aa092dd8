from __future__ import annotations

from collections.abc import Iterable

from voxemu.engine import Tapped
from voxemu.events import Event, FindingMade, Note, Opened, SessionStarted

FINDING = FindingMade("F-X", "", "", "")


class Fixed:
    deadline = 7.0

    def receive(self, event: Event, now: float) -> list[Event]:
        return [SessionStarted("s")]

    def advance(self, now: float) -> list[Event]:
        return [SessionStarted("t")]


class Seen:
    def __init__(self, remark: Note | None = None) -> None:
        self.events: list[Event] = []
        self.remark = remark

    def saw(self, event: Event, now: float) -> Iterable[Note]:
        self.events.append(event)
        return [self.remark] if self.remark and isinstance(event, Opened) else []


def test_a_tap_sees_what_goes_in_before_what_comes_out() -> None:
    tap = Seen()
    engine = Tapped(Fixed(), [tap])
    assert engine.receive(Opened(), 1.0) == [SessionStarted("s")]
    assert engine.advance(7.0) == [SessionStarted("t")]
    assert tap.events == [Opened(), SessionStarted("s"), SessionStarted("t")]
    assert engine.deadline == 7.0


def test_a_remark_is_shown_to_the_taps_behind_and_never_sent() -> None:
    before, linter, recorder = Seen(), Seen(FINDING), Seen()
    engine = Tapped(Fixed(), [before, linter, recorder])
    assert FINDING not in engine.receive(Opened(), 1.0)
    assert FINDING not in before.events + linter.events
    assert recorder.events == [Opened(), FINDING, SessionStarted("s")]
