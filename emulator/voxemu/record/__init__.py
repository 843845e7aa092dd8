"""What happened in a call, on disk: two tracks, a timeline, a manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voxemu.loading import on_demand

if TYPE_CHECKING:
    from voxemu.record.allowance import Allowance, RecordingLimits
    from voxemu.record.folder import fresh_directory, usable_root
    from voxemu.record.manifest import CallFacts
    from voxemu.record.recorder import Recorder
    from voxemu.record.recording import Recording
    from voxemu.record.timeline import Line, read_timeline

__all__ = [
    "Allowance",
    "CallFacts",
    "Line",
    "Recorder",
    "Recording",
    "RecordingLimits",
    "fresh_directory",
    "read_timeline",
    "usable_root",
]
__getattr__ = on_demand(
    __name__,
    {
        "Allowance": "allowance",
        "RecordingLimits": "allowance",
        "fresh_directory": "folder",
        "usable_root": "folder",
        "CallFacts": "manifest",
        "Recorder": "recorder",
        "Recording": "recording",
        "Line": "timeline",
        "read_timeline": "timeline",
    },
)
