"""Lines that grow: interim transcripts of the user while they speak, and of the agent while it sounds."""

from __future__ import annotations

import math
from dataclasses import dataclass

from voxemu.events import Transcribed

STEP = 0.5
# Seconds of user speech between two interim lines.


@dataclass(slots=True)
class _Line:
    segment: int
    text: str = ""
    shown: int = 0
    # Steps or words of it that have been said.


class Captions:
    """Numbers the lines of a call, and says of each what is new. ``interim`` off: final lines only.

    Both may have a line open at once: a user can talk over an agent that cannot be interrupted.
    """

    def __init__(self, *, interim: bool) -> None:
        self.interim = interim
        self.grows = False
        # A line of the agent's is told as it sounds.
        self._count = 0
        self._user: _Line | None = None
        self._agent: _Line | None = None

    def _next(self, text: str = "") -> _Line:
        self._count += 1
        return _Line(self._count, text)

    def told(self, line: Transcribed) -> None:
        """Somebody else told this line; later ones have other numbers."""
        self._count = max(self._count, line.segment)

    def hears(self, seconds: float) -> list[Transcribed]:
        """The user has been speaking for this long."""
        if not self.interim:
            return []
        line = self._user = self._user or self._next()
        steps = int(seconds / STEP)
        said = [
            Transcribed("user", spoken(step * STEP), final=False, segment=line.segment)
            for step in range(line.shown + 1, steps + 1)
        ]
        line.shown = max(line.shown, steps)
        return said

    def heard(self, seconds: float) -> Transcribed:
        """The user's turn is over."""
        line, self._user = self._user or self._next(), None
        return Transcribed("user", spoken(seconds), segment=line.segment)

    def says(self, text: str) -> list[Transcribed]:
        """The agent's line, whole, before or after its sound; with its first half in front when interim."""
        line = self._next(text)
        words = text.split()
        half = " ".join(words[: len(words) // 2])
        grown = (
            [Transcribed("agent", half, final=False, segment=line.segment)] if self.interim and half else []
        )
        return [*grown, Transcribed("agent", text, segment=line.segment)]

    def begins(self, text: str) -> None:
        """The agent's line will be said as it sounds."""
        self._agent = self._next(text)
        self.grows = self.interim

    def sounds(self, share: float) -> list[Transcribed]:
        """This share of the open line's audio has gone out."""
        line = self._agent
        if line is None or not self.grows:
            return []
        words = _words(line.text, share)
        if len(words) <= line.shown:
            return []
        line.shown = len(words)
        return [Transcribed("agent", " ".join(words), final=False, segment=line.segment)]

    def sounded(self, share: float) -> list[Transcribed]:
        """The open line of the agent, if there is one, is over after this share of it was heard."""
        line, self._agent, self.grows = self._agent, None, False
        if line is None:
            return []
        text = line.text if share >= 1 else " ".join(_words(line.text, share))
        return [Transcribed("agent", text, segment=line.segment)]


def _words(text: str, share: float) -> list[str]:
    words = text.split()
    return words[: math.ceil(len(words) * share)]


def spoken(seconds: float) -> str:
    """What stands for a turn's text where nothing recognises speech."""
    return f"({seconds:.2f} s of speech)"
