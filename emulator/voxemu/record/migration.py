"""Recordings of another format version: refused with the way out, and brought to this version.

A step takes a recording of one version to the next, in its own folder. There is no older version yet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from voxemu.errors import RecordingError
from voxemu.record.folder import MANIFEST, read_json
from voxemu.record.manifest import SCHEMA

Step = Callable[[Path], None]
"""Rewrites the files of a recording; its manifest last, with the next version's schema."""

STEPS: Mapping[str, Step] = {}
# By the schema that they begin with.


def migrate(path: Path) -> list[str]:
    """The versions that the recording went through, the first being the one it had. Raises RecordingError."""
    passed = [str(read_json(path / MANIFEST).get("schema"))]
    while passed[-1] != SCHEMA:
        step = STEPS.get(passed[-1])
        if step is None:
            raise RecordingError(
                f"{path / MANIFEST}: schema {passed[-1]!r} is none that this voxemu can bring to {SCHEMA!r}"
            )
        step(path)
        passed.append(str(read_json(path / MANIFEST).get("schema")))
        if passed[-1] in passed[:-1]:
            raise RecordingError(f"{path / MANIFEST}: a migration led from {passed[-1]!r} back to itself")
    return passed
