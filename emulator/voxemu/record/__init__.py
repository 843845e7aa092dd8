"""What happened in a call, on disk: two tracks, a timeline, a manifest."""

from __future__ import annotations

from voxemu.record.folder import fresh_directory
from voxemu.record.manifest import CallFacts
from voxemu.record.recorder import Recorder
from voxemu.record.recording import Recording
from voxemu.record.timeline import Line, read_timeline

__all__ = ["CallFacts", "Line", "Recorder", "Recording", "fresh_directory", "read_timeline"]
