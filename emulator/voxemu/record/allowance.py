"""How much recordings may take: a file, before it goes on in the next one, and a whole directory."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

GIB = 1 << 30
FILE, DIRECTORY = GIB, 10 * GIB
# Bytes.


class Allowance:
    """How many bytes the recordings below ``root`` may take, shared by all recorders of a process.

    What lies there already counts; it is measured when the first recording is made, and again when there
    seems to be no more room, because somebody may have tidied up.
    """

    def __init__(self, root: Path, most: int = DIRECTORY) -> None:
        self.root = root
        self.most = most
        self._used: int | None = None

    def takes(self, size: int) -> bool:
        """Whether so many more bytes fit; they count in either case, because they are written already."""
        if self._used is None:
            self._used = size_of(self.root)
        else:
            self._used += size
        if self._used > self.most:
            self._used = size_of(self.root)
        return self._used <= self.most

    @property
    def refusal(self) -> str:
        return (
            f"the recordings in {self.root} take more than {self.most / GIB:.3g} GiB, [limits] recordings; "
            "remove some of them or raise the limit"
        )


@dataclass(frozen=True, slots=True)
class RecordingLimits:
    file: int = FILE
    # Bytes of one file. A track that reaches them goes on in the next file.
    directory: Allowance | None = None
    # None is as much as the disk holds.


def size_of(root: Path) -> int:
    """Bytes of all files below; what cannot be looked at counts nothing."""
    total = 0
    for folder, _, names in os.walk(root):
        for name in names:
            try:
                total += Path(folder, name).lstat().st_size
            except OSError:
                continue
    return total
