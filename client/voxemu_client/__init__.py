"""The reference client: the user's end of a call, against the emulator or the real provider."""

from __future__ import annotations
