"""Where a recording lies: ``<dir>/<provider>/<name>/``, made for its owner alone."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

from voxemu.errors import RecordingError
from voxemu.record.wav import private, told

CALL = "call.wav"
WIRE = "agent-wire.wav"
TIMELINE = "timeline.jsonl"
MANIFEST = "manifest.json"

LONGEST = 80


def fresh_directory(root: Path, provider: str, name: str) -> Path:
    """Makes and answers a directory that was not there: ``name``, else ``name-2``, ``name-3`` …

    Raises RecordingError where none can be made.
    """
    shelf = root / safe_name(provider)
    with told(shelf, "create"):
        # Each by itself: mkdir's parents=True would give the upper ones the default mode.
        for folder in reversed([shelf, *shelf.parents]):
            if not folder.exists():
                folder.mkdir(mode=0o700, exist_ok=True)
    wanted = safe_name(name)
    for number in count(2):
        with told(shelf / wanted, "create"):
            try:
                (shelf / wanted).mkdir(mode=0o700)
            except FileExistsError:
                wanted = f"{safe_name(name)}-{number}"
                continue
        return shelf / wanted
    raise AssertionError("count() ends")


def safe_name(name: str) -> str:
    """A name that is one harmless path component, whatever was asked for."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name)[:LONGEST].strip(".-") or "call"


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Replaces the file as a whole: a reader sees the old one or the new one. Raises RecordingError."""
    text = json.dumps(value, indent=2, allow_nan=False) + "\n"
    beside = path.with_name(path.name + ".part")
    with told(path, "write"):
        beside.unlink(missing_ok=True)
        with open(beside, "xb", opener=private) as file:
            file.write(text.encode("utf-8"))
        beside.replace(path)


def read_json(path: Path) -> dict[str, Any]:
    with told(path, "read"):
        content = path.read_bytes()
    try:
        said = json.loads(content)
    except ValueError as error:
        raise RecordingError(f"{path} is no JSON: {error}") from error
    if not isinstance(said, dict):
        raise RecordingError(f"{path} holds no JSON object")
    return said
