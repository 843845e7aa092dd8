"""The contract of one end of a call, and of whoever watches it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from voxemu.events import Event, Note


class Engine(Protocol):
    """One end of a call: no I/O, no clock and no dice of its own.

    Laws (tests/test_engine_laws.py holds every engine to them): ``now``, in seconds on any monotonic
    scale, never goes back; ``advance`` before the deadline answers []; after ``advance(now)`` the deadline
    is None or later than now; the same inputs give the same outputs. The first event is ``Opened``; after
    answering ``Closed``, or being given it, an engine is over and answers [] for ever.
    """

    @property
    def deadline(self) -> float | None:
        """When advance() is due; None when only an event can change anything."""
        ...

    def receive(self, event: Event, now: float) -> list[Event]: ...

    def advance(self, now: float) -> list[Event]: ...


class Tap(Protocol):
    """Sees every event of one end, in order, and may remark on it."""

    def saw(self, event: Event, now: float) -> Iterable[Note]: ...


Saw = Callable[[Event, float], Iterable[Note]]
"""A tap's ``saw``."""


class Tapped:
    """An engine with taps on its line.

    Each tap is shown what goes in before the engine acts on it and what comes out after; its remarks are
    shown to the taps behind it, so a linter stands before the recorder that writes its findings down.
    """

    def __init__(self, engine: Engine, taps: Sequence[Tap]) -> None:
        self._engine = engine
        self._taps: Sequence[Saw] = [tap.saw for tap in taps]

    @property
    def deadline(self) -> float | None:
        return self._engine.deadline

    def receive(self, event: Event, now: float) -> list[Event]:
        self._show(event, now, self._taps)
        said = self._engine.receive(event, now)
        for each in said:
            self._show(each, now, self._taps)
        return said

    def advance(self, now: float) -> list[Event]:
        said = self._engine.advance(now)
        for each in said:
            self._show(each, now, self._taps)
        return said

    def show(self, event: Event, now: float) -> None:
        """Of an event that does not go through the engine."""
        self._show(event, now, self._taps)

    def _show(self, event: Event, now: float, taps: Sequence[Saw]) -> None:
        remarks: list[tuple[Note, int]] = []
        for behind, saw in enumerate(taps, start=1):
            for remark in saw(event, now):
                remarks.append((remark, behind))  # noqa: PERF401  there hardly ever is one
        for remark, behind in remarks:
            self._show(remark, now, taps[behind:])
