"""What was seen so far: how often each rule was broken, and what is still to be said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from voxemu.events import FindingMade
from voxemu.lint.pages import advice, applies


class Tally:
    """Counts for one session. A code becomes a finding once, when a check is certain of it."""

    def __init__(self, provider: str, without: Collection[str] = ()) -> None:
        self._provider = provider
        self._without = without
        self._counts: Counter[str] = Counter()
        self._made: set[str] = set()
        self.waiting: list[FindingMade] = []
        # Made, and still to be said.

    def applies(self, code: str) -> bool:
        return code not in self._without and applies(code, self._provider)

    def made(self, code: str) -> bool:
        return code in self._made

    def suspect(self, code: str) -> int:
        """One more message (or incident) that breaks the rule; answers how many there were."""
        self._counts[code] += 1
        return self._counts[code]

    def find(self, code: str, seen: str) -> None:
        """The suspicion is certain. Said once a session, and never where the provider has no such rule."""
        if code in self._made or not self.applies(code):
            return
        self._made.add(code)
        said = advice(code, self._provider)
        self.waiting.append(FindingMade(code, said.rule, said.source, seen))

    def take(self) -> tuple[FindingMade, ...]:
        found, self.waiting = tuple(self.waiting), []
        return found

    @property
    def counts(self) -> dict[str, int]:
        """For every finding made, how many messages or incidents broke its rule."""
        return {code: max(1, self._counts[code]) for code in sorted(self._made)}
