"""Calls to record: samples that can be told apart, and a recorder with a call's beginning."""

from __future__ import annotations

from array import array
from pathlib import Path

from voxemu.events import Event, Note, Opened
from voxemu.provider import Role
from voxemu.record import CallFacts, Recorder, Recording
from voxemu.wire.workbuddy import Workbuddy

PROVIDER = Workbuddy()
RATE = PROVIDER.format.rate
FRAME = 320
T0 = 1000.0
# No clock begins at nought.


def samples(first: int, count: int) -> bytes:
    """Samples numbered from ``first``, none of them silence."""
    return array("h", [1 + number % 30_000 for number in range(first, first + count)]).tobytes()


def silence(count: int) -> bytes:
    return bytes(2 * count)


class Recorded:
    """A call being recorded: ``at`` shows the recorder events at a time in seconds since it opened."""

    def __init__(self, directory: Path, role: Role = Role.PROVIDER, facts: CallFacts | None = None) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.recorder = Recorder(directory, PROVIDER, role, facts)
        self.at(0.0, Opened())

    def at(self, seconds: float, *events: Event) -> list[Note]:
        return [note for event in events for note in self.recorder.saw(event, T0 + seconds)]

    def settle(self, seconds: float) -> None:
        self.recorder.settle(T0 + seconds)

    def close(self, seconds: float) -> Recording:
        self.recorder.close(T0 + seconds)
        assert self.recorder.failure is None
        return Recording.open(self.directory)

    def text(self) -> str:
        """Everything on disk that can be read as text."""
        return "".join((self.directory / name).read_text() for name in ("timeline.jsonl", "manifest.json"))
