"""A track beside the call: sound that was there while the call was, and is neither of its two sides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from voxemu.audio import sample_count
from voxemu.record.parts import WavParts

HOLE = 0.2
# Seconds: what comes later than this lies where it came; below, it follows what was there.


class TrackBeside:
    """``<name>.wav`` on the axis of call.wav: its sample 0 is the call's."""

    def __init__(self, directory: Path, name: str, rate: int, most: int) -> None:
        self._file = f"{name}.wav"
        self._hole = HOLE * rate
        self._wav = WavParts(directory / self._file, rate, 1, most)
        self._first: int | None = None
        self._samples = 0

    def heard(self, pcm: bytes, here: int) -> None:
        """``here`` is the position at which the last of these samples has come."""
        start = max(0, here - sample_count(pcm))
        if self._first is None or start - self._wav.frames > self._hole:
            self._wav.extend(start)
        if self._first is None:
            self._first = self._wav.frames
        self._wav.append(pcm)
        self._samples += sample_count(pcm)

    @property
    def size(self) -> int:
        """Bytes on the disk."""
        return self._wav.size

    def declare(self) -> None:
        self._wav.declare()

    def close(self) -> None:
        self._wav.close()

    def in_manifest(self) -> dict[str, Any]:
        return {
            "file": self._file,
            "first": self._first,
            # Position of its first sample.
            "samples": self._samples,
            "digest": f"sha256:{self._wav.sha256()}",
        }
