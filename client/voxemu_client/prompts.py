"""The prompts, as the client names them: they ship with the emulator, whose scripted agents say them too."""

from __future__ import annotations

from voxemu.prompts import names, path

__all__ = ["names", "path"]
