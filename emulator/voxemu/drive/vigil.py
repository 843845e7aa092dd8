"""A peer on a clock that waits for its audio: does it still send any?

Looks are counted, not seconds: while this process is held up it cannot see what has come, and a look that
comes late finds it.
"""

from __future__ import annotations

LOOK = 0.5
# Seconds between two looks.
STILL = 2.0
# Seconds without audio after which a clock that waits for it counts as stopped.


class Vigil:
    def __init__(self) -> None:
        self.messages = 0
        self.audio = 0
        # What the peer has sent, and how many of them were audio.
        self._seen = (-1, -1)
        self._still = 0
        self._mute = 0

    def look(self) -> None:
        """To be called every ``LOOK`` seconds."""
        messages, audio = self._seen
        self._still = 0 if self.audio != audio else self._still + 1
        self._mute = 0 if self.messages != messages else self._mute + 1
        self._seen = self.messages, self.audio

    @property
    def stops_here(self) -> bool:
        """Whether audio has been missing for exactly ``STILL`` seconds."""
        return self._still * LOOK == STILL

    @property
    def silent_for(self) -> float:
        """Seconds without a message of any kind."""
        return self._mute * LOOK
