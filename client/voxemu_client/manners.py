"""Whether what the caller sends is what its provider's page asks for: the emulator's linter, at this end."""

from __future__ import annotations

from collections.abc import Iterable

from voxemu.events import Event, FindingMade, Note, Opened
from voxemu.lint import Linter
from voxemu.provider import Provider


class Manners:
    """A tap over all the sessions of a run. ``rate`` is that of the microphone's audio."""

    def __init__(self, provider: Provider, rate: int) -> None:
        self._provider = provider
        self._rate = rate
        self._linter = Linter(provider, rate)
        self.found: list[FindingMade] = []

    def saw(self, event: Event, now: float) -> Iterable[Note]:
        if isinstance(event, Opened):
            self._linter = Linter(self._provider, self._rate)
        made = [note for note in self._linter.saw(event, now) if isinstance(note, FindingMade)]
        self.found += made
        return made

    @property
    def sentence(self) -> str:
        """What was found, in a line; "" for nothing."""
        return "; ".join(f"{each.code}: {each.seen}" for each in self.found)
