"""``python -m voxemu`` is ``emu``."""

from __future__ import annotations

from voxemu.cli import main

main()
