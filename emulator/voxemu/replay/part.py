"""The agent's part in a recorded call: what it did after each turn of the user's, and when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from voxemu.audio import SAMPLE_BYTES, AudioFormat, sample_count
from voxemu.events import ErrorReported, Transcribed, Viseme
from voxemu.record import Line, Recording
from voxemu.replay.recorded_turns import RecordedTurn

GAP = 0.1
# Seconds without audio that are a pause, and no jitter.
REPLY_GAP = 0.5
# The same between two replies, where the wire does not tell them apart.
PADDING = 1.0
# Seconds of silence behind what was cut off: nobody knows how it would have gone on.
OUR_OWN = ("INVALID_MESSAGE", "INVALID_SETTING")
# Errors that answer what a client sent: they come again when it is sent again.


@dataclass(slots=True)
class Sound:
    """Agent audio that was sent without a pause."""

    pcm: bytes
    visemes: tuple[Viseme, ...] = ()
    text: str = ""
    # The line that was told right before it.


@dataclass(frozen=True, slots=True)
class ToolAsked:
    name: str
    arguments: str
    call_id: str


@dataclass(frozen=True, slots=True)
class ToolGiven:
    call_id: str


@dataclass(frozen=True, slots=True)
class Thought:
    """The agent was said to think in the middle of a reply."""


Deed = Sound | Transcribed | ErrorReported | ToolAsked | ToolGiven | Thought


@dataclass(slots=True)
class Reply:
    """``deeds`` with the recorded position of each; ``thinks`` where the agent was said to think."""

    thinks: int | None = None
    deeds: list[tuple[int, Deed]] = field(default_factory=list)
    interrupted: bool = False
    last_words: list[Transcribed] = field(default_factory=list)
    # What the transcript said of it after that.

    @property
    def begins(self) -> int:
        first = self.deeds[0][0]
        return first if self.thinks is None else min(first, self.thinks)


@dataclass(slots=True)
class Exchange:
    """What followed one turn of the user's, or the start of the call (``turn`` is None)."""

    turn: RecordedTurn | None
    user_text: str | None = None
    # The turn's transcript.
    replies: list[Reply] = field(default_factory=list)
    idle: int | None = None
    # Where the agent was said to listen, after no reply.


@dataclass(frozen=True, slots=True)
class Ending:
    """How the provider ended the call."""

    position: int
    cause: Any
    reason: str
    code: int | None


@dataclass(frozen=True, slots=True)
class Part:
    name: str
    format: AudioFormat
    exchanges: tuple[Exchange, ...]
    ending: Ending | None


def part_of(
    recording: Recording,
    turns: Sequence[RecordedTurn],
    sent: bytes,
    *,
    transcribes: bool,
    grows: bool = False,
) -> Part:
    """``sent`` is all agent audio; ``transcribes`` says whether this wire has words for transcripts, and
    ``grows`` whether the session says lines as they sound: then a line is one sound with its whole text."""
    shows = any(_lines(recording, "speaking_started"))
    reader = _Reader(recording.format, turns, sent, shows=shows)
    for line in recording.timeline.lines:
        reader.read(line)
    for exchange in reader.exchanges:
        if transcribes and exchange.turn is not None and exchange.user_text is None:
            exchange.user_text = ""
        for reply in exchange.replies:
            if grows and not reply.interrupted:
                reply.deeds = list(_whole_lines(reply.deeds, recording.format))
            _pad(reply, recording.format)
    ending = _ending(recording)
    return Part(recording.path.name, recording.format, tuple(reader.exchanges), ending)


def _pad(reply: Reply, axis: AudioFormat) -> None:
    """What was cut off can be cut off again, also a little later."""
    if not reply.interrupted:
        return
    sounds = [(at, deed) for at, deed in reply.deeds if isinstance(deed, Sound)]
    if sounds:
        at, last = sounds[-1]
        silence = Sound(axis.silence(axis.samples(PADDING)))
        reply.deeds.append((at + sample_count(last.pcm), silence))


def _whole_lines(deeds: Sequence[tuple[int, Deed]], axis: AudioFormat) -> Iterator[tuple[int, Deed]]:
    """Sounds without a pause between them and the final line behind them, as one."""
    open_ones: list[tuple[int, Deed]] = []
    pcm = b""
    for position, deed in deeds:
        paused = open_ones and position - open_ones[0][0] - sample_count(pcm) >= axis.samples(GAP)
        match deed:
            case Transcribed(final=True, text=text) if pcm:
                yield open_ones[0][0], Sound(pcm, text=text)
                open_ones, pcm = [], b""
                continue
            case Sound() if not paused and not deed.text and not deed.visemes:
                pcm += deed.pcm
            case Transcribed(final=False) if pcm:
                pass
            case _:
                yield from open_ones
                open_ones, pcm = [], deed.pcm if isinstance(deed, Sound) else b""
                if not isinstance(deed, Sound):
                    yield position, deed
                    continue
        open_ones.append((position, deed))
    yield from open_ones


class _Reader:
    def __init__(self, axis: AudioFormat, turns: Sequence[RecordedTurn], sent: bytes, *, shows: bool) -> None:
        self._axis = axis
        self._sent = sent
        self._shows = shows
        # The recording has words for the agent's state; else a pause tells replies apart.
        self._coming = list(turns)
        self.exchanges = [Exchange(None)]
        self._reply = Reply()
        self._fresh = True
        # What comes next begins a reply.
        self._thinks: int | None = None
        self._end = 0
        # Where the last stretch of audio would go on.
        self._cut_at = -1
        # Where a reply was interrupted.
        self._visemes: tuple[Viseme, ...] = ()

    def read(self, line: Line) -> None:
        while self._coming and line.pos >= self._coming[0].end:
            self.exchanges.append(Exchange(self._coming.pop(0)))
            self._start_anew()
        said = line.fields
        match line.type:
            case "agent_audio_sent":
                self._hear(line)
            case "transcribed":
                self._transcribe(line)
            case "thinking_started" if self._fresh:
                self._thinks = line.pos
            case "thinking_started":
                self._do(line.pos, Thought())
            case "listening_started":
                if not self.exchanges[-1].replies:
                    self.exchanges[-1].idle = line.pos
                self._start_anew()
            case "visemes_sent":
                self._visemes = tuple(
                    Viseme(each["id"], each["character"], each["seconds"]) for each in said["visemes"]
                )
            case "tool_called":
                self._do(line.pos, ToolAsked(said["name"], said["arguments"], said["call_id"]))
            case "tool_result_sent":
                self._do(line.pos, ToolGiven(said["call_id"]))
            case "error_reported" if said.get("code") not in OUR_OWN:
                self._do(line.pos, ErrorReported(said["message"], said["code"]))
            case "barged_in" | "interrupted" | "playback_flushed":
                self._reply.interrupted = True
                self._cut_at = line.pos
                self._start_anew()

    def _start_anew(self) -> None:
        self._fresh, self._thinks = True, None

    def _hear(self, line: Line) -> None:
        first, samples = line.fields["offset"], line.fields["samples"]
        pcm = self._sent[first * SAMPLE_BYTES : (first + samples) * SAMPLE_BYTES]
        paused = line.pos - self._end >= self._axis.samples(GAP)
        last = self._reply.deeds[-1][1] if self._reply.deeds else None
        if isinstance(last, Sound) and not (paused or self._fresh or self._visemes):
            last.pcm += pcm
            self._end += samples
            return
        goes_on = not paused and not self._fresh
        self._do(line.pos, Sound(pcm, self._visemes, self._line_before(line.pos)))
        self._visemes = ()
        self._end = (self._end if goes_on else line.pos) + samples

    def _line_before(self, position: int) -> str:
        """Takes it from the deeds: it is said with the sound, where the settings have it."""
        match self._reply.deeds:
            case [*_, (told, Transcribed(final=True) as line)] if (
                not self._fresh and position - told < self._axis.samples(GAP)
            ):
                self._reply.deeds.pop()
                return line.text
        return ""

    def _transcribe(self, line: Line) -> None:
        said = Transcribed(**line.fields)
        exchange = self.exchanges[-1]
        if said.speaker == "agent" and self._is_last_word(line.pos):
            self._reply.last_words.append(said)
        elif said.speaker == "agent":
            self._do(line.pos, said)
        elif said.final:
            exchange.user_text = " ".join(filter(None, (exchange.user_text, said.text)))

    def _is_last_word(self, position: int) -> bool:
        """Whether a line told here is of the reply that was just cut short, and had none until then."""
        if not self._reply.interrupted or position - self._cut_at > self._axis.samples(GAP):
            return False
        return not any(
            (isinstance(deed, Transcribed) and deed.final) or (isinstance(deed, Sound) and deed.text)
            for _, deed in self._reply.deeds
        )

    def _paused_at(self, position: int) -> bool:
        """Whether what is done here is a reply of its own, on a wire that does not say so."""
        if self._shows or not self._reply.deeds or isinstance(self._reply.deeds[-1][1], Thought):
            return False
        return position - max(self._end, self._reply.deeds[-1][0]) >= self._axis.samples(REPLY_GAP)

    def _do(self, position: int, deed: Deed) -> None:
        if self._fresh or self._paused_at(position):
            self._reply = Reply(self._thinks)
            self.exchanges[-1].replies.append(self._reply)
            self._fresh, self._thinks = False, None
        self._reply.deeds.append((position, deed))


def _ending(recording: Recording) -> Ending | None:
    closed, ended = recording.manifest.get("closed"), recording.manifest.get("session_ended")
    if closed is None or any(line.type == "limit_reached" for line in recording.timeline.lines):
        return None
    said = next(_lines(recording, "session_ended"), None)
    by_provider = closed["by"] == "provider" or (
        recording.manifest.get("role") == "caller" and closed["by"] == "line" and closed["code"] != 1006
    )
    if said is None and not by_provider:
        return None
    position = closed["pos"] if said is None else said.pos
    cause = "closed" if ended is None else ended["cause"]
    code = closed["code"] if by_provider else None
    return Ending(position, cause, closed["reason"] if by_provider else "", code)


def _lines(recording: Recording, kind: str) -> Iterator[Line]:
    return (line for line in recording.timeline.lines if line.type == kind)
