"""A recording, read back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voxemu.audio import AudioFormat
from voxemu.errors import RecordingError
from voxemu.record import migration
from voxemu.record.folder import CALL, MANIFEST, TIMELINE, WIRE, read_json
from voxemu.record.manifest import SCHEMA
from voxemu.record.parts import parts_of
from voxemu.record.timeline import ReadTimeline, read_timeline
from voxemu.record.wav import channel, read_wav


@dataclass(frozen=True, slots=True)
class Recording:
    """The files of a recording; audio is PCM16 at ``format``.

    ``complete`` is false for one whose recorder was killed or failed: its manifest is the provisional one.
    """

    path: Path
    manifest: dict[str, Any]
    timeline: ReadTimeline
    format: AudioFormat
    left: bytes
    # What the user sent.
    right: bytes
    # What the user heard.
    agent_wire: bytes | None
    # None where only its digest was kept.

    @property
    def complete(self) -> bool:
        return self.manifest.get("complete") is True

    @property
    def recovered(self) -> bool:
        """Not complete, and finished afterwards: its manifest has figures and digests all the same."""
        return "recovered" in self.manifest

    @classmethod
    def open(cls, path: Path) -> Recording:
        """Raises RecordingError, naming the file that is missing or broken."""
        if not (path / MANIFEST).exists():
            raise RecordingError(f"{path} is no recording: give the directory that holds {MANIFEST}")
        manifest = read_json(path / MANIFEST)
        if manifest.get("schema") != SCHEMA:
            raise RecordingError(_other_version(path, manifest.get("schema")))
        timeline = read_timeline(path / TIMELINE)
        rate, stereo = _audio(path / CALL, 2)
        wire = _audio(path / WIRE, 1)[1] if manifest.get("wire_track", True) else None
        left, right = (channel(stereo, index, 2) for index in range(2))
        return cls(path, manifest, timeline, AudioFormat(rate), left, right, wire)


def _other_version(path: Path, schema: object) -> str:
    """With the way out: an older recording is migrated, a newer one needs a newer voxemu."""
    family, _, version = str(schema).rpartition("/")
    own, _, ours = SCHEMA.rpartition("/")
    said = f"{path / MANIFEST}: schema {schema!r} is not {SCHEMA!r}, the one this voxemu reads"
    if family != own or not version.isdecimal():
        return said
    if int(version) > int(ours):
        return f"{said}; a newer voxemu wrote it: update this one"
    if schema in migration.STEPS:
        return f"{said}; `emu migrate {path}` brings it to that"
    return f"{said}, and there is no migration from it: record the call again"


def _audio(track: Path, channels: int) -> tuple[int, bytes]:
    """A track, of all its parts."""
    rate, whole = 0, []
    for path in parts_of(track):
        own, found, pcm = read_wav(path)
        if found != channels:
            raise RecordingError(f"{path} has {found} channels where a recording has {channels}")
        if rate not in (0, own):
            raise RecordingError(f"{path} has {own} Hz where the part before it has {rate} Hz")
        rate = own
        whole.append(pcm)
    return rate, b"".join(whole)
