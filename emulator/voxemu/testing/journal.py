"""What one emulator saw: written in the server's thread, read and waited for in the test's."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from io import StringIO
from typing import Any, TypeVar

from voxemu.events import AgentFailed, Event, FindingMade, SpeakingStarted, Transcribed
from voxemu.scenario.moments import Moment, moments_in
from voxemu.server.news import News, printable, telling
from voxemu.server.registry import Record
from voxemu.testing.events import SeenEvent
from voxemu.wire import PROVIDERS

T = TypeVar("T")


class Witnessed:
    """One session: its record, which is the server's, and what was seen so far, which only grows."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.seen: list[SeenEvent] = []
        self.moments: list[Moment] = []
        # The same, by the names that scenarios have for them.
        self.over = False
        # Closed, and its recording complete.


class Journal(News):
    """``errors`` is where agents that failed are told of, beside what the server logs."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__(StringIO(), as_json=True)
        self._errors = errors
        self.sessions: list[Witnessed] = []
        # In the order in which they opened.
        self.turned_away_ones: list[str] = []
        self.remarks: list[str] = []
        self._by_id: dict[str, Witnessed] = {}
        self._lock = threading.Lock()
        self._waiting: list[tuple[Callable[[], object], Future[Any]]] = []

    # --- the server's thread ----------------------------------------------------------------------------

    def opened(self, record: Record) -> None:
        witnessed = Witnessed(record)
        self._by_id[record.id] = witnessed
        self.sessions.append(witnessed)
        self._look()

    def event(self, record: Record, event: Event, said: dict[str, Any] | None) -> None:
        if said is None or record.id not in self._by_id:
            return
        fields = {name: value for name, value in said.items() if name not in ("t", "type")}
        if isinstance(event, AgentFailed):
            self._errors.append(f"the agent failed: {event.trace}")
        line = line_about(event)
        seen = SeenEvent(said["t"] / 1000, said["type"], fields, line and printable(line))
        witnessed = self._by_id[record.id]
        witnessed.seen.append(seen)
        since = record.clock.now() - record.opened
        axis = PROVIDERS[record.admission.provider].format
        witnessed.moments += moments_in(event, since, axis)
        self._look()

    def ended(self, record: Record) -> None:
        if record.id in self._by_id:
            self._by_id[record.id].over = True
            self._look()

    def turned_away(self, provider: str, what: str, status: int, text: str) -> None:
        self.turned_away_ones.append(f"{provider}: {what} turned away: {status} {printable(text)}")
        self._look()

    def remark(self, text: str) -> None:
        self.remarks.append(printable(text))
        self._look()

    def forget(self, label: str | None) -> None:
        """The sessions of one label, or all, and who was turned away."""
        self.sessions = [each for each in self.sessions if label not in (None, each.record.label)]
        if label is None:
            self.turned_away_ones.clear()
            self.remarks.clear()

    def _look(self) -> None:
        with self._lock:
            for condition, future in list(self._waiting):
                _try(condition, future)
            self._waiting = [each for each in self._waiting if not each[1].done()]

    # --- anybody's --------------------------------------------------------------------------------------

    def when(self, condition: Callable[[], T | None]) -> Future[T]:
        """Done with what ``condition`` answers as soon as that is not None; it is asked after every event."""
        future: Future[T] = Future()
        # Not to be cancelled: whoever gave up waiting must not trip the server's thread.
        future.set_running_or_notify_cancel()
        with self._lock:
            _try(condition, future)
            if not future.done():
                self._waiting.append((condition, future))
        return future

    def give_up(self, future: Future[Any]) -> None:
        """Nobody waits for it any more, so nothing is found for it."""
        with self._lock:
            self._waiting = [each for each in self._waiting if each[1] is not future]


def _try(condition: Callable[[], object], future: Future[Any]) -> None:
    if future.done():
        return
    try:
        found = condition()
    except Exception as error:  # whoever waits is told
        future.set_exception(error)
        return
    if found is not None:
        future.set_result(found)


def line_about(event: Event) -> str | None:
    """The line for people: as the server's own, with what is said and when the agent begins to speak."""
    match event:
        case SpeakingStarted():
            return "the agent speaks"
        case Transcribed(speaker=speaker, text=text, final=True):
            return f"{speaker}: {text}"
        case FindingMade(code=code, seen=seen):
            return f"finding {code}: {seen}"
    return telling(event)
