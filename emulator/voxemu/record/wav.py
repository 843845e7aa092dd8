"""A PCM16 WAV file that is true at every moment, and the way to read one back.

The header is written when the file is made and again after every batch of samples, in one write that
comes after the samples it counts. So a process killed at any instant leaves a file that standard readers
play up to the last batch: the header is whole, and at worst too small.

Samples may be laid anywhere, also before the end: the file itself is the store, a channel is patched
by reading its stretch, changing one column and writing it back. What was never written reads as silence.
"""

from __future__ import annotations

import hashlib
import os
import struct
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from voxemu.audio import SAMPLE_BYTES
from voxemu.errors import RecordingError

HEADER_BYTES = 44
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

    def patch(self, channel: int, frame: int, pcm: bytes) -> None:
        """One channel's samples from ``frame`` on; the other channels stay as they are."""
        if self.channels == 1:
            self._write(frame, pcm)
            return
        # Items of two bytes are moved, never looked at, so the machine's byte order does not matter.
        columns = array("h", bytes(len(pcm) * self.channels))
        if frame < self.frames:
            try:
                self._file.seek(HEADER_BYTES + frame * self._block)
                self._file.readinto(columns)
            except OSError as error:
                untold(self.path, "read", error)
        columns[channel :: self.channels] = array("h", pcm)
        self._write(frame, columns.tobytes())

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
        size = self.frames * self._block
        header = struct.pack(
            "<4sI4s4sIHHIIHH4sI",
            *(b"RIFF", HEADER_BYTES - 8 + size, b"WAVE"),
            *(b"fmt ", 16, 1, self.channels, self.rate, self.rate * self._block, self._block, 16),
            *(b"data", size),
        )
        self._whole(0, header)
        self.declared = self.frames

    def sha256(self) -> str:
        """Of the samples, the header left out."""
        digest = hashlib.sha256()
        with told(self.path, "read"):
            self._file.seek(HEADER_BYTES)
            left = self.frames * self._block
            while left > 0 and (some := self._file.read(min(left, 1 << 20))):
                digest.update(some)
                left -= len(some)
        return digest.hexdigest()

    def close(self) -> None:
        with told(self.path, "write"):
            self._file.close()

    def _write(self, frame: int, samples: bytes) -> None:
        self._check(frame * self._block + len(samples))
        self._whole(HEADER_BYTES + frame * self._block, samples)
        self.frames = max(self.frames, frame + len(samples) // self._block)

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


class DigestOnly:
    """In the place of a one-channel WavFile whose samples nobody keeps: their digest alone."""

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
