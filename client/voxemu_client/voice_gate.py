"""The voice of an agent in a room, as the other providers' wires carry one: replies, nothing between them.

A room's audio track never pauses: an agent that is silent sends silence. A caller who counted that as agent
audio would hear one endless reply. What lets the two be told apart is what is heard, and the agent's state.
"""

from __future__ import annotations

from voxemu.audio import peak

SILENT = 0.0005
# Of full scale, about -66 dBFS: what a codec makes of zeros stays below it.
TAIL = 3
# Frames of silence that an agent which does not speak may have between two that are heard.
UNTOLD = 25
# Frames of silence that end a reply of an agent that says nothing of its state.


class VoiceGate:
    """Takes the track's frames (20 ms each) in order; answers those that belong to a reply.

    A reply begins with the first frame that is not silent. While the agent says that it speaks, its pauses
    belong to the reply; once it says that it does not, the reply ends with the last frame that is heard.
    """

    def __init__(self) -> None:
        self._speaking: bool | None = None
        self._open = False
        self._withheld: list[bytes] = []
        self._quiet = 0

    def state(self, state: str) -> None:
        """The agent's ``lk.agent.state``."""
        self._speaking = state == "speaking"

    def take(self, pcm: bytes) -> list[bytes]:
        if peak(pcm) >= SILENT:
            passed, self._withheld = [*self._withheld, pcm], []
            self._open, self._quiet = True, 0
            return passed
        self._quiet += 1
        if self._open and (self._speaking or (self._speaking is None and self._quiet <= UNTOLD)):
            return [pcm]
        self._withheld.append(pcm)
        if not self._open or len(self._withheld) > TAIL:
            self._open = False
            self._withheld.clear()
        return []
