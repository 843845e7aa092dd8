"""What happened in a call, on disk: two tracks, a timeline, a manifest."""

from __future__ import annotations

from .folder import fresh_directory
from .manifest import CallFacts
from .recorder import Recorder
from .recording import Recording
from .timeline import Line, read_timeline

__all__ = ["CallFacts", "Line", "Recorder", "Recording", "fresh_directory", "read_timeline"]
