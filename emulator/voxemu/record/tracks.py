"""Where the samples of one side of a call lie, and which of them are not in the file yet.

A track obeys the engine (docs/architecture.md, "The engine says where sound lies"): ``place`` says where
the next sample lies, ``lay`` puts samples there back to back, ``flush`` takes back what never sounded.
Two samples never share a place: a place inside what lies there already is moved to its end, and counted
in ``displaced``.
"""

from __future__ import annotations

from collections import deque

from voxemu.audio import SAMPLE_BYTES, sample_count

Piece = tuple[int, bytes]
"""A position, and the PCM16 that lies from there on."""

BLOCK = 65_536
# Samples that are joined to one piece, at most, so that whoever writes them need not hold more.
SILENCE = bytes(BLOCK * SAMPLE_BYTES)
RUNS = 4096
# Stretches of sound that a flush can still take back; no conversation has as many yet to come.


class Track:
    """One channel of call.wav. Positions and counts are samples on the call's axis.

    ``patience`` is how many samples may wait for a place; past it the oldest count as dropped, so that an
    engine that never says where sound lies does not fill the memory.
    """

    def __init__(self, patience: int) -> None:
        self.end = 0
        # One past the last sample that lies here.
        self.laid = 0
        self.dropped = 0
        self.displaced = 0
        self.waits = 0
        # Samples that nobody has said a place for.
        self.unwritten = 0
        # Samples laid since the last take().
        self.cursor: int | None = None
        # Where the next sample lies; None while nobody has said.
        self._patience = patience
        self._waiting: deque[bytes] = deque()
        self._runs: list[list[int]] = []
        # Start and end of the last stretches of sound, so that a flush can count what it takes back.
        self._settled = 0
        # One past the last sample before them.
        self._pieces: deque[Piece] = deque()
        self._written = 0
        # One past the last place that take() gave out.

    def place(self, position: int) -> None:
        """The next sample lies at ``position``; what waited for a place lies there now."""
        if position < self.end:
            self.displaced += self.end - position
            position = self.end
        self.cursor = position
        waiting, self._waiting, self.waits = self._waiting, deque(), 0
        for pcm in waiting:
            self.lay(pcm)

    def lay(self, pcm: bytes) -> None:
        """Samples after the last ones; they wait while no place is known."""
        if self.cursor is None:
            self._wait(pcm)
            return
        if not pcm:
            return
        samples = sample_count(pcm)
        start, end = self.cursor, self.cursor + samples
        if self._runs and self._runs[-1][1] == start:
            self._runs[-1][1] = end
        else:
            self._runs.append([start, end])
            if len(self._runs) > RUNS:
                self._settled = self._runs[RUNS // 2 - 1][1]
                del self._runs[: RUNS // 2]
        self._pieces.append((start, pcm))
        self.cursor = self.end = end
        self.laid += samples
        self.unwritten += samples

    def flush(self, position: int) -> None:
        """What lies from ``position`` on never sounded, nor did what waits; the next sample lies there."""
        gone = self._cut_runs(position)
        self.laid -= gone
        self.dropped += gone
        self.drop_waiting()
        self._cut_pieces(position)
        self.end = self._runs[-1][1] if self._runs else self._settled
        for start in range(position, self._written, BLOCK):
            count = min(BLOCK, self._written - start)
            self._pieces.append((start, SILENCE if count == BLOCK else bytes(count * SAMPLE_BYTES)))
        self.cursor = position

    def beyond(self, position: int) -> int:
        """How many samples lie from ``position`` on, or wait for a place."""
        return self.waits + sum(max(0, end - max(start, position)) for start, end in self._runs)

    def drop_waiting(self) -> None:
        """What still waits for a place never sounded."""
        self.dropped += self.waits
        self._waiting.clear()
        self.waits = 0

    def take(self, until: int | None = None) -> list[Piece]:
        """What is not in the file yet and lies before ``until`` (None: all of it), contiguous pieces joined.

        To be written in this order: a later piece may lie over an earlier one.
        """
        taken: list[Piece] = []
        while self._pieces and (until is None or self._pieces[0][0] < until):
            position, pcm = self._pieces.popleft()
            if until is not None and position + sample_count(pcm) > until:
                cut = (until - position) * SAMPLE_BYTES
                self._pieces.appendleft((until, pcm[cut:]))
                pcm = pcm[:cut]
            taken.append((position, pcm))
        self.unwritten = 0
        for position, pcm in taken:
            end = position + len(pcm) // SAMPLE_BYTES
            self._written = end if end > self._written else self._written
        return _joined(taken) if len(taken) > 1 else taken

    def _wait(self, pcm: bytes) -> None:
        self._waiting.append(pcm)
        self.waits += sample_count(pcm)
        while self.waits > self._patience:
            gone = sample_count(self._waiting.popleft())
            self.waits -= gone
            self.dropped += gone

    def _cut_runs(self, position: int) -> int:
        gone = 0
        while self._runs and self._runs[-1][1] > position:
            start, end = self._runs.pop()
            gone += end - max(start, position)
            if start < position:
                self._runs.append([start, position])
        return gone

    def _cut_pieces(self, position: int) -> None:
        kept = (
            (start, pcm[: max(0, position - start) * SAMPLE_BYTES])
            for start, pcm in self._pieces
            if start < position
        )
        self._pieces = deque(kept)


def _joined(pieces: list[Piece]) -> list[Piece]:
    groups: list[tuple[int, list[bytes]]] = []
    reached = -1
    for position, pcm in pieces:
        if position == reached and reached - groups[-1][0] < BLOCK:
            groups[-1][1].append(pcm)
        else:
            groups.append((position, [pcm]))
        reached = position + sample_count(pcm)
    return [(position, b"".join(parts)) for position, parts in groups]
