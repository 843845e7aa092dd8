"""This app's own emulator, which has nothing to do with voxemu: a sound card made of nothing."""

from __future__ import annotations
