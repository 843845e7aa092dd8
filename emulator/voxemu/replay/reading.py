"""From a recording's folder to the agent's part in it, read once however many calls it serves."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from voxemu.dialogue.settings import DialogueSettings
from voxemu.errors import UsageError
from voxemu.events import Transcribed
from voxemu.provider import Provider
from voxemu.record import Recording
from voxemu.record.folder import MANIFEST
from voxemu.replay.part import Part, part_of
from voxemu.replay.recorded_turns import recorded_turns
from voxemu.replay.sent_audio import sent_audio


def part_at(path: Path, provider: Provider, settings: DialogueSettings) -> Part:
    """Raises RecordingError, and UsageError for a recording of another provider's."""
    manifest = path / MANIFEST
    changed = manifest.stat().st_mtime_ns if manifest.is_file() else 0
    return _part(path, provider, settings, changed)


@lru_cache(maxsize=32)
def _part(path: Path, provider: Provider, settings: DialogueSettings, changed: int) -> Part:
    recording = Recording.open(path)
    recorded = recording.timeline.header.get("provider")
    if recorded != provider.id:
        raise UsageError(
            f"replay:{path}: this is a recording of {recorded}; it cannot answer on {provider.id}"
        )
    return part_of(
        recording,
        recorded_turns(recording, settings),
        sent_audio(recording),
        transcribes=Transcribed in provider.spells,
        grows=settings.transcript_place == "with_audio",
    )
