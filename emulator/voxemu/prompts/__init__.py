"""Short spoken prompts, so that a call can be placed with no audio files at hand: mono PCM16 at 16 kHz."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from voxemu.errors import UnknownName


def names() -> list[str]:
    """What can be said, in alphabetical order: `hello`, `stop`, …"""
    return sorted(wav.stem for wav in _folder().glob("*.wav"))


def path(name: str) -> Path:
    """The WAV file of a prompt. Raises UnknownName, which has the known ones."""
    known = names()
    if name not in known:
        raise UnknownName("prompt", name, known)
    return _folder() / f"{name}.wav"


def _folder() -> Path:
    # Wheels are installed unpacked, so the resource is a real file, which audio libraries need.
    return Path(str(files(__name__)))
