"""LiveKit rooms behind one port: embedded in this program, or on a real livekit-server."""

from __future__ import annotations
