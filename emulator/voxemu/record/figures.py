"""The figures of a call: turns, how soon the agent answered, barge-ins, gaps, findings."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from voxemu.audio import AudioFormat
from voxemu.events import (
    BargedIn,
    Event,
    FindingMade,
    InputGapped,
    InputStarted,
    MicrophoneDropped,
    PlaybackUnderran,
    TurnDiscarded,
    TurnEnded,
    TurnStarted,
)


@dataclass(slots=True)
class Figures:
    """Gathers figures from the events of a call; positions and lengths in samples, times in seconds."""

    format: AudioFormat
    turns: list[dict[str, Any]] = field(default_factory=list)
    barge_ins: list[dict[str, Any]] = field(default_factory=list)
    gaps: list[tuple[int, int]] = field(default_factory=list)
    # Position and samples of each.
    findings: Counter[str] = field(default_factory=Counter)
    microphone_dropped: int = 0
    underruns: int = 0
    underrun_samples: int = 0
    open_gap: int | None = None
    # The position of the gap that is going on.
    open_turn: TurnStarted | None = None
    _unanswered: dict[str, Any] | None = None
    # The turn whose reply has not sounded yet.

    def saw(self, event: Event) -> None:
        match event:
            case TurnStarted():
                self.open_turn = event
            case TurnDiscarded():
                self.open_turn = None
            case TurnEnded():
                self._end_turn(event)
            case BargedIn():
                self._barge_in(event)
            case InputGapped():
                self._gap(event)
            case InputStarted(position=position) if self.open_gap is not None:
                self._gap(InputGapped(self.open_gap, position - self.open_gap, open=False))
            case FindingMade(code=code):
                self.findings[code] += 1
            case MicrophoneDropped(samples=samples):
                self.microphone_dropped += samples
            case PlaybackUnderran(samples=samples):
                self.underruns += 1
                self.underrun_samples += samples

    def sounded(self, position: int) -> None:
        """The agent is heard from this position on: the answer to the last turn, if it had none yet."""
        turn = self._unanswered
        if turn is not None and turn["reply"] is None and position >= turn["end"]:
            latency = self.format.seconds(position - turn["end"])
            turn["reply"] = {"position": position, "latency": round(latency, 4)}

    def flushed(self, position: int) -> None:
        """Agent audio from this position on never sounded; an answer that began there was none."""
        turn = self._unanswered
        if turn is not None and turn["reply"] is not None and turn["reply"]["position"] >= position:
            turn["reply"] = None

    def _end_turn(self, ended: TurnEnded) -> None:
        self.open_turn = None
        turn = {
            "turn": ended.turn,
            "start": ended.start,
            "end": ended.end,
            "seconds": round(ended.seconds, 4),
            "why": ended.why,
            "reply": None,
        }
        self.turns.append(turn)
        self._unanswered = turn

    def _barge_in(self, barge: BargedIn) -> None:
        self.barge_ins.append(
            {
                "generation": barge.generation,
                "onset": barge.onset,
                "position": barge.position,
                "stop": round(barge.stop, 4),
                "after": round(barge.after, 4),
                "heard": barge.heard,
                "dropped": barge.dropped,
            }
        )

    def _gap(self, gap: InputGapped) -> None:
        if gap.open:
            self.open_gap = gap.position
            return
        self.open_gap = None
        if self.gaps and self.gaps[-1][0] == gap.position:
            # Said again, with more of it.
            self.gaps.pop()
        self.gaps.append((gap.position, gap.samples))
