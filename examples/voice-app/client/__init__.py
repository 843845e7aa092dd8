"""The voice app: one call to a voice-AI provider, from a microphone to a loudspeaker."""

from __future__ import annotations
