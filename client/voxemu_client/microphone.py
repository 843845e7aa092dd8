"""What the user sends: frames of 20 ms on a grid, each at its time, and the account of what was sent when.

Frame ``n`` is due at ``start + n * ptime``. A slot of the grid holds a frame of what is being said, a frame
of zeros, or nothing, as the silence mode has it. While the line is congested frames wait, and the oldest of
them are dropped beyond a second, as a live microphone's must be. Audio from a real microphone skips the grid:
its own clock paces it.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Literal

from voxemu.audio import SAMPLE_BYTES, AudioFormat, Framer, sample_count
from voxemu.events import (
    Event,
    InputGapped,
    InputStarted,
    MicrophoneDropped,
    TurnEnded,
    TurnStarted,
    UserAudioSent,
)
from voxemu_client.silence import FRAME, Silence
from voxemu_client.speech import Clip, spoken

HELD = 1.0
# Seconds of frames that wait while the line is congested.
NEVER = 2**62
# A sample that no clip has.
STALLED = 0.5
# Seconds without a block from a real microphone that are a gap.


@dataclass(slots=True)
class _Utterance:
    """A clip on its way out; ``start`` and ``end`` are its first spoken sample and one past the last."""

    turn: int
    pcm: bytes
    start: int
    end: int
    at: int = 0
    # Samples of it that have been sent.
    began: int | None = None
    # Position of the first spoken sample, once that was sent.


class Microphone:
    """``rate`` is the sending rate, ``axis`` the call's; ``declared`` the rate that every message says."""

    def __init__(
        self,
        rate: int,
        axis: AudioFormat,
        silence: Silence,
        *,
        live: bool = False,
        declared: int | None = None,
    ) -> None:
        self.rate = rate
        self._axis = axis
        self._silence = silence
        self._live = live
        self._declared = declared
        self._frame = AudioFormat(rate).samples(FRAME)
        self._zeros = bytes(self._frame * SAMPLE_BYTES)
        self._silent = UserAudioSent(self._zeros, declared)
        self._restless = silence.mode == "continuous" and not live
        # Every slot holds a frame.
        self._framer = Framer(self._frame)
        self._start: float | None = None
        # When slot 0 was due; None while the microphone is closed.
        self._origin = 0
        # Its position on the call's axis.
        self._slot = 0
        # The next one to be filled.
        self._laid: int | None = None
        # One past the last slot whose frame was sent; None before the first.
        self._gap: int | None = None
        # The first slot of the gap that is going on.
        self._utterance: _Utterance | None = None
        self._held: deque[tuple[int, bytes]] = deque()
        self._congested = False
        self._lost = 0
        self.sent = 0
        # Samples at the sending rate.
        self.dropped = 0

    # --- open and closed ------------------------------------------------------------

    def open(self, opened: float, now: float) -> None:
        """``opened`` is when the call's axis began."""
        self._start = now
        self._origin = self._axis.samples(now - opened)

    @property
    def is_open(self) -> bool:
        return self._start is not None

    @property
    def speaking(self) -> bool:
        return self._utterance is not None

    @property
    def due(self) -> float | None:
        """When the next slot wants to be looked at."""
        if self._start is None:
            return None
        slot = self._slot if self._restless else self._next_slot()
        return None if slot is None else self._start + slot * self._frame / self.rate

    def _next_slot(self) -> int | None:
        if self._restless:
            return self._slot
        if self._live:
            stalled = math.ceil(STALLED / FRAME)
            return None if self._laid is None or self._gap is not None else self._laid + stalled
        if self.speaking or (self._laid is not None and self._gap is None and not self._held):
            return self._slot
        if self._silence.mode == "keepalive":
            return max(self._slot, self._last_slot() + self._slots(self._silence.every))
        return None

    def _last_slot(self) -> int:
        """Of the newest frame, sent or held; a keepalive comes so long after it."""
        if self._held:
            return self._held[-1][0]
        return -self._slots(self._silence.every) if self._laid is None else self._laid - 1

    def _slots(self, seconds: float) -> int:
        return max(1, round(seconds * self.rate / self._frame))

    def position(self, slot: int) -> int:
        """Of the slot's first sample, on the call's axis."""
        return self._origin + self._on_axis(slot * self._frame)

    def _on_axis(self, samples: int) -> int:
        return round(samples * self._axis.rate / self.rate)

    def close(self, now: float) -> list[Event]:
        """The microphone is switched off: what is still held was never sent, an open gap gets its length."""
        if self._start is None:
            return []
        said = self._break_off(now, "hang_up")
        self._lost += sum(sample_count(frame) for _, frame in self._held)
        self._held.clear()
        said += self._told_loss()
        if self._gap is not None:
            end = self._origin + self._axis.samples(now - self._start)
            gap = self.position(self._gap)
            said.append(InputGapped(gap, max(0, end - gap), open=False))
        self._start = None
        return said

    # --- speaking ------------------------------------------------------------

    def speak(self, clip: Clip, turn: int, now: float) -> None:
        """Says the clip from the next slot on; its last frame is padded with zeros."""
        assert self._start is not None, "the microphone is closed"
        behind = math.ceil((now - self._start) * self.rate / self._frame - 1e-6)
        self._slot = max(self._slot, behind)
        first, last = spoken(clip.pcm) if clip.is_speech else (NEVER, NEVER)
        self._utterance = _Utterance(turn, clip.pcm, first, last)

    def stop_speaking(self, now: float) -> list[Event]:
        """Whatever is being said is broken off."""
        return self._break_off(now, "silence")

    def _break_off(self, now: float, why: Literal["silence", "hang_up"]) -> list[Event]:
        utterance, self._utterance = self._utterance, None
        if utterance is None or utterance.began is None or utterance.at >= utterance.end:
            return []
        return [self._ended(utterance, utterance.began + self._on_axis(utterance.at - utterance.start), why)]

    def _ended(self, utterance: _Utterance, end: int, why: Literal["silence", "hang_up"]) -> TurnEnded:
        assert utterance.began is not None
        seconds = self._axis.seconds(end - utterance.began)
        return TurnEnded(utterance.turn, utterance.began, end, end, seconds, why)

    # --- the grid ------------------------------------------------------------

    def take(self, *, muted: bool) -> list[Event]:
        """Fills the slot that is due. ``muted`` sends zeros for what is being said, which waits."""
        if self._live:
            assert self._laid is not None
            return self._skip(self._laid)
        slot = self._slot if self._restless else self._next_slot()
        assert slot is not None
        self._slot = slot + 1
        if self._utterance is not None and not muted:
            frame, notes = self._say(slot)
            return [*notes, *self._post(slot, frame)] if notes else self._post(slot, frame)
        if self._restless or self._wants_life(slot):
            return self._post(slot, self._zeros)
        return self._skip(slot)

    def _wants_life(self, slot: int) -> bool:
        """Whether a keepalive is due."""
        if self._silence.mode != "keepalive":
            return False
        return slot >= self._last_slot() + self._slots(self._silence.every)

    def _say(self, slot: int) -> tuple[bytes, list[Event]]:
        """The next frame of the utterance, and what is to be said of the turn with it."""
        utterance = self._utterance
        assert utterance is not None
        first, last = utterance.at, utterance.at + self._frame
        utterance.at = last
        notes: list[Event] = []
        if utterance.began is None and utterance.start < last:
            utterance.began = self.position(slot) + self._on_axis(utterance.start - first)
            notes.append(TurnStarted(utterance.turn, utterance.began, utterance.began))
        if first < utterance.end <= last:
            end = self.position(slot) + self._on_axis(utterance.end - first)
            notes.append(self._ended(utterance, end, "silence"))
        if last * SAMPLE_BYTES >= len(utterance.pcm):
            self._utterance = None
        frame = utterance.pcm[first * SAMPLE_BYTES : last * SAMPLE_BYTES]
        return frame.ljust(len(self._zeros), b"\0"), notes

    def capture(self, pcm: bytes, now: float, *, muted: bool) -> list[Event]:
        """A block from a real microphone, at the sending rate; ``muted`` sends zeros for it."""
        if self._start is None:
            return []
        here = math.floor((now - self._start) * self.rate / self._frame + 1e-6)
        said: list[Event] = []
        for frame in self._framer.push(bytes(len(pcm)) if muted else pcm):
            expected = (self._held[-1][0] + 1) if self._held else self._laid
            stalled = expected is None or self._gap is not None or here - expected >= STALLED / FRAME
            slot = max(here, expected or 0) if stalled or expected is None else expected
            said += self._post(slot, frame)
        return said

    # --- the line ------------------------------------------------------------

    def congest(self) -> None:
        self._congested = True

    def clear(self) -> list[Event]:
        """The line takes messages again: what waited goes out."""
        self._congested = False
        said = self._told_loss()
        held, self._held = self._held, deque()
        for slot, frame in held:
            said += self._post(slot, frame)
        return said

    def _told_loss(self) -> list[Event]:
        lost, self._lost = self._lost, 0
        self.dropped += lost
        return [MicrophoneDropped(lost)] if lost else []

    def _post(self, slot: int, frame: bytes) -> list[Event]:
        if self._congested:
            return self._hold(slot, frame)
        # Nearly every frame lies behind the last one.
        said = [] if slot == self._laid and self._gap is None else self._lay(slot)
        self._laid = slot + 1
        self.sent += self._frame
        said.append(self._silent if frame is self._zeros else UserAudioSent(frame, self._declared))
        return said

    def _hold(self, slot: int, frame: bytes) -> list[Event]:
        self._held.append((slot, frame))
        if len(self._held) > HELD / FRAME:
            self._lost += sample_count(self._held.popleft()[1])
        return []

    def _lay(self, slot: int) -> list[Event]:
        """What is to be said of the place of this slot before its frame goes out."""
        here = self.position(slot)
        if self._laid is None:
            return [InputStarted(here)]
        if self._gap is not None:
            gap, self._gap = self.position(self._gap), None
            return [InputGapped(gap, here - gap, open=False)]
        if slot > self._laid:
            gap = self.position(self._laid)
            return [InputGapped(gap, here - gap, open=True), InputGapped(gap, here - gap, open=False)]
        return []

    def _skip(self, slot: int) -> list[Event]:
        """Nothing goes out in this slot; the first such one opens a gap."""
        if self._laid is None or self._gap is not None or self._held:
            return []
        self._gap = self._laid
        here, gap = self.position(slot), self.position(self._laid)
        return [InputGapped(gap, max(0, here - gap), open=True)]
