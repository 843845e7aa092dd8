"""The shell around the emulator: settings, HTTP and websockets, starting and stopping."""

from __future__ import annotations
