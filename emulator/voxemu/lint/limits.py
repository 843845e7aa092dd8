"""Limits of the emulator that a session met by its client's fault."""

from __future__ import annotations

from voxemu.events import LimitReached
from voxemu.lint.tally import Tally

FAULTS = {
    "message": ("F-MESSAGE-SIZE", "a message of more than {0:g} bytes"),
    "outbox": ("F-NOT-READING", "{0:g} messages were waiting to be read"),
    "stall": ("F-NOT-READING", "no message was taken for {0:g} s"),
}
# The others have a finding already, or are nobody's fault.


class Limits:
    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def saw(self, reached: LimitReached) -> None:
        if reached.limit in FAULTS:
            code, seen = FAULTS[reached.limit]
            self._tally.suspect(code)
            self._tally.find(code, seen.format(reached.value))
