"""What a scripted agent did and did not come to, off the notes of the provider's end."""

from __future__ import annotations

from collections.abc import Iterable

from voxemu.audio import AudioFormat
from voxemu.events import (
    Event,
    FaultInjected,
    Note,
    Opened,
    ScriptStepBegan,
    ScriptStepInterrupted,
    ScriptStepMissed,
)
from voxemu.scenario.moments import Moment, moments_in
from voxemu.scenario.verdicts import Verdict


class ScriptWatch:
    """A tap of the provider's end."""

    def __init__(self, axis: AudioFormat) -> None:
        self._axis = axis
        self._opened = 0.0
        self._missed: list[ScriptStepMissed] = []
        self.moments: list[Moment] = []
        self.begun: list[tuple[float, ScriptStepBegan]] = []
        # Seconds since the connection opened.
        self.faults: list[tuple[float, FaultInjected]] = []

    def saw(self, event: Event, now: float) -> Iterable[Note]:
        match event:
            case Opened():
                self._opened = now
            case ScriptStepBegan() | ScriptStepInterrupted():
                if isinstance(event, ScriptStepBegan):
                    self.begun.append((now - self._opened, event))
                self.moments += moments_in(event, now - self._opened, self._axis)
            case FaultInjected():
                self.faults.append((now - self._opened, event))
            case ScriptStepMissed():
                self._missed.append(event)
        return ()

    def verdicts(self) -> list[Verdict]:
        return [missed(each) for each in self._missed]


def missed(note: ScriptStepMissed) -> Verdict:
    """That every step is reached is expected without being written."""
    wanted = f"the agent's step {note.step} {note.what}"
    return Verdict("never_began", wanted, "never began: the call was over", note.place)
