"""What the agent sent in a recorded call, also where only what the user heard was kept."""

from __future__ import annotations

from voxemu.audio import SAMPLE_BYTES
from voxemu.record import Recording


def sent_audio(recording: Recording) -> bytes:
    """Every sample of agent audio in the order in which it was sent.

    Without its wire track a recording does not hold what was dropped before it sounded: that is silence here.
    """
    if recording.agent_wire is not None:
        return recording.agent_wire
    heard = _Heard(recording.right, incoming=recording.manifest.get("role") == "caller")
    for line in recording.timeline.lines:
        match line.type:
            case "agent_audio_sent":
                heard.sent(line.fields["samples"])
            case "playback_started":
                heard.starts(line.fields["position"])
            case "playback_flushed":
                heard.flushed(line.fields["position"])
    return heard.all()


class _Heard:
    """Follows the places of what was sent, as the recorder did (docs/architecture.md: Agreements)."""

    def __init__(self, right: bytes, *, incoming: bool) -> None:
        self._right = right
        self._incoming = incoming
        # At the caller's end a place is told after the audio that it holds for.
        self._next = 0
        self._pieces: list[tuple[int, int]] = []
        # Place and length.

    def sent(self, samples: int) -> None:
        self._pieces.append((self._next, samples))
        self._next += samples

    def starts(self, position: int) -> None:
        self._next = position
        if self._incoming and self._pieces:
            _, samples = self._pieces.pop()
            self.sent(samples)

    def flushed(self, position: int) -> None:
        # From here on nothing sounded; what is sent later may lie there again.
        self._pieces = [piece for whole in self._pieces for piece in _cut(*whole, position)]
        self._next = position

    def all(self) -> bytes:
        return b"".join(self._piece(place, samples) for place, samples in self._pieces)

    def _piece(self, place: int, samples: int) -> bytes:
        found = b"" if place < 0 else self._right[place * SAMPLE_BYTES : (place + samples) * SAMPLE_BYTES]
        return found.ljust(samples * SAMPLE_BYTES, b"\0")


def _cut(place: int, samples: int, position: int) -> list[tuple[int, int]]:
    heard = min(samples, max(0, position - place)) if place >= 0 else 0
    return [piece for piece in ((place, heard), (-1, samples - heard)) if piece[1]]
