"""A local emulator of voice-AI providers, and a recorder of their calls."""

from __future__ import annotations

__version__ = "0.1.0"
