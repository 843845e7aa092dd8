"""Reading what is to be said: a shipped prompt by name, or any audio file that libsndfile knows."""

from __future__ import annotations

from pathlib import Path

from voxemu.audio import Scale
from voxemu.scenario.spoken import spoken
from voxemu_client.speech import Clip


def load_clip(
    name: str, rate: int, scale: Scale = Scale.DIVIDE, *, folder: Path = Path(), seed: int = 0
) -> Clip:
    """What is to be said, as ``spoken`` reads it. Raises AudioError, UnknownName, UsageError."""
    found = spoken(name, rate, scale, folder=folder, seed=seed)
    return Clip(found.name, found.pcm, is_speech=found.is_speech)
