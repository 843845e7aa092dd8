"""From the user's samples to turns: pre-roll, endpointing, shortest and longest utterance.

The detector says where speech begins and ends; this keeps the audio that a turn is made of, and no more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from voxemu.agent import UserTurn
from voxemu.audio import SAMPLE_BYTES, AudioFormat, sample_count
from voxemu.dialogue.echo_guard import EchoGuard
from voxemu.dialogue.settings import DialogueSettings
from voxemu.dialogue.vad import Detector, SpeechEnded, SpeechStarted

NEVER = 1 << 62
# A position that no call reaches.
Why = Literal["silence", "input_gap", "limit", "hang_up"]


@dataclass(frozen=True, slots=True)
class Onset:
    """Speech confirmed; positions as in SpeechStarted."""

    start: int
    confirmed: int


@dataclass(frozen=True, slots=True)
class Utterance:
    turn: UserTurn
    confirmed: int
    why: Why


@dataclass(frozen=True, slots=True)
class Noise:
    """Sound too short to be a turn."""

    start: int
    end: int


Heard = Onset | Utterance | Noise


class Turns:
    def __init__(
        self, format: AudioFormat, settings: DialogueSettings, guard: EchoGuard | None, position: int = 0
    ) -> None:
        self._rate = format.rate
        self._detector = Detector(format.rate, settings.detection, guard, position)
        self._preroll = format.samples(settings.pre_roll)
        self._shortest = format.samples(settings.min_utterance)
        self._longest = format.samples(settings.max_utterance)
        # Unconfirmed speech must still be there when it is confirmed: it may dip in every other window.
        self._keep = self._preroll + format.samples(2 * settings.start_confirm + 4 * settings.window)
        self._piece = format.samples(0.1)
        # Audio is heard in pieces far shorter than any turn, so that an onset is known before its limit.
        self._most = (self._keep + self._piece) * SAMPLE_BYTES
        self._pcm = bytearray()
        self._first = position
        # Position of the first sample in _pcm.
        self.position = position
        # Of the next sample.
        self.onset: int | None = None
        # First spoken sample of the open turn.
        self._limit = NEVER
        # Where that reaches its longest.
        self._count = 0

    @property
    def spoken(self) -> int:
        """Samples from the open turn's onset to its last loud one."""
        return 0 if self.onset is None else self._detector.loud_to - self.onset

    @property
    def echoed(self) -> int:
        """Samples of the agent's own voice that came back through the microphone."""
        return self._detector.echoed

    @property
    def number(self) -> int:
        """Of the open turn, or of the next."""
        return self._count + 1

    def hear(self, pcm: bytes) -> list[Heard]:
        samples = len(pcm) // SAMPLE_BYTES
        if samples <= self._piece and self.position + samples <= self._limit:
            return self._hear(pcm, samples)
        heard: list[Heard] = []
        at = 0
        while at < samples:
            # Up to the longest utterance's end and no further, so that the limit counts samples, not chunks.
            end = at + min(self._piece, self._limit - self.position, samples - at)
            heard += self._hear(pcm[at * SAMPLE_BYTES : end * SAMPLE_BYTES], end - at)
            at = end
        return heard

    def _hear(self, pcm: bytes, samples: int) -> list[Heard]:
        self._pcm += pcm
        self.position += samples
        heard: list[Heard] = []
        for found in self._detector.feed(pcm):
            heard.append(  # noqa: PERF401  there hardly ever is one
                self._began(found) if isinstance(found, SpeechStarted) else self._ended(found, "silence")
            )
        if self.position >= self._limit:
            heard += self._cut(self.position, "limit")
        if self.onset is None and len(self._pcm) > self._most:
            # Not with every frame: deleting from the front costs more than a frame is worth.
            self._drop(self.position - self._keep)
        return heard

    def break_off(self, position: int, why: Why) -> list[Heard]:
        """The stream breaks here: an open turn ends, and nothing is joined across. The next sample is at
        ``position``."""
        heard = self._cut(position, why)
        self._pcm.clear()
        self._first = self.position = position
        return heard

    def _cut(self, position: int, why: Why) -> list[Heard]:
        ended = self._detector.cut(position)
        return [] if ended is None else [self._ended(ended, why)]

    def _began(self, speech: SpeechStarted) -> Onset:
        self.onset = speech.start
        self._limit = speech.start + self._longest
        return Onset(speech.start, speech.confirmed)

    def _ended(self, speech: SpeechEnded, why: Why) -> Heard:
        self.onset, self._limit = None, NEVER
        first = max(self._first, speech.start - self._preroll)
        pcm = self._between(first, speech.confirmed)
        # What was spoken once is no pre-roll of the next turn.
        self._drop(speech.end)
        if speech.end - speech.start < self._shortest:
            return Noise(speech.start, speech.end)
        self._count += 1
        turn = UserTurn(self._count, pcm, self._rate, speech.start, speech.end, first)
        return Utterance(turn, speech.confirmed, why)

    def _between(self, first: int, end: int) -> bytes:
        begins, ends = (first - self._first) * SAMPLE_BYTES, (end - self._first) * SAMPLE_BYTES
        return bytes(memoryview(self._pcm)[begins:ends])

    def _drop(self, position: int) -> None:
        gone = min(max(0, position - self._first), sample_count(self._pcm))
        del self._pcm[: gone * SAMPLE_BYTES]
        self._first += gone
