"""A PCM16 WAV file that is true at every moment, and the way to read one back.

The header is written when the file is made and again after every batch of samples, in one write that
comes after the samples it counts. So a process killed at any instant leaves a file that standard readers
play up to the last batch: the header is whole, and at worst too small.

Samples may be laid anywhere, also before the end: the file itself is the store, channels are patched by
reading a stretch, changing columns and writing it back. What was never written reads as silence.
"""

from __future__ import annotations

import hashlib
import os
import struct
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn, Protocol

from voxemu.audio import SAMPLE_BYTES
from voxemu.errors import RecordingError


class Digest(Protocol):
    """As ``hashlib`` makes them."""

    def update(self, some: bytes, /) -> None: ...


Piece = tuple[int, int, bytes]
"""Samples of a single channel: which one, the frame where they begin, and they."""

HEADER_BYTES = 44
_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
LIMIT = 2**32 - 1 - HEADER_BYTES
# Bytes of samples that the 32-bit sizes of a WAV header can say.


class WavFile:
    """A new file of ``channels`` interleaved PCM16 channels; it must not exist yet.

    ``frames`` counts what the samples take (a frame is one sample of each channel), ``declared`` what the
    header says. Every method raises RecordingError, naming the file.
    """

    def __init__(self, path: Path, rate: int, channels: int) -> None:
        self.path = path
        self.rate = rate
        self.channels = channels
        self.frames = 0
        self.declared = -1
        self._block = channels * SAMPLE_BYTES
        with told(path, "create"):
            self._file = open(path, "x+b", buffering=0, opener=private)  # noqa: SIM115
        self.declare()

    def append(self, pcm: bytes) -> None:
        """Interleaved samples after the last ones."""
        self._write(self.frames, pcm)

    def patch(self, pieces: Sequence[Piece]) -> None:
        """Later pieces lie over earlier ones, what is in none stays as it is. One write, so pieces should lie
        close together."""
        import numpy as np

        if not pieces:
            return
        _, first, pcm = pieces[0]
        end = first + len(pcm) // SAMPLE_BYTES
        for _, frame, pcm in pieces:
            upto = frame + len(pcm) // SAMPLE_BYTES
            first = frame if frame < first else first
            end = upto if upto > end else end
        # Items of two bytes are moved, never looked at, so the machine's byte order does not matter.
        stretch = np.zeros((end - first, self.channels), np.int16)
        if first < self.frames:
            try:
                self._file.seek(HEADER_BYTES + first * self._block)
                self._file.readinto(stretch.data)
            except OSError as error:
                untold(self.path, "read", error)
        for channel, frame, pcm in pieces:
            at = frame - first
            stretch[at : at + len(pcm) // SAMPLE_BYTES, channel] = np.frombuffer(pcm, np.int16)
        self._write(first, stretch.tobytes())

    def extend(self, frames: int) -> None:
        """Silence up to ``frames``; nothing when the file is that long already."""
        if frames <= self.frames:
            return
        self._check(frames * self._block)
        with told(self.path, "write"):
            self._file.truncate(HEADER_BYTES + frames * self._block)
        self.frames = frames

    def declare(self) -> None:
        """Has the header say what the file holds."""
        if self.declared == self.frames:
            return
        self._whole(0, wav_header(self.frames, self.rate, self.channels))
        self.declared = self.frames

    def shorten(self, frames: int) -> None:
        """Nothing is left from ``frames`` on."""
        if frames < self.frames:
            with told(self.path, "write"):
                self._file.truncate(HEADER_BYTES + frames * self._block)
            self.frames = frames

    def sha256(self) -> str:
        """Of the samples, the header left out."""
        digest = hashlib.sha256()
        self.feed(digest)
        return digest.hexdigest()

    def feed(self, digest: Digest) -> None:
        """Gives it the samples, the header left out."""
        with told(self.path, "read"):
            self._file.seek(HEADER_BYTES)
            left = self.frames * self._block
            while left > 0 and (some := self._file.read(min(left, 1 << 20))):
                digest.update(some)
                left -= len(some)

    def close(self) -> None:
        with told(self.path, "write"):
            self._file.close()

    def _write(self, frame: int, samples: bytes) -> None:
        at = frame * self._block
        end = at + len(samples)
        self._check(end)
        self._whole(HEADER_BYTES + at, samples)
        frames = end // self._block
        self.frames = frames if frames > self.frames else self.frames

    def _whole(self, at: int, content: bytes) -> None:
        try:
            self._file.seek(at)
            done = self._file.write(content)
            while done < len(content):
                # A disk that fills up takes a part, and refuses with ENOSPC only the next time.
                done += self._file.write(memoryview(content)[done:])
        except OSError as error:
            untold(self.path, "write", error)

    def _check(self, size: int) -> None:
        if size > LIMIT:
            hours = LIMIT / (self._block * self.rate * 3600)
            raise RecordingError(
                f"{self.path} is full: a WAV file holds {hours:.1f} hours at {self.rate} Hz; "
                "record longer calls in parts"
            )


def wav_header(frames: int, rate: int, channels: int) -> bytes:
    """Of a PCM16 file."""
    block, size = channels * SAMPLE_BYTES, frames * channels * SAMPLE_BYTES
    riff = HEADER_BYTES - 8 + size
    return _HEADER.pack(
        b"RIFF", riff, b"WAVE", b"fmt ", 16, 1, channels, rate, rate * block, block, 16, b"data", size
    )


class DigestOnly:
    """In the place of a one-channel WavParts whose samples nobody keeps: their digest alone."""

    size = 0
    count = 1

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def append(self, pcm: bytes) -> None:
        self._digest.update(pcm)

    def declare(self) -> None:
        """There is no header."""

    def sha256(self) -> str:
        return self._digest.hexdigest()

    def close(self) -> None:
        """There is no file."""


def read_wav(path: Path) -> tuple[int, int, bytes]:
    """Rate, channels and interleaved PCM16. Raises RecordingError."""
    import soundfile

    try:
        samples, rate = soundfile.read(str(path), dtype="int16", always_2d=True)
    except (OSError, soundfile.SoundFileError) as error:
        raise RecordingError(f"{path} cannot be read as audio: {error}") from error
    return int(rate), int(samples.shape[1]), samples.astype("<i2").tobytes()


def channel(pcm: bytes, index: int, channels: int) -> bytes:
    """One channel of interleaved samples."""
    return array("h", pcm)[index::channels].tobytes()


def private(path: str, flags: int) -> int:
    """An opener for files that only their owner may read: calls are nobody else's business."""
    return os.open(path, flags, 0o600)


@contextmanager
def told(path: Path, verb: str) -> Iterator[None]:
    """What the system says about a file, as a RecordingError that names it."""
    try:
        yield
    except OSError as error:
        untold(path, verb, error)


def untold(path: Path, verb: str, error: OSError) -> NoReturn:
    raise RecordingError(f"cannot {verb} {path}: {error.strerror or error}") from error
