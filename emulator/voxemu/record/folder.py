"""Where a recording lies: ``<dir>/<provider>/<name>/``, made for its owner alone."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
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


def usable_root(root: Path, providers: Iterable[str] = ()) -> None:
    """Whether calls can be recorded there; made where it was missing, for its owner alone, and tried out.

    A link to a directory is as good as the directory; one in the place of a provider's folder is not: whoever
    put it there would have the calls. Raises RecordingError.
    """
    if root.is_symlink() and not root.exists():
        raise RecordingError(f"{root} is a link to {root.readlink()}, which does not exist")
    for folder in (root, *(root / safe_name(name) for name in providers)):
        if folder != root:
            _check_no_link(folder)
        if folder.exists() and not folder.is_dir():
            raise RecordingError(f"{folder} is no folder, so nothing can be recorded in it")
        if folder == root or folder.exists():
            _try_out(folder)


def _try_out(folder: Path) -> None:
    try:
        _make(folder)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = error.strerror or error
        raise RecordingError(f"recordings cannot be written to {folder}: {reason}") from error


def _check_no_link(folder: Path) -> None:
    if folder.is_symlink():
        raise RecordingError(f"{folder} is a link; the folders of the providers must be none")


def _make(folder: Path) -> None:
    """With those above it, for its owner alone."""
    # Each by itself: mkdir's parents=True would give the upper ones the default mode.
    for each in reversed([folder, *folder.parents]):
        if not each.exists():
            each.mkdir(mode=0o700, exist_ok=True)


def fresh_directory(root: Path, provider: str, name: str) -> Path:
    """Makes and answers a directory that was not there: ``name``, else ``name-2``, ``name-3`` …

    Raises RecordingError where none can be made.
    """
    shelf = root / safe_name(provider)
    with told(shelf, "create"):
        _make(shelf)
    _check_no_link(shelf)
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
        try:
            with open(beside, "xb", opener=private) as file:
                file.write(text.encode("utf-8"))
            beside.replace(path)
        except OSError:
            with suppress(OSError):
                beside.unlink(missing_ok=True)
            raise


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
