"""Claims about a session that explain themselves when they do not hold."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from voxemu.provider import Provider
from voxemu.testing.events import BargeIn, End, Finding, SeenEvent, Transcript, Turn
from voxemu.testing.heard import Heard

if TYPE_CHECKING:
    Range = float | tuple[float, float]

TOLERANCE = 0.25
# Seconds by which an app's playback may differ: what its sound device holds, and one message.


class Claims(ABC):
    """Raises AssertionError: what was expected, what was seen, and why that may be."""

    @property
    @abstractmethod
    def vendor(self) -> Provider: ...
    @property
    @abstractmethod
    def flush_message(self) -> str:
        """The message by which the app is told to drop what it has not played; "" where there is none."""

    @property
    @abstractmethod
    def turns(self) -> list[Turn]: ...
    @property
    @abstractmethod
    def transcripts(self) -> list[Transcript]: ...
    @property
    @abstractmethod
    def barge_ins(self) -> list[BargeIn]: ...
    @property
    @abstractmethod
    def findings(self) -> list[Finding]: ...
    @property
    @abstractmethod
    def heard(self) -> Heard: ...
    @property
    @abstractmethod
    def said(self) -> Heard: ...
    @property
    @abstractmethod
    def received(self) -> float: ...
    @property
    @abstractmethod
    def dropped(self) -> float: ...
    @property
    @abstractmethod
    def closed(self) -> End | None: ...
    @abstractmethod
    def all(self, kind: str) -> list[SeenEvent]: ...

    # --- the user ---------------------------------------------------------------------------------------

    def assert_turns(self, expected: int) -> None:
        """The user said something so many times."""
        __tracebackhide__ = True
        turns = self.turns
        if len(turns) == expected:
            return
        problem = f"{counted(expected, 'user turn')} expected, {len(turns)} heard"
        if len(turns) < expected:
            problem += "\n" + self._why_no_turn()
        raise AssertionError(problem)

    def _why_no_turn(self) -> str:
        if not self.all("input_started"):
            return "The app sent no user audio at all."
        if discarded := self.all("turn_discarded"):
            times = counted(len(discarded), "time")
            return f"What sounded was too short to be a turn (dialogue.min_utterance), {times}."
        if len(self.all("turn_started")) > len(self.turns):
            return "The user is still talking: a turn ends with half a second of silence, sent or not sent."
        stretches = self.said.stretches
        if not stretches:
            return "All of the user audio was silence."
        shown = ", ".join(f"{start:.2f} to {end:.2f} s" for start, end in stretches[:8])
        return f"There was sound in the user's audio at {shown}."

    # --- barge-in ---------------------------------------------------------------------------------------

    def assert_barge_in(self, within_ms: float | None = None) -> None:
        """The user interrupted the agent, which stopped so soon after the first spoken sample."""
        __tracebackhide__ = True
        found = self.barge_ins
        if not found:
            raise AssertionError("no barge-in\n" + self._why_no_barge_in())
        late = [each for each in found if within_ms is not None and each.stop_ms > within_ms]
        if late:
            raise AssertionError(
                f"the agent stopped {late[0].stop_ms:.0f} ms after the user began to speak at "
                f"{late[0].onset:.2f} s, {within_ms:g} ms allowed"
            )

    def assert_no_barge_in(self) -> None:
        __tracebackhide__ = True
        if found := self.barge_ins:
            raise AssertionError(
                f"the agent was interrupted at {found[0].stopped:.2f} s, by speech from "
                f"{found[0].onset:.2f} s on; is its own voice coming back through the microphone?"
            )

    def _why_no_barge_in(self) -> str:
        turns, spoken = self.turns, self.heard.stretches
        if not turns:
            return "The user said nothing. " + self._why_no_turn()
        if not spoken:
            return f"The user spoke {counted(len(turns), 'time')}, and the agent never did."
        lines = [f"The user spoke {counted(len(turns), 'time')}, never while the agent was speaking:"]
        for turn in turns:
            before = [end for _, end in spoken if end <= turn.start]
            where = (
                f"{turn.start - before[-1]:.2f} s after the agent had stopped"
                if before
                else "before the agent had said anything"
            )
            lines.append(f"  turn {turn.number} began at {turn.start:.2f} s, {where}")
        return "\n".join(lines)

    # --- the agent --------------------------------------------------------------------------------------

    def assert_heard(self, seconds: Range | None = None, *, tone: float | None = None) -> None:
        """The user heard the agent: for so long (± 0.1 s, or from and to), at this pitch (± 2 %)."""
        __tracebackhide__ = True
        heard = self.heard
        if not heard.stretches:
            raise AssertionError("the user heard nothing\n" + self._why_nothing_heard())
        if seconds is not None:
            low, high = seconds if isinstance(seconds, tuple) else (seconds - 0.1, seconds + 0.1)
            if not low <= heard.seconds <= high:
                raise AssertionError(
                    f"the user heard {heard.seconds:.2f} s of the agent, {low:.2f} to {high:.2f} s "
                    f"expected ({self.received:.2f} s were sent to the app, {self.dropped:.2f} s dropped)"
                )
        if tone is not None and (heard.hertz is None or abs(heard.hertz - tone) > 0.02 * tone):
            pitch = "no tone" if heard.hertz is None else f"{heard.hertz:.0f} Hz"
            raise AssertionError(f"the user heard {pitch}, {tone:g} Hz expected")

    def assert_heard_nothing(self) -> None:
        __tracebackhide__ = True
        if stretches := self.heard.stretches:
            start, end = stretches[0]
            raise AssertionError(
                f"the user heard the agent from {start:.2f} to {end:.2f} s, nothing expected"
            )

    def _why_nothing_heard(self) -> str:
        if not self.turns and not self.all("speaking_started"):
            return "The agent had nothing to answer: no turn of the user has ended. " + self._why_no_turn()
        if self.received:
            return f"{self.received:.2f} s were sent to the app and dropped before they sounded."
        return "The agent was still thinking when the session ended, or had been interrupted."

    def assert_transcript(self, text: str, speaker: str = "agent") -> None:
        """Somebody's line has this text in it."""
        __tracebackhide__ = True
        lines = [each.text for each in self.transcripts if each.speaker == speaker]
        if not any(text in line for line in lines):
            said = "\n".join(f"  {line}" for line in lines) or "  nothing"
            raise AssertionError(f"no line of the {speaker} has {text!r} in it; it said\n{said}")

    # --- the app ----------------------------------------------------------------------------------------

    def assert_played(
        self, pcm: bytes | Sequence[bytes], rate: int | None = None, *, tolerance: float = TOLERANCE
    ) -> None:
        """What the app gave to its loudspeaker lasts as long as what the user should have heard.

        ``pcm`` is PCM16 mono at ``rate``, by default the provider's. Too much of it: the app went on playing
        what it should have dropped at a barge-in. Too little: it lost audio, or dropped what it should have
        played.
        """
        __tracebackhide__ = True
        audio = pcm if isinstance(pcm, bytes | bytearray) else b"".join(pcm)
        played = Heard(bytes(audio), rate or self.vendor.format.rate).seconds
        heard = self.heard.seconds
        if abs(played - heard) <= tolerance:
            return
        problem = (
            f"the app played {played:.2f} s of the agent, the user should have heard {heard:.2f} s: "
            f"{abs(played - heard):.2f} s too {'much' if played > heard else 'little'}"
        )
        raise AssertionError(f"{problem}\n{self._why_played(played - heard)}")

    def _why_played(self, excess: float) -> str:
        barge_ins = self.barge_ins
        if excess > 0 and barge_ins:
            lines = [
                f"The user interrupted the agent at {each.onset:.2f} s, and {each.dropped:.2f} s that the "
                "app had been sent were not to sound any more."
                for each in barge_ins
            ]
            if self.flush_message:
                question = f"Does the app empty its playback queue when it is sent {self.flush_message}?"
            else:
                question = (
                    "This provider sends no message for it: does the app empty its playback queue when it "
                    "hears the user itself?"
                )
            return "\n".join([*lines, question])
        if excess > 0:
            return (
                "Nobody interrupted the agent. Does the app play something twice, or at another rate than "
                f"{self.vendor.format.rate} Hz?"
            )
        return (
            f"{self.received:.2f} s were sent to the app. Did it stop before its queue was played, drop a "
            f"last partial frame, or play at another rate than {self.vendor.format.rate} Hz?"
        )

    def assert_closed(self, code: int | None = None, by: str | None = None) -> None:
        """The session is over; with this close code, by the caller or the provider."""
        __tracebackhide__ = True
        closed = self.closed
        if closed is None:
            raise AssertionError("the session is still live; does the app close its websocket?")
        if code not in (None, closed.code) or by not in (None, closed.by):
            wanted = " ".join(str(part) for part in (code, by and f"by the {by}") if part)
            raise AssertionError(
                f"closed {closed.code} by the {closed.by} {closed.reason!r}, {wanted} expected"
            )

    def assert_no_findings(self, *, except_for: Collection[str] = ()) -> None:
        """The emulator saw the app do nothing against the provider's page."""
        __tracebackhide__ = True
        found = [each for each in self.findings if each.code not in except_for]
        if found:
            raise AssertionError("\n".join([counted(len(found), "finding"), *map(shown, found)]))


def counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def shown(finding: Finding) -> str:
    return (
        f"  {finding.code} at {finding.at:.2f} s: {finding.seen}\n"
        f"    {finding.rule} (`emu explain {finding.code}`)"
    )
