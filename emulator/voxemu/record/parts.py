"""A WAV file that goes on in a next one when it is full: call.wav, call.2.wav, call.3.wav …

Readers see the parts as one file (``parts_of``). Every part but the last holds the same number of frames, so
a place in the call says which part it is in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from voxemu.audio import SAMPLE_BYTES
from voxemu.record.wav import HEADER_BYTES, LIMIT, Piece, WavFile

CLOSE = 131_072
# Frames that one write may span. Sound that is far ahead of its time lies far from the user's.


class WavParts:
    """As a ``WavFile``, with at most ``most`` bytes in each file. Every method raises RecordingError."""

    def __init__(self, path: Path, rate: int, channels: int, most: int) -> None:
        self._path = path
        self._rate = rate
        self._channels = channels
        self._block = channels * SAMPLE_BYTES
        self._each = max(1, (min(most, LIMIT) - HEADER_BYTES) // self._block)
        # Frames of a full part.
        self._parts = [WavFile(path, rate, channels)]
        self._last = self._parts[0]

    @property
    def count(self) -> int:
        return len(self._parts)

    @property
    def frames(self) -> int:
        return (len(self._parts) - 1) * self._each + self._last.frames

    @property
    def size(self) -> int:
        """Bytes on the disk."""
        whole = len(self._parts) - 1
        frames = whole * self._each + self._last.frames
        return (whole + 1) * HEADER_BYTES + frames * self._block

    def append(self, pcm: bytes) -> None:
        """Interleaved samples after the last ones."""
        if self._last.frames + len(pcm) // self._block <= self._each:
            self._last.append(pcm)
            return
        for part, _, piece in self._cut(self.frames, pcm, self._block):
            part.append(piece)

    def patch(self, pieces: Sequence[Piece]) -> None:
        """As ``WavFile.patch``; pieces that lie close together are one write."""
        near: list[Piece] = []
        first = end = 0
        for piece in pieces:
            begins = piece[1]
            ends = begins + len(piece[2]) // SAMPLE_BYTES
            if not near:
                first, end = begins, ends
            elif max(end, ends) - min(first, begins) <= CLOSE:
                first, end = min(first, begins), max(end, ends)
            else:
                self._patch(near, end)
                near, first, end = [], begins, ends
            near.append(piece)
        if near:
            self._patch(near, end)

    def _patch(self, near: list[Piece], end: int) -> None:
        if end <= self._each:
            self._parts[0].patch(near)
            return
        homes: dict[WavFile, list[Piece]] = {}
        for channel, frame, pcm in near:
            for part, at, piece in self._cut(frame, pcm, SAMPLE_BYTES):
                homes.setdefault(part, []).append((channel, at, piece))
        for part, its in homes.items():
            part.patch(its)

    def extend(self, frames: int) -> None:
        """Silence up to ``frames``; nothing when there is as much already."""
        if frames <= self.frames:
            return
        while frames > len(self._parts) * self._each:
            self._begin_part()
        self._last.extend(frames - (len(self._parts) - 1) * self._each)

    def shorten(self, frames: int) -> None:
        """Nothing is left from ``frames`` on in the last part; earlier parts stay as they are."""
        self._last.shorten(max(0, frames - (len(self._parts) - 1) * self._each))

    def declare(self) -> None:
        self._last.declare()

    def sha256(self) -> str:
        """Of the samples of all parts, the headers left out."""
        digest = hashlib.sha256()
        for part in self._parts:
            part.feed(digest)
        return digest.hexdigest()

    def close(self) -> None:
        with ExitStack() as rest:
            for part in self._parts:
                rest.callback(part.close)

    def _cut(self, frame: int, pcm: bytes, unit: int) -> Iterator[tuple[WavFile, int, bytes]]:
        """Each part that is concerned, the frame in it, and what goes there; ``unit`` bytes a frame."""
        if len(self._parts) == 1 and frame + len(pcm) // unit <= self._each:
            yield self._last, frame, pcm
            return
        while pcm:
            number, at = divmod(frame, self._each)
            while number >= len(self._parts):
                self._begin_part()
            piece, pcm = pcm[: (self._each - at) * unit], pcm[(self._each - at) * unit :]
            yield self._parts[number], at, piece
            frame += len(piece) // unit

    def _begin_part(self) -> None:
        self._last.extend(self._each)
        self._last.declare()
        path = part_path(self._path, len(self._parts) + 1)
        self._parts.append(WavFile(path, self._rate, self._channels))
        self._last = self._parts[-1]


def part_path(path: Path, number: int) -> Path:
    """Where part ``number`` lies, counted from 1: call.wav, call.2.wav."""
    return path if number == 1 else path.with_suffix(f".{number}{path.suffix}")


def parts_of(path: Path) -> list[Path]:
    """The files that a track lies in, in their order; the first whether it is there or not."""
    found = [path]
    while (following := part_path(path, len(found) + 1)).is_file():
        found.append(following)
    return found
